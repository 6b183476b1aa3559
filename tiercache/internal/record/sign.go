package record

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"
	"sync"
)

const (
	signatureBytes = 16
	unsigned       = '.'
	signedHMAC     = 'h'
)

// Signer signs the records of one namespace and verifies their signatures: HMAC-SHA-256, cut to 16
// bytes, over the namespace and all of the record but what scripts change (mark and age) and the
// checksum.
type Signer struct {
	space []byte // the namespace, after its length
	macs  []*sync.Pool
}

// NewSigner returns nil without secrets.
func NewSigner(secrets [][]byte, space string) *Signer {
	if len(secrets) == 0 {
		return nil
	}
	s := &Signer{space: append(binary.BigEndian.AppendUint64(nil, uint64(len(space))), space...)}
	for _, secret := range secrets {
		own := slices.Clone(secret)
		s.macs = append(s.macs, &sync.Pool{New: func() any { return hmac.New(sha256.New, own) }})
	}
	return s
}

// sign appends the signature to a record that is complete but for it and the checksum.
func (s *Signer) sign(data []byte) []byte {
	sum := s.sum(s.macs[0], data)
	return append(data, sum[:signatureBytes]...)
}

// verify reports whether signature is one's of the secrets.
func (s *Signer) verify(data, signature []byte) bool {
	for _, pool := range s.macs {
		sum := s.sum(pool, data)
		if hmac.Equal(sum[:signatureBytes], signature) {
			return true
		}
	}
	return false
}

func (s *Signer) sum(pool *sync.Pool, data []byte) (sum [sha256.Size]byte) {
	mac, _ := pool.Get().(hash.Hash)
	defer pool.Put(mac)
	mac.Reset()
	_, _ = mac.Write(s.space) // a hash takes everything
	_, _ = mac.Write(data[:markOffset])
	_, _ = mac.Write(data[markOffset+1 : ageOffset])
	_, _ = mac.Write(data[ageOffset+millisBytes:])
	mac.Sum(sum[:0])
	return sum
}
