package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// document is n bytes of something like JSON.
func document(n int) []byte {
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // reproducible
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, `{"brand":"brand-%d","reports":%d,"score":%.3f,"active":%t},`, rng.IntN(500), rng.IntN(1e6), rng.Float64(), rng.IntN(2) == 0)
	}
	return b.Bytes()[:n]
}

func noise(n int) []byte {
	rng := rand.NewChaCha8([32]byte{1})
	data := make([]byte, n)
	_, _ = rng.Read(data)
	return data
}

func TestCompression_roundTripWhereSmaller(t *testing.T) {
	for _, c := range []struct {
		name    string
		payload []byte
		packed  bool
	}{
		{"300 B", document(300), false},
		{"below the threshold", document(compressFrom - 1), false},
		{"at the threshold", document(compressFrom), true},
		{"5 KB", document(5000), true},
		{"1 MB", document(1 << 20), true},
		{"noise", noise(100 << 10), false},
		{"beyond the ratio", make([]byte, 4<<20), false},
		{"empty", nil, false},
	} {
		for _, how := range []Compression{S2, Zstd, Uncompressed} {
			writer := &Format{Limit: 8 << 20, Compression: how}
			rec := Record{Kind: KindValue, Codec: "bytes   ", Key: "k", Fresh: time.Minute}
			data, err := writer.Make(nil, &rec, func(dst []byte) ([]byte, error) { return append(dst, c.payload...), nil })
			if err != nil {
				t.Fatal(err)
			}
			reader := &Format{Limit: 8 << 20, Compression: Uncompressed} // whatever it writes itself
			got, err := reader.Parse(data, "k")
			if err != nil {
				t.Fatalf("%s, %v: %v", c.name, how, err)
			}
			if packed := got.Packed != packedNone; packed != (c.packed && how != Uncompressed) {
				t.Errorf("%s, %v: packed is %q", c.name, how, got.Packed)
			}
			if c.packed && how != Uncompressed && len(data) >= len(c.payload) {
				t.Errorf("%s, %v: %d bytes became %d", c.name, how, len(c.payload), len(data))
			}
			payload, err := reader.Payload(&got)
			if err != nil || !bytes.Equal(payload, c.payload) {
				t.Errorf("%s, %v: came back as %d bytes, %v", c.name, how, len(payload), err)
			}
		}
	}
}

// packedRecord is a record with that payload and those claims, with a checksum that is right.
func packedRecord(mark byte, payload []byte, decoded uint64) []byte {
	rec := Record{Kind: KindValue, Codec: "bytes   ", Key: "key", Fresh: time.Minute}
	data, _ := (&Format{Limit: 1 << 30, Compression: Uncompressed}).Make(nil, &rec, func(dst []byte) ([]byte, error) { return append(dst, payload...), nil })
	data[packedOffset] = mark
	appendHex(data[:103], decoded, 8)
	data = data[:len(data)-trailerBytes]
	return appendHex(data, uint64(checksum(data)), trailerBytes)
}

