package record

import (
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Compression is how a payload is made smaller.
type Compression uint8

// The compressions, which tiercache's public ones stand for.
const (
	S2           Compression = iota // fast
	Zstd                            // smaller, and some times slower
	Uncompressed                    // as the codec wrote it
)

// How a record's payload is packed, as it stands in its header.
const (
	packedNone = '.'
	PackedS2   = 's'
	PackedZstd = 'z'

	// compressFrom is the size from which on compression is tried: below, what it saves on the wire
	// is less than what it costs.
	compressFrom = 2 << 10
	// maxRatio bounds what a record of more than freeClaim may claim to decode to, as a multiple of
	// what is there: a batch of records of a few bytes must not fill the memory. What would be
	// compressed further is stored as it is.
	maxRatio  = 256
	freeClaim = 1 << 20
)

// plausible reports whether so few bytes may claim to be so many.
func plausible(payload, decoded uint64) bool { return decoded <= max(freeClaim, payload*maxRatio) }

// packer compresses and decompresses. Its zero value is ready, and safe for concurrent use.
type packer struct {
	encoder, decoder sync.Once
	enc              *zstd.Encoder
	dec              *zstd.Decoder
}

// pack returns the compressed payload with the mark of how, or the payload itself where that is not
// worth it.
func (p *packer) pack(payload []byte, how Compression) ([]byte, byte) {
	if how == Uncompressed || len(payload) < compressFrom {
		return payload, packedNone
	}
	var small []byte
	mark := byte(PackedS2)
	if how == Zstd {
		mark = PackedZstd
		small = p.zstdEncoder().EncodeAll(payload, make([]byte, 0, len(payload)/2))
	} else {
		small = s2.Encode(nil, payload)
	}
	if len(small) >= len(payload) || !plausible(uint64(len(small)), uint64(len(payload))) {
		return payload, packedNone
	}
	return small, mark
}

// unpack is pack backwards. decoded is the claimed size, which the caller has bounded; nothing
// larger is ever made.
func (p *packer) unpack(payload []byte, mark byte, decoded int) ([]byte, error) {
	switch mark {
	case packedNone:
		return payload, nil
	case PackedS2:
		size, err := s2.DecodedLen(payload)
		if err != nil || size != decoded {
			return nil, corrupt(causeCompression, "s2 says %d bytes, the header %d (%v)", size, decoded, err)
		}
		data, err := s2.Decode(make([]byte, decoded), payload)
		if err != nil {
			return nil, corrupt(causeCompression, "%v", err)
		}
		return data, nil
	case PackedZstd:
		data, err := p.zstdDecoder().DecodeAll(payload, make([]byte, 0, decoded))
		if err != nil || len(data) != decoded {
			return nil, corrupt(causeCompression, "zstd gives %d bytes, the header says %d (%v)", len(data), decoded, err)
		}
		return data, nil
	default:
		return nil, corrupt(causeCompression, "unknown kind %q", mark)
	}
}

// zstdEncoder has a window that bounds its memory; its checksum would be the second.
func (p *packer) zstdEncoder() *zstd.Encoder {
	p.encoder.Do(func() {
		// it fails on bad options alone
		p.enc, _ = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderCRC(false),
			zstd.WithWindowSize(zstdWindow), zstd.WithLowerEncoderMem(true))
	})
	return p.enc
}

// zstdDecoder writes into the room it is given and no further.
func (p *packer) zstdDecoder() *zstd.Decoder {
	p.decoder.Do(func() {
		p.dec, _ = zstd.NewReader(nil, zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxWindow(zstdWindow),
			zstd.WithDecoderLowmem(true), zstd.WithDecoderConcurrency(0))
	})
	return p.dec
}

const zstdWindow = 1 << 20
