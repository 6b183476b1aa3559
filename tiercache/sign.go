package tiercache

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
	"sync"
)

// Secret is a key with which records are signed. However it is printed or logged, it does not show.
type Secret []byte

const hidden = "[secret]"

// Format hides the secret from package fmt.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// String hides the secret.
func (Secret) String() string { return hidden }

// MarshalText hides the secret from encoders, those of package slog among them.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

const (
	minSecretBytes = 16
	maxSecrets     = 8
	signatureBytes = 16
	unsigned       = '.'
	signedHMAC     = 'h'
)

// checkSecrets says what is wrong with them, without showing any.
func checkSecrets(secrets []Secret) error {
	if len(secrets) > maxSecrets {
		return fmt.Errorf("field Secrets has %d, of at most %d", len(secrets), maxSecrets)
	}
	for i, s := range secrets {
		if len(s) < minSecretBytes {
			return fmt.Errorf("field Secrets[%d] has %d bytes, and must have at least %d", i, len(s), minSecretBytes)
		}
	}
	return nil
}

// signer signs the records of one namespace and verifies their signatures: HMAC-SHA-256, cut to 16
// bytes, over the namespace and all of the record but what scripts change (mark and age) and the
// checksum.
type signer struct {
	space []byte // the namespace, after its length
	macs  []*sync.Pool
}

// newSigner returns nil without secrets.
func newSigner(secrets []Secret, space string) *signer {
	if len(secrets) == 0 {
		return nil
	}
	s := &signer{space: append(binary.BigEndian.AppendUint64(nil, uint64(len(space))), space...)}
	for _, secret := range secrets {
		own := slices.Clone(secret)
		s.macs = append(s.macs, &sync.Pool{New: func() any { return hmac.New(sha256.New, own) }})
	}
	return s
}

// sign appends the signature to a record that is complete but for it and the checksum.
func (s *signer) sign(data []byte) []byte {
	sum := s.sum(s.macs[0], data)
	return append(data, sum[:signatureBytes]...)
}

// verify reports whether signature is one's of the secrets.
func (s *signer) verify(data, signature []byte) bool {
	for _, pool := range s.macs {
		sum := s.sum(pool, data)
		if hmac.Equal(sum[:signatureBytes], signature) {
			return true
		}
	}
	return false
}

func (s *signer) sum(pool *sync.Pool, data []byte) (sum [sha256.Size]byte) {
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
