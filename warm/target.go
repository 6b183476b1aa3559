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

// Inspector is a Target that tells of its keys, in their text form, to people; *tiercache.Cache is
// one.
type Inspector interface {
	HotTexts(ctx context.Context, n int) ([]tiercache.HotKey[string], error)
	ExplainText(ctx context.Context, text string) (tiercache.Explanation, error)
}

// sized is a Target whose room is known.
type sized interface{ Stats() tiercache.Stats }
