package tiercache

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
	recordMagic  = "WC01"
	headerBytes  = 112
	trailerBytes = 8
	kindValue    = 'V'
	kindAbsent   = 'A'
	kindHold     = 'H' // a record of five bytes: the key was invalidated; or of these and an id: that record was taken back
	markNone     = '.'
	markExpired  = 'E'
	markOffset   = 5
	packedOffset = 6
	signedOffset = 7
	ageOffset    = 66
	millisBytes  = 13
	// maxLife bounds every duration in a record.
	maxLife = 10 * 365 * 24 * time.Hour
)

// record is a decoded record. payload aliases the bytes it was read from.
type record struct {
	kind    byte
	expired bool
	packed  byte // how payload is compressed
	signed  bool
	id      uint64
	version uint32
	codec   string        // eight bytes, padded with blanks
	fresh   time.Duration // both counted from the source read
	stale   time.Duration
	age     time.Duration // when it was written
	tokens  string
	key     string
	payload []byte
	decoded int // bytes of payload when decompressed
	size    int // bytes of the whole
}

// life is how long a record is kept in Redis from the moment it is written; at most zero means not
// at all.
func (r *record) life() time.Duration { return r.fresh + r.stale - r.age }

// cause is why bytes in Redis could not be read; each is counted apart.
type cause uint8

const (
	causeMagic cause = iota
	causeLength
	causeHeader
	causeChecksum
	causeKey
	causeVersion
	causeCodec
	causeDecode
	causeType
	causeLifetime
	causeSignature
	causeCompression
	numCauses
)

func (c cause) String() string {
	return [...]string{
		"magic", "length", "header", "checksum", "key", "version", "codec", "decode", "type", "lifetime", "signature", "compression",
	}[c]
}

// corruptError says why bytes are no record of ours.
type corruptError struct {
	cause  cause
	detail string
}

func (e *corruptError) Error() string {
	return "unreadable record: " + e.cause.String() + ": " + e.detail
}

// unreadable is err as what it is, where it is one of corrupt's.
func unreadable(err error) (bad *corruptError) {
	errors.As(err, &bad)
	return bad
}

func corrupt(c cause, format string, args ...any) error {
	return &corruptError{cause: c, detail: fmt.Sprintf(format, args...)}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli) //nolint:gochecknoglobals // a constant table

// format is how one cache writes and reads records.
type format struct {
	codec       string // its name as it stands in records
	limit       int    // of a payload's bytes, decompressed
	compression Compression
	signer      *signer // nil: records are not signed, and signatures not asked for
	packer      packer

	usual atomic.Int64 // bytes of a payload, about
}

// size is how many bytes a record is going to have, about.
func (f *format) size(r *record) int {
	size := headerBytes + len(r.tokens) + len(r.key) + max(64, int(f.usual.Load())) + trailerBytes
	if f.signer != nil {
		size += signatureBytes
	}
	return size
}

// wrote notes how many bytes it needed. What is usual follows larger ones at once, and smaller ones
// slowly.
func (f *format) wrote(n int) {
	usual := f.usual.Load()
	if next := max(int64(n), usual-usual/64); next != usual {
		f.usual.Store(min(next, mostUsual))
	}
}

// mostUsual bounds what is set aside for one payload before its size is known.
const mostUsual = 4096

// make appends the record as it stands in Redis to dst, which is empty; encode appends the payload.
// It fails with encode's error or with errTooLarge.
func (f *format) make(dst []byte, r *record, encode func([]byte) ([]byte, error)) ([]byte, error) {
	if dst == nil {
		dst = make([]byte, 0, f.size(r))
	}
	dst = append(dst, recordMagic...)
	dst = append(dst, r.kind, markNone, packedNone, unsigned)
	dst = append(dst, r.codec...)
	dst = appendHex(dst, r.id, 16)
	dst = appendHex(dst, uint64(r.version), 8)
	dst = appendMillis(dst, r.fresh)
	dst = appendMillis(dst, r.stale)
	dst = appendMillis(dst, r.age)
	dst = appendHex(dst, uint64(len(r.tokens)), 8)
	dst = appendHex(dst, uint64(len(r.key)), 8)
	sizes := len(dst)
	dst = append(dst, "0000000000000000\n"...)
	dst = append(dst, r.tokens...)
	dst = append(dst, r.key...)
	body := len(dst)
	if r.kind == kindValue {
		var err error
		if dst, err = encode(dst); err != nil {
			return nil, err
		}
	}
	decoded := len(dst) - body
	f.wrote(decoded)
	if decoded > f.limit {
		return nil, fmt.Errorf("%w: %d bytes, of at most %d", errTooLarge, decoded, f.limit)
	}
	if small, how := f.packer.pack(dst[body:], f.compression); how != packedNone {
		dst = append(dst[:body], small...)
		dst[packedOffset] = how
	}
	appendHex(dst[:sizes], uint64(len(dst)-body), 8)
	appendHex(dst[:sizes+8], uint64(decoded), 8)
	if f.signer != nil {
		dst[signedOffset] = signedHMAC
		dst = f.signer.sign(dst)
	}
	return appendHex(dst, uint64(checksum(dst)), trailerBytes), nil
}

