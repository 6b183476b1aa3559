package record

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

var plain = &Format{Limit: 1 << 20}

func sample(tb testing.TB, key, payload string) []byte {
	tb.Helper()
	rec := Record{
		Kind: KindValue, Codec: "string  ", ID: 0xfeedface, Version: 3, Key: key,
		Fresh: time.Hour, Stale: time.Minute, Age: time.Second,
	}
	data, err := plain.Make(nil, &rec, func(dst []byte) ([]byte, error) { return append(dst, payload...), nil })
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func TestRecord_roundTrip(t *testing.T) {
	for _, key := range []string{"", "k", "\x00\r\n{}", strings.Repeat("x", 1<<20)} {
		got, err := plain.Parse(sample(t, key, "payload"), key)
		if err != nil || got.Key != key || string(got.payload) != "payload" || got.Fresh != time.Hour || got.Stale != time.Minute ||
			got.Age != time.Second || got.ID != 0xfeedface || got.Version != 3 || got.Expired {
			t.Errorf("key %.10q: %+v, %v", key, got, err)
		}
	}
}

// Whatever byte is changed, a record is either refused or the same value.
func TestRecord_everyByteCounts(t *testing.T) {
	data := sample(t, "key", "payload")
	for i := range data {
		for _, flip := range []byte{1, 0x20, 0x80} {
			bad := bytes.Clone(data)
			bad[i] ^= flip
			got, err := plain.Parse(bad, "key")
			// what scripts may change
			script := i == markOffset || i >= ageOffset && i < ageOffset+millisBytes
			if err == nil && !script {
				t.Errorf("byte %d: %+v", i, got)
			}
			if err == nil && string(got.payload) != "payload" {
				t.Errorf("byte %d: payload %q", i, got.payload)
			}
		}
		if _, err := plain.Parse(data[:i], "key"); err == nil {
			t.Errorf("the first %d bytes are a record", i)
		}
	}
	if _, err := plain.Parse(data, "other"); err == nil {
		t.Error("another key's record was accepted")
	}
	if _, err := (&Format{Limit: 3}).Parse(data, "key"); err == nil {
		t.Error("a record over the limit was accepted")
	}
}

func FuzzParseRecord(f *testing.F) {
	data := sample(f, "key", "payload")
	f.Add(data)
	f.Add([]byte(nil))
	f.Add([]byte("WC01"))
	huge := bytes.Clone(data)
	copy(huge[79:], "ffffffffffffffffffffffffffffffff")
	f.Add(huge)
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := plain.Parse(data, "key")
		if err != nil {
			return
		}
		if got.Key != "key" || len(got.payload) > len(data) {
			t.Errorf("%+v", got)
		}
		if payload, err := plain.Payload(&got); err == nil && len(payload) > plain.Limit {
			t.Errorf("a payload of %d bytes", len(payload))
		}
	})
}

func TestRecord_hugeClaimsAllocateLittle(t *testing.T) {
	data := sample(t, "key", "payload")
	copy(data[79:], "ffffffffffffffffffffffffffffffff")
	got := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			if _, err := plain.Parse(data, "key"); err == nil {
				b.Fatal("accepted")
			}
		}
	})
	if got.AllocedBytesPerOp() > 4<<10 {
		t.Errorf("%d bytes a parse", got.AllocedBytesPerOp())
	}
}
