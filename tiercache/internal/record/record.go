package record

import (
	"errors"
	"fmt"
	"hash/crc32"
	"sync/atomic"
	"time"
)

// A record is what stands in Redis under a value's key: a header of fixed offsets in ASCII, so that
// a script can read a field with string.sub, then tokens, key, payload and checksum.
//
//	 0  4 magic "WC01"           the format's name and version
//	 4  1 kind                   V value, A absence (the source said not found)
//	 5  1 mark                   . none, E ended by Expire: no longer fresh; a script sets it
//	 6  1 compression            . none, s S2, z Zstandard
//	 7  1 signature              . none, h HMAC
//	 8  8 codec                  its name, padded with blanks
//	16 16 id                     random, hex: which load this is, in any tier
//	32  8 version                Config.Version, hex
//	40 13 fresh                  ms from the source read
//	53 13 stale                  ms after that
//	66 13 age                    ms since the source read, when it was written or, by a script, ended by Expire
//	79  8 bytes of tokens, hex
//	87  8 bytes of key, hex
//	95  8 bytes of payload, hex
//	103 8 bytes of payload when decompressed, hex
//	111 1 line feed
//	…  16 where signed: HMAC-SHA-256, cut, of the namespace and all before but mark and age
//	…   8 CRC-32C of all before but mark and age, hex
//
// It holds durations and no moment: what is left of them is what PTTL says, clamped by them.
const (
	Magic        = "WC01"
	headerBytes  = 112
	trailerBytes = 8
	KindValue    = 'V'
	KindAbsent   = 'A'
	// KindHold is of a record of five bytes: the key was invalidated. An id may follow: that record
	// was taken back.
	KindHold     = 'H'
	markNone     = '.'
	markExpired  = 'E'
	markOffset   = 5
	packedOffset = 6
	signedOffset = 7
	ageOffset    = 66
	millisBytes  = 13
	// MaxLife bounds every duration in a record.
	MaxLife = 10 * 365 * 24 * time.Hour
)

// Record is a decoded record. payload aliases the bytes it was read from.
type Record struct {
	Kind    byte
	Expired bool
	Packed  byte // how payload is compressed
	Signed  bool
	ID      uint64
	Version uint32
	Codec   string        // eight bytes, padded with blanks
	Fresh   time.Duration // both counted from the source read
	Stale   time.Duration
	Age     time.Duration // when it was written
	Tokens  string
	Key     string
	payload []byte
	decoded int // bytes of payload when decompressed
	size    int // bytes of the whole
}

// Life is how long a record is kept in Redis from the moment it is written; at most zero means not
// at all.
func (r *Record) Life() time.Duration { return r.Fresh + r.Stale - r.Age }

// Cause is why bytes in Redis could not be read; each is counted apart.
type Cause uint8

// The causes.
const (
	causeMagic Cause = iota
	causeLength
	causeHeader
	causeChecksum
	causeKey
	CauseVersion
	CauseCodec
	CauseDecode
	CauseType
	CauseLifetime
	causeSignature
	causeCompression
	NumCauses // how many there are
)

func (c Cause) String() string {
	return [...]string{
		"magic", "length", "header", "checksum", "key", "version", "codec", "decode", "type", "lifetime", "signature", "compression",
	}[c]
}

// CorruptError says why bytes are no record of ours.
type CorruptError struct {
	Cause  Cause
	Detail string
}

// Error names the cause, and what was found.
func (e *CorruptError) Error() string {
	return "unreadable record: " + e.Cause.String() + ": " + e.Detail
}

// Unreadable is err as what it is, where it is one of corrupt's.
func Unreadable(err error) (bad *CorruptError) {
	errors.As(err, &bad)
	return bad
}

func corrupt(c Cause, format string, args ...any) error {
	return &CorruptError{Cause: c, Detail: fmt.Sprintf(format, args...)}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli) //nolint:gochecknoglobals // a constant table

