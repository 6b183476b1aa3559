package tiercache

import (
	"fmt"
	"testing"
	"time"
)

func TestKeys_defaultCodecs(t *testing.T) {
	roundTrip(t, "", "a", "\xff{}\r\n")
	roundTrip(t, 0, -1, 1<<40)
	roundTrip(t, uint8(0), uint8(255))
	type name string
	roundTrip(t, name("x"), name(""))
	roundTrip(t, time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC))
	if _, err := defaultKeys[struct{ A int }](); err == nil {
		t.Error("a struct has a default text form")
	}
}

func roundTrip[K comparable](t *testing.T, keys ...K) {
	t.Helper()
	codec, err := defaultKeys[K]()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		text, err := codec.EncodeKey(key)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := codec.DecodeKey(text); got != key || err != nil {
			t.Errorf("%s: %v, %v", fmt.Sprint(key), got, err)
		}
	}
}
