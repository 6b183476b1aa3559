package warm

import (
	"context"

	"github.com/warmcache/warmcache/tiercache"
)

// Target is a cache whose loaders an engine runs; *tiercache.Cache is one.
type Target interface {
	Name() string
	Loaders() []tiercache.LoaderInfo
	WarmLoader(ctx context.Context, name string, opts tiercache.WarmOptions) tiercache.WarmResult
	Hydrate(ctx context.Context, keys []string, opts tiercache.WarmOptions) tiercache.WarmResult
}