// Format is how one cache writes and reads records.
type Format struct {
	Codec       string // its name as it stands in records
	Limit       int    // of a payload's bytes, decompressed
	Compression Compression
	Signer      *Signer // nil: records are not signed, and signatures not asked for
	packer      packer

	usual atomic.Int64 // bytes of a payload, about
}

// size is how many bytes a record is going to have, about.
func (f *Format) size(r *Record) int {
	size := headerBytes + len(r.Tokens) + len(r.Key) + max(64, int(f.usual.Load())) + trailerBytes
	if f.Signer != nil {
		size += signatureBytes
	}
	return size
}

// wrote notes how many bytes it needed. What is usual follows larger ones at once, and smaller ones
// slowly.
func (f *Format) wrote(n int) {
	usual := f.usual.Load()
	if next := max(int64(n), usual-usual/64); next != usual {
		f.usual.Store(min(next, mostUsual))
	}
}

// mostUsual bounds what is set aside for one payload before its size is known.
const mostUsual = 4096

// Make appends the record as it stands in Redis to dst, which is empty; encode appends the payload.
// It fails with encode's error or with ErrTooLarge.
func (f *Format) Make(dst []byte, r *Record, encode func([]byte) ([]byte, error)) ([]byte, error) {
	if dst == nil {
		dst = make([]byte, 0, f.size(r))
	}
	dst = append(dst, Magic...)
	dst = append(dst, r.Kind, markNone, packedNone, unsigned)
	dst = append(dst, r.Codec...)
	dst = appendHex(dst, r.ID, 16)
	dst = appendHex(dst, uint64(r.Version), 8)
	dst = appendMillis(dst, r.Fresh)
	dst = appendMillis(dst, r.Stale)
	dst = appendMillis(dst, r.Age)
	dst = appendHex(dst, uint64(len(r.Tokens)), 8)
	dst = appendHex(dst, uint64(len(r.Key)), 8)
	sizes := len(dst)
	dst = append(dst, "0000000000000000\n"...)
	dst = append(dst, r.Tokens...)
	dst = append(dst, r.Key...)
	body := len(dst)
	if r.Kind == KindValue {
		var err error
		if dst, err = encode(dst); err != nil {
			return nil, err
		}
	}
	decoded := len(dst) - body
	f.wrote(decoded)
	if decoded > f.Limit {
		return nil, fmt.Errorf("%w: %d bytes, of at most %d", ErrTooLarge, decoded, f.Limit)
	}
	if small, how := f.packer.pack(dst[body:], f.Compression); how != packedNone {
		dst = append(dst[:body], small...)
		dst[packedOffset] = how
	}
	appendHex(dst[:sizes], uint64(len(dst)-body), 8)
	appendHex(dst[:sizes+8], uint64(decoded), 8)
	if f.Signer != nil {
		dst[signedOffset] = signedHMAC
		dst = f.Signer.sign(dst)
	}
	return appendHex(dst, uint64(checksum(dst)), trailerBytes), nil
}

// ErrTooLarge refuses a payload that is over the limit.
var ErrTooLarge = errors.New("value is over RedisConfig.MaxValueBytes")

// checksum is that of a record without its trailer. It leaves out what scripts change, who cannot
// compute it.
func checksum(data []byte) uint32 {
	sum := crc32.Checksum(data[:markOffset], castagnoli)
	sum = crc32.Update(sum, castagnoli, data[markOffset+1:ageOffset])
	return crc32.Update(sum, castagnoli, data[ageOffset+millisBytes:])
}

func appendMillis(dst []byte, d time.Duration) []byte {
	n := min(max(d, 0), 3*MaxLife).Milliseconds()
	for unit := int64(1e12); unit > 0; unit /= 10 {
		dst = append(dst, byte('0'+n/unit%10))
	}
	return dst
}

