package redistier

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// slotOf is the Cluster's slot of a key: CRC-16/XMODEM of its hash tag, or of all of it.
func slotOf(key string) uint16 {
	if open := strings.IndexByte(key, '{'); open >= 0 {
		if end := strings.IndexByte(key[open+1:], '}'); end > 0 {
			key = key[open+1 : open+1+end]
		}
	}
	var crc uint16
	for i := range len(key) {
		crc ^= uint16(key[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc % 16384
}

// checkKey is what must hold of every key's text.
func checkKey(t *testing.T, ns Namespace, text string) string {
	t.Helper()
	key := ns.Value(text)
	switch {
	case !strings.HasPrefix(key, ns.Prefix):
		t.Errorf("%.40q leaves the namespace: %.40q", text, key)
	case len(key) > len(ns.Prefix)+MaxKeyBytes:
		t.Errorf("%.40q: a key of %d bytes", text, len(key))
	case !utf8.ValidString(key) || strings.ContainsAny(key, "{}\r\n\x00"):
		t.Errorf("%.40q: raw %.40q", text, key)
	case slotOf(key) != slotOf(Lease(key)):
		t.Errorf("%.40q: the lease is in another slot", text)
	}
	return key
}

func TestKeys_hundredThousandWithoutAliasOrCrossSlot(t *testing.T) {
	if slotOf("123456789") != 0x31c3%16384 {
		t.Fatal("the slot function is wrong")
	}
	ns := Namespace{Prefix: "app:brand_stats:"}
	seen := make(map[string]string)
	alphabet := []string{"a", "b", "{", "}", `\`, "#", ":", "\r", "\n", "\x00", "\xff", "\xc3", "é", "7", "b7", "{}", "5c", `\#`, "lease"}
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // reproducible
	for i := range 100_000 {
		var b strings.Builder
		for range rng.IntN(8) {
			b.WriteString(alphabet[rng.IntN(len(alphabet))])
		}
		if i%100 == 0 {
			b.WriteString(strings.Repeat("x", 510+rng.IntN(5)))
		}
		text := b.String()
		key := checkKey(t, ns, text)
		if other, ok := seen[key]; ok && other != text {
			t.Fatalf("%q and %q are both %q", text, other, key)
		}
		seen[key] = text
	}
}

func FuzzKeys(f *testing.F) {
	f.Add("Nike", `N\69ke`)
	f.Add("{", `\7b`)
	f.Add("\xff", "\ufffd")
	ns := Namespace{Prefix: "c:"}
	f.Fuzz(func(t *testing.T, a, b string) {
		if ka, kb := checkKey(t, ns, a), checkKey(t, ns, b); ka == kb && a != b {
			t.Errorf("%q and %q are both %q", a, b, ka)
		}
	})
}
