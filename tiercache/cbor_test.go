package tiercache_test

import (
	"bytes"
	"math/big"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/warmcache/warmcache/tiercache"
)

type sampleValue struct {
	Name    string            `json:"name"`
	At      time.Time         `json:"at"`
	Wait    time.Duration     `json:"wait"`
	Data    []byte            `json:"data"`
	Labels  map[string]string `json:"labels,omitempty"`
	ByID    map[int]float64   `cbor:"by_id"`
	Next    *sampleValue      `json:"next"`
	Addr    netip.Addr
	Any     any
	Skipped int `json:"-"`
}

func TestCBOR_roundTrip(t *testing.T) {
	codec := tiercache.CBOR[sampleValue]()
	want := sampleValue{
		Name: "Nïke \xff", At: time.Date(2026, 3, 29, 1, 30, 0, 123456789, time.FixedZone("", 2*3600)), Wait: time.Second,
		Data: []byte{0, 255}, Labels: map[string]string{"b": "2", "a": "1"}, ByID: map[int]float64{-7: 1.5, 1 << 40: 2},
		Next: &sampleValue{Name: "inner", Any: int64(3)}, Addr: netip.MustParseAddr("2001:db8::1"),
		Any: map[string]any{"n": int64(-5), "big": int64(1 << 60), "list": []any{"x", true, nil, 1.25}, "at": time.Unix(1, 2).UTC()},
	}
	first, err := codec.Encode([]byte("before"), want)
	if err != nil || !bytes.HasPrefix(first, []byte("before")) {
		t.Fatalf("%q, %v", first, err)
	}
	got, err := codec.Decode(first[len("before"):])
	if err != nil {
		t.Fatal(err)
	}
	sameTime := cmp.Comparer(func(a, b time.Time) bool {
		_, x := a.Zone()
		_, y := b.Zone()
		return a.Equal(b) && x == y
	})
	if diff := cmp.Diff(want, got, sameTime, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	for range 20 {
		if again, err := codec.Encode([]byte("before"), want); err != nil || !bytes.Equal(first, again) {
			t.Fatalf("not deterministic, %v", err)
		}
	}
	if codec.Name() != "cbor" {
		t.Error(codec.Name())
	}
}

func TestCBOR_zeroTimeAndBigInt(t *testing.T) {
	zero, err := tiercache.CBOR[time.Time]().Encode(nil, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tiercache.CBOR[time.Time]().Decode(zero); err != nil || !got.IsZero() {
		t.Errorf("the zero time came back as %v, %v", got, err)
	}
	want := new(big.Int).Lsh(big.NewInt(1), 100)
	data, err := tiercache.CBOR[*big.Int]().Encode(nil, want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tiercache.CBOR[*big.Int]().Decode(data); err != nil || got.Cmp(want) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

// What a few bytes claim to hold is neither believed nor made room for.
func TestCBOR_hostile(t *testing.T) {
	for name, data := range map[string][]byte{
		"an array of 2^63":      {0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"an array of 2^31":      {0x9a, 0x7f, 0xff, 0xff, 0xff},
		"a map of 2^31":         {0xba, 0x7f, 0xff, 0xff, 0xff},
		"bytes of 2^40":         {0x5b, 0, 0, 1, 0, 0, 0, 0, 0, 0},
		"a hundred levels":      bytes.Repeat([]byte{0x81}, 100),
		"a hundred tags":        bytes.Repeat([]byte{0xc1}, 100),
		"an indefinite array":   {0x9f, 1, 0xff},
		"two million elements":  append([]byte{0x9a, 0, 0x20, 0, 0}, make([]byte, 2<<20)...),
		"something behind it":   {1, 1},
		"nothing":               {},
		"half of a text":        {0x65, 'a'},
		"a reserved major type": {0xff},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got, err := tiercache.CBOR[any]().Decode(data)
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Errorf("decoded as %v", got)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
				t.Errorf("%d bytes were allocated", grown)
			}
		})
	}
}

func FuzzCBOR(f *testing.F) {
	data, err := tiercache.CBOR[sampleValue]().Encode(nil, sampleValue{Name: "a", Labels: map[string]string{"b": "c"}, Any: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte{0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := tiercache.CBOR[sampleValue]().Decode(data)
		if err != nil {
			return
		}
		if _, err := tiercache.CBOR[sampleValue]().Encode(nil, v); err != nil {
			t.Errorf("what was decoded cannot be encoded: %v", err)
		}
	})
}
