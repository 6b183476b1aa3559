package tiercache_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

type tenantTime struct {
	time.Time

	Tenant string
}

// The text form of one field of several is none of the key: all tenants would share one. Without
// Redis nobody needs a text.
func TestKeys_promotedTextIsRefused(t *testing.T) {
	t.Parallel()
	r := newRedis(t, redistest.Start(t))
	if _, err := tiercache.New(tiercache.Config[tenantTime, string]{Name: "c", Redis: r}); err == nil || !strings.Contains(err.Error(), "field Time alone") {
		t.Errorf("promoted text: %v", err)
	}
}

// Any comparable key will do without Redis. What needs its text says so.
func TestKeys_withoutRedisNeedNoText(t *testing.T) {
	t.Parallel()
	c := newCache(t, tiercache.Config[tenantTime, string]{
		Name: "c", TTL: time.Hour, LearnHot: 10,
		Load: func(_ context.Context, key tenantTime) (string, error) { return key.Tenant, nil },
	})
	for _, tenant := range []string{"a", "b"} {
		for range 2 {
			if v, err := c.Get(t.Context(), tenantTime{Tenant: tenant}); v != tenant || err != nil {
				t.Errorf("%q, %v", v, err)
			}
		}
	}
	if err := c.Delete(t.Context(), tenantTime{}); err != nil {
		t.Error(err)
	}
	if _, err := c.Explain(t.Context(), tenantTime{}); err == nil || !strings.Contains(err.Error(), "Keys") {
		t.Errorf("Explain: %v", err)
	}
	if _, err := c.HotTexts(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "Keys") {
		t.Errorf("HotTexts: %v", err)
	}
}

// A key whose text leads to another key, or to none, is refused by the call that brings it, and no
// other.
func TestKeys_thatDoNotComeBackAreErrors(t *testing.T) {
	t.Parallel()
	c := newCache(t, tiercache.Config[time.Time, string]{
		Name: "c", TTL: time.Hour, Redis: newRedis(t, redistest.Start(t)),
		Load: func(context.Context, time.Time) (string, error) { return "v", nil },
	})
	good := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	bad := good.In(time.FixedZone("elsewhere", 12345))
	if v, err := c.Get(t.Context(), good); v != "v" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
	_, get := c.Get(t.Context(), bad)
	many, getMany := c.GetMany(t.Context(), []time.Time{good, bad})
	if len(many) != 1 {
		t.Errorf("GetMany: %v", many)
	}
	for name, err := range map[string]error{
		"Get": get, "GetMany": getMany, "Set": c.Set(t.Context(), bad, "v"), "Delete": c.Delete(t.Context(), bad),
	} {
		if err == nil || !strings.Contains(err.Error(), "lead back") || errors.Is(err, tiercache.ErrDegraded) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// deafKeys can't read one text.
type deafKeys struct{ deaf *atomic.Bool }

func (deafKeys) EncodeKey(key string) (string, error) { return key, nil }

func (k deafKeys) DecodeKey(text string) (string, error) {
	switch {
	case !k.deaf.Load():
		return text, nil
	case text == "another":
		return "k", nil
	default:
		return "", errors.New("unreadable")
	}
}

// A notice about a key that this node cannot read, or reads as another one, may be about any: what
// is in memory is validated.
func TestKeys_unreadableNoticeBeginsAnEpoch(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"unreadable", "another"} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			var deaf atomic.Bool
			seen := newWitness()
			cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Redis: newRedis(t, server)}
			a := newCache(t, cfg)
			rb := newRedis(t, server)
			cfg.Redis, cfg.Keys, cfg.Observer = rb, deafKeys{&deaf}, seen
			b := newCache(t, cfg)
			settledEpoch(t, rb)
			if err := b.Set(t.Context(), "k", "v"); err != nil {
				t.Fatal(err)
			}
			if e, err := b.GetEntry(t.Context(), "k"); e.Source != tiercache.FromMemory || err != nil {
				t.Fatalf("%+v, %v", e, err)
			}
			deaf.Store(true)
			if err := a.Delete(t.Context(), text); err != nil {
				t.Fatal(err)
			}
			redistest.Eventually(t, 5*time.Second, func() error {
				if b.Stats().NoticesUnreadable != 1 {
					return errors.New("the notice is not counted")
				}
				return nil
			})
			deaf.Store(false)
			redistest.Eventually(t, 5*time.Second, func() error {
				if e, err := b.GetEntry(t.Context(), "k"); e.Value != "v" || err != nil {
					t.Fatalf("%+v, %v", e, err)
				} else if e.Source == tiercache.FromRedis {
					return nil
				}
				return errors.New("no look at Redis")
			})
		})
	}
}
