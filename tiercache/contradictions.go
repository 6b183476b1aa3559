package tiercache

import (
	"errors"
	"fmt"
	"time"
)

// contradictions is an error for each field that can do nothing beside the others, nil where there
// is none. It names what would be right. A switch that is off, such as a nil Redis or a LearnHot of
// 0, contradicts nothing.
func (cfg Config[K, V]) contradictions() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if cfg.TTL == 0 && cfg.Expiry == nil {
		const endless = "TTL is 0, which is for values that do not expire: set TTL, or Expiry"
		if cfg.RefreshAt > 0 {
			bad("RefreshAt %v is a share of TTL, and %s", cfg.RefreshAt, endless)
		}
		if cfg.StaleFor > 0 {
			bad("StaleFor %v begins where TTL is over, and %s", cfg.StaleFor, endless)
		}
	}
	if cfg.SoftTimeout > 0 && cfg.StaleFor == 0 {
		bad("SoftTimeout %v is for who is served a stale value, and StaleFor is 0: nobody is; set StaleFor", cfg.SoftTimeout)
	}
	if hard := cfg.loadTimeout(); cfg.SoftTimeout > 0 && cfg.SoftTimeout >= hard && hard > 0 {
		bad("SoftTimeout %v is not below LoadTimeout %v, which ends the load before", cfg.SoftTimeout, hard)
	}
	if cfg.TTL > 0 && cfg.MemoryTTL > cfg.TTL && cfg.Expiry == nil {
		bad("MemoryTTL %v is longer than TTL %v and bounds nothing: leave it 0; or, where values have longer TTLs of their own, "+
			"set Expiry, if only to one that returns 0", cfg.MemoryTTL, cfg.TTL)
	}
	if cfg.Reload != nil && cfg.Load == nil && cfg.LoadMany == nil {
		bad("Reload is called for keys with an older value alone: set Load or LoadMany for the others")
	}
	return errors.Join(errs...)
}

// loadTimeout is LoadTimeout, or its default.
func (cfg Config[K, V]) loadTimeout() time.Duration {
	if cfg.LoadTimeout == 0 {
		return defaultLoadTimeout
	}
	return cfg.LoadTimeout
}
