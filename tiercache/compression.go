package tiercache

import (
	"fmt"

	"github.com/warmcache/warmcache/tiercache/internal/record"
)

// Compression is how values are made smaller for Redis. It is about writing alone: a cache reads
// what any other wrote.
type Compression uint8

// The compressions. The zero value is S2: it makes JSON of 5 KB a third to a fifth as large in 3 to
// 7 µs, which is less than its encoding takes and than the bytes that are saved take on a network
// of 1 Gbit/s.
const (
	S2           = Compression(record.S2)           // fast
	Zstd         = Compression(record.Zstd)         // smaller, and some times slower
	Uncompressed = Compression(record.Uncompressed) // leaves values as their codec wrote them
)

// String is the compression's name in lower case.
func (c Compression) String() string {
	switch c {
	case S2:
		return "s2"
	case Zstd:
		return "zstd"
	case Uncompressed:
		return "uncompressed"
	default:
		return fmt.Sprintf("Compression(%d)", uint8(c))
	}
}