// Zip bombs and false claims are misses, each under its cause, and nothing large is made of them.
func TestCompression_hostileRecords(t *testing.T) {
	const limit = 8 << 20
	zeros := make([]byte, 64<<20)
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	zstdBomb := encoder.EncodeAll(zeros, nil)
	var unsized bytes.Buffer // its frame does not tell its size
	stream, err := zstd.NewWriter(&unsized)
	if err != nil {
		t.Fatal(err)
	}
	for chunk := range 16 {
		if _, err := stream.Write(zeros[chunk<<22 : (chunk+1)<<22]); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.Close(); err != nil {
		t.Fatal(err)
	}
	s2Bomb := s2.EncodeBest(nil, zeros)
	s2Claim := append(binary.AppendUvarint(nil, 1<<30), noise(100)...)
	real5k := s2.Encode(nil, document(5000))
	cut := real5k[:len(real5k)-1]
	for _, c := range []struct {
		name    string
		mark    byte
		payload []byte
		decoded uint64
		cause   Cause
	}{
		{"s2 bomb that says so", PackedS2, s2Bomb, 64 << 20, causeLength},
		{"s2 bomb that claims the limit", PackedS2, s2Bomb, limit, causeLength},
		{"s2 bomb that claims little", PackedS2, s2Bomb, uint64(len(s2Bomb)) + 1, causeCompression},
		{"s2 block that claims 1 GiB", PackedS2, s2Claim, 5000, causeCompression},
		{"1 GiB in the header", PackedS2, real5k, 1 << 30, causeLength},
		{"4 GiB in the header", PackedZstd, real5k, 1<<32 - 1, causeLength},
		{"zstd bomb that says so", PackedZstd, zstdBomb, 64 << 20, causeLength},
		{"zstd bomb that claims little", PackedZstd, zstdBomb, uint64(len(zstdBomb)) * 200, causeCompression},
		{"zstd bomb without a size", PackedZstd, unsized.Bytes(), uint64(unsized.Len()) * 200, causeCompression},
		{"zstd frames in a row", PackedZstd, bytes.Repeat(encoder.EncodeAll(zeros[:1<<16], nil), 64), 1 << 17, causeCompression},
		{"zstd of a large window", PackedZstd, append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8}, noise(64)...), 100, causeCompression},
		{"s2 cut short", PackedS2, cut, 5000, causeCompression},
		{"s2 that says less", PackedS2, real5k, 4999, causeCompression},
		{"noise", PackedZstd, noise(1000), 5000, causeCompression},
		{"none, but another size", packedNone, document(1000), 5000, causeLength},
		{"an unknown kind", 'q', document(1000), 5000, causeCompression},
		{"empty", PackedS2, nil, 0, causeCompression},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := packedRecord(c.mark, c.payload, c.decoded)
			f := &Format{Limit: limit}
			f.packer.zstdDecoder() // its tables are made once, whatever comes
			_, _ = f.packer.unpack(encoder.EncodeAll(document(5000), nil), PackedZstd, 5000)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			rec, err := f.Parse(data, "key")
			if err == nil {
				_, err = f.Payload(&rec)
			}
			runtime.ReadMemStats(&after)
			var bad *CorruptError
			if !errors.As(err, &bad) || bad.Cause != c.cause {
				t.Errorf("got %v, want cause %v", err, c.cause)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 3<<20 {
				t.Errorf("%d bytes were allocated for %d", grown, len(data))
			}
		})
	}
}

func TestCompression_tooLargeIsSaid(t *testing.T) {
	f := &Format{Limit: 100}
	rec := Record{Kind: KindValue, Codec: "bytes   ", Key: "k", Fresh: time.Minute}
	encode := func(n int) error {
		_, err := f.Make(nil, &rec, func(dst []byte) ([]byte, error) { return append(dst, strings.Repeat("x", n)...), nil })
		return err
	}
	if err := encode(100); err != nil {
		t.Error(err)
	}
	if err := encode(101); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v, want %v", err, ErrTooLarge)
	}
}

func FuzzUnpack(f *testing.F) {
	p := new(packer)
	for _, how := range []Compression{S2, Zstd} {
		data, mark := p.pack(document(5000), how)
		f.Add(data, mark, uint32(5000))
	}
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd}, byte(PackedZstd), uint32(1))
	f.Fuzz(func(t *testing.T, data []byte, mark byte, decoded uint32) {
		claimed := int(decoded % (1 << 20))
		got, err := p.unpack(data, mark, claimed)
		if err == nil && mark != packedNone && (len(got) != claimed || cap(got) > claimed+64) {
			t.Errorf("claimed %d, got %d in %d", claimed, len(got), cap(got))
		}
	})
}

// The default's reason; run with -bench Compression.
func BenchmarkCompression(b *testing.B) {
	p := new(packer)
	for _, size := range []int{300, 1 << 10, 2 << 10, 5000, 64 << 10} {
		doc := document(size)
		for name, how := range map[string]byte{"s2": PackedS2, "zstd": PackedZstd} {
			pack := func() []byte {
				if how == PackedZstd {
					return p.zstdEncoder().EncodeAll(doc, make([]byte, 0, len(doc)/2))
				}
				return s2.Encode(nil, doc)
			}
			small := pack()
			b.Run(fmt.Sprintf("%s/%d/pack", name, size), func(b *testing.B) {
				for b.Loop() {
					pack()
				}
				b.ReportMetric(float64(len(small))/float64(size), "size")
			})
			b.Run(fmt.Sprintf("%s/%d/unpack", name, size), func(b *testing.B) {
				for b.Loop() {
					if _, err := p.unpack(small, how, size); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