var errTooLarge = errors.New("value is over RedisConfig.MaxValueBytes")

// checksum is that of a record without its trailer. It leaves out what scripts change, who cannot
// compute it.
func checksum(data []byte) uint32 {
	sum := crc32.Checksum(data[:markOffset], castagnoli)
	sum = crc32.Update(sum, castagnoli, data[markOffset+1:ageOffset])
	return crc32.Update(sum, castagnoli, data[ageOffset+millisBytes:])
}

func appendHex(dst []byte, n uint64, width int) []byte {
	for shift := (width - 1) * 4; shift >= 0; shift -= 4 {
		dst = append(dst, digits[n>>shift&15])
	}
	return dst
}

func appendMillis(dst []byte, d time.Duration) []byte {
	n := min(max(d, 0), 3*maxLife).Milliseconds()
	for unit := int64(1e12); unit > 0; unit /= 10 {
		dst = append(dst, byte('0'+n/unit%10))
	}
	return dst
}

// parse reads data, which must be a record of the key, of at most limit bytes of payload, and
// signed where that is asked for. The error is a *corruptError. The payload is left as it is; see
// payload.
func (f *format) parse(data []byte, key string) (record, error) {
	if len(data) < len(recordMagic) || string(data[:len(recordMagic)]) != recordMagic {
		return record{}, corrupt(causeMagic, "does not begin with %s", recordMagic)
	}
	if len(data) < headerBytes+trailerBytes {
		return record{}, corrupt(causeLength, "%d bytes are less than a header", len(data))
	}
	n := fields{data: data}
	tokens, keyLen := n.hex(79, 8), n.hex(87, 8)
	payload, decoded := n.hex(95, 8), n.hex(103, 8)
	signature := uint64(0)
	r := record{
		kind: data[4], expired: data[markOffset] == markExpired, packed: data[packedOffset], signed: data[signedOffset] == signedHMAC,
		codec: f.codecName(data[8:16]),
		id:    n.hex(16, 16), version: uint32(n.hex(32, 8)), fresh: n.millis(40), stale: n.millis(53), age: n.millis(ageOffset),
		size: len(data),
	}
	if r.signed {
		signature = signatureBytes
	}
	switch {
	case n.bad:
		return record{}, corrupt(causeHeader, "a number is malformed or out of bounds")
	case r.kind != kindValue && r.kind != kindAbsent:
		return record{}, corrupt(causeHeader, "unknown kind %q", r.kind)
	case !r.signed && data[signedOffset] != unsigned:
		return record{}, corrupt(causeHeader, "unknown signature %q", data[signedOffset])
	case decoded > uint64(f.limit) || payload > decoded:
		return record{}, corrupt(causeLength, "claims %d bytes of payload, %d decompressed, of at most %d", payload, decoded, f.limit)
	case r.packed == packedNone && decoded != payload || !plausible(payload, decoded):
		return record{}, corrupt(causeLength, "claims that %d bytes of payload are %d when decompressed", payload, decoded)
	case uint64(len(data)) != headerBytes+tokens+keyLen+payload+signature+trailerBytes:
		return record{}, corrupt(causeLength, "%d bytes are not what the header says", len(data))
	}
	end := len(data) - trailerBytes
	if uint64(checksum(data[:end])) != n.hex(end, trailerBytes) || n.bad {
		return record{}, corrupt(causeChecksum, "the bytes are not those that were written")
	}
	at := headerBytes + int(tokens)
	body := at + int(keyLen)
	if string(data[at:body]) != key {
		return record{}, corrupt(causeKey, "it is of another key")
	}
	end -= int(signature)
	if f.signer != nil && (!r.signed || !f.signer.verify(data[:end], data[end:end+signatureBytes])) {
		return record{}, corrupt(causeSignature, "it is not signed with one of the secrets")
	}
	r.key, r.tokens = key, string(data[headerBytes:at])
	r.payload, r.decoded = data[body:end:end], int(decoded)
	return r, nil
}

// codecName is the name as a string, which records of one codec share.
func (f *format) codecName(name []byte) string {
	if string(name) == f.codec {
		return f.codec
	}
	return string(name)
}

// payload is what the codec wrote. The error is a *corruptError.
func (f *format) payload(r *record) ([]byte, error) {
	return f.packer.unpack(r.payload, r.packed, r.decoded)
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

// hexDigits is what each byte is worth as a digit; 255 is none.
var hexDigits = func() (worth [256]byte) { //nolint:gochecknoglobals // a constant table
	for i := range worth {
		worth[i] = 255
	}
	for i, b := range []byte(digits) {
		worth[b] = byte(i)
	}
	return worth
}()

const digits = "0123456789abcdef"

func (f *fields) millis(at int) time.Duration {
	var n int64
	var worst byte
	for _, b := range f.data[at : at+millisBytes] {
		digit := b - '0'
		worst = max(worst, digit)
		n = 10*n + int64(digit)
	}
	if worst > 9 || n > int64(3*maxLife/time.Millisecond) {
		f.bad = true
		return 0
	}
	return time.Duration(n) * time.Millisecond
}