// Parse reads data, which must be a record of the key, of at most limit bytes of payload, and
// signed where that is asked for. The error is a *CorruptError. The payload is left as it is; see
// Payload.
func (f *Format) Parse(data []byte, key string) (Record, error) {
	if len(data) < len(Magic) || string(data[:len(Magic)]) != Magic {
		return Record{}, corrupt(causeMagic, "does not begin with %s", Magic)
	}
	if len(data) < headerBytes+trailerBytes {
		return Record{}, corrupt(causeLength, "%d bytes are less than a header", len(data))
	}
	n := fields{data: data}
	tokens, keyLen := n.hex(79, 8), n.hex(87, 8)
	payload, decoded := n.hex(95, 8), n.hex(103, 8)
	signature := uint64(0)
	r := Record{
		Kind: data[4], Expired: data[markOffset] == markExpired, Packed: data[packedOffset], Signed: data[signedOffset] == signedHMAC,
		Codec: f.codecName(data[8:16]),
		ID:    n.hex(16, 16), Version: uint32(n.hex(32, 8)), Fresh: n.millis(40), Stale: n.millis(53), Age: n.millis(ageOffset),
		size: len(data),
	}
	if r.Signed {
		signature = signatureBytes
	}
	switch {
	case n.bad:
		return Record{}, corrupt(causeHeader, "a number is malformed or out of bounds")
	case r.Kind != KindValue && r.Kind != KindAbsent:
		return Record{}, corrupt(causeHeader, "unknown kind %q", r.Kind)
	case !r.Signed && data[signedOffset] != unsigned:
		return Record{}, corrupt(causeHeader, "unknown signature %q", data[signedOffset])
	case decoded > uint64(f.Limit) || payload > decoded:
		return Record{}, corrupt(causeLength, "claims %d bytes of payload, %d decompressed, of at most %d", payload, decoded, f.Limit)
	case r.Packed == packedNone && decoded != payload || !plausible(payload, decoded):
		return Record{}, corrupt(causeLength, "claims that %d bytes of payload are %d when decompressed", payload, decoded)
	case uint64(len(data)) != headerBytes+tokens+keyLen+payload+signature+trailerBytes:
		return Record{}, corrupt(causeLength, "%d bytes are not what the header says", len(data))
	}
	end := len(data) - trailerBytes
	if uint64(checksum(data[:end])) != n.hex(end, trailerBytes) || n.bad {
		return Record{}, corrupt(causeChecksum, "the bytes are not those that were written")
	}
	at := headerBytes + int(tokens)
	body := at + int(keyLen)
	if string(data[at:body]) != key {
		return Record{}, corrupt(causeKey, "it is of another key")
	}
	end -= int(signature)
	if f.Signer != nil && (!r.Signed || !f.Signer.verify(data[:end], data[end:end+signatureBytes])) {
		return Record{}, corrupt(causeSignature, "it is not signed with one of the secrets")
	}
	r.Key, r.Tokens = key, string(data[headerBytes:at])
	r.payload, r.decoded = data[body:end:end], int(decoded)
	return r, nil
}

// codecName is the name as a string, which records of one codec share.
func (f *Format) codecName(name []byte) string {
	if string(name) == f.Codec {
		return f.Codec
	}
	return string(name)
}

// Payload is what the codec wrote. The error is a *CorruptError.
func (f *Format) Payload(r *Record) ([]byte, error) {
	return f.packer.unpack(r.payload, r.Packed, r.decoded)
}

// fields reads numbers of fixed width and remembers whether one was malformed.
type fields struct {
	data []byte
	bad  bool
}

func (f *fields) hex(at, width int) uint64 {
	var n uint64
	var worst byte
	for _, b := range f.data[at : at+width] {
		digit := hexDigits[b]
		worst = max(worst, digit)
		n = n<<4 | uint64(digit&15)
	}
	f.bad = f.bad || worst > 15
	return n
}

func (f *fields) millis(at int) time.Duration {
	var n int64
	var worst byte
	for _, b := range f.data[at : at+millisBytes] {
		digit := b - '0'
		worst = max(worst, digit)
		n = 10*n + int64(digit)
	}
	if worst > 9 || n > int64(3*MaxLife/time.Millisecond) {
		f.bad = true
		return 0
	}
	return time.Duration(n) * time.Millisecond
}
