package record

import (
	"bytes"
	"errors"
	"testing"
)

func signing(space string, secrets ...string) *Format {
	var all [][]byte
	for _, s := range secrets {
		all = append(all, []byte(s))
	}
	return &Format{Limit: 1 << 20, Signer: NewSigner(all, space)}
}

const (
	secretA = "0123456789abcdef-A"
	secretB = "0123456789abcdef-B"
)

func signedSample(t *testing.T, f *Format) []byte {
	t.Helper()
	rec := Record{Kind: KindValue, Codec: "string  ", ID: 7, Key: "key", Tokens: "abc \n", Fresh: MaxLife}
	data, err := f.Make(nil, &rec, func(dst []byte) ([]byte, error) { return append(dst, "payload"...), nil })
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSign_whoBelievesWhom(t *testing.T) {
	for _, c := range []struct {
		name           string
		writer, reader *Format
		believes       bool
	}{
		{"the same secret", signing("app:c:", secretA), signing("app:c:", secretA), true},
		{"no secret reads signed records", signing("app:c:", secretA), plain, true},
		{"a secret refuses unsigned records", plain, signing("app:c:", secretA), false},
		{"another secret", signing("app:c:", secretA), signing("app:c:", secretB), false},
		{"another namespace", signing("app:c:", secretA), signing("app:d:", secretA), false},
		{"rotation, the new secret added", signing("app:c:", secretA), signing("app:c:", secretA, secretB), true},
		{"rotation, the new secret first", signing("app:c:", secretB, secretA), signing("app:c:", secretA, secretB), true},
		{"rotation, the old secret dropped", signing("app:c:", secretB, secretA), signing("app:c:", secretB), true},
		{"dropped too early", signing("app:c:", secretA), signing("app:c:", secretB), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.reader.Parse(signedSample(t, c.writer), "key")
			var bad *CorruptError
			switch {
			case c.believes && (err != nil || string(got.payload) != "payload" || got.Tokens != "abc \n"):
				t.Errorf("%+v, %v", got, err)
			case !c.believes && (!errors.As(err, &bad) || bad.Cause != causeSignature):
				t.Errorf("got %v, want cause signature", err)
			}
		})
	}
}

// Whoever can compute the checksum, but has no secret, can change only the mark and the age.
func TestSign_everyByteCounts(t *testing.T) {
	f := signing("app:c:", secretA)
	data := signedSample(t, f)
	for i := range len(data) - trailerBytes {
		for _, flip := range []byte{1, 0x80} {
			bad := bytes.Clone(data[:len(data)-trailerBytes])
			bad[i] ^= flip
			bad = appendHex(bad, uint64(checksum(bad)), trailerBytes)
			_, err := f.Parse(bad, "key")
			if scripts := i == markOffset || i >= ageOffset && i < ageOffset+millisBytes; err == nil && !scripts {
				t.Errorf("byte %d may be changed", i)
			}
		}
	}
	stripped := bytes.Clone(data[:len(data)-trailerBytes-signatureBytes])
	stripped[signedOffset] = unsigned
	stripped = appendHex(stripped, uint64(checksum(stripped)), trailerBytes)
	if _, err := plain.Parse(stripped, "key"); err != nil {
		t.Errorf("a record without its signature is no record: %v", err)
	}
	if _, err := f.Parse(stripped, "key"); err == nil {
		t.Error("a record was believed without its signature")
	}
}
