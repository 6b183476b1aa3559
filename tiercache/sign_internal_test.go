package tiercache

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func signing(space string, secrets ...string) *format {
	var all []Secret
	for _, s := range secrets {
		all = append(all, Secret(s))
	}
	return &format{limit: 1 << 20, signer: newSigner(all, space)}
}

const (
	secretA = "0123456789abcdef-A"
	secretB = "0123456789abcdef-B"
)

func signedSample(t *testing.T, f *format) []byte {
	t.Helper()
	rec := record{kind: kindValue, codec: "string  ", id: 7, key: "key", tokens: "abc \n", fresh: maxLife}
	data, err := f.make(nil, &rec, func(dst []byte) ([]byte, error) { return append(dst, "payload"...), nil })
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSign_whoBelievesWhom(t *testing.T) {
	for _, c := range []struct {
		name           string
		writer, reader *format
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
			got, err := c.reader.parse(signedSample(t, c.writer), "key")
			var bad *corruptError
			switch {
			case c.believes && (err != nil || string(got.payload) != "payload" || got.tokens != "abc \n"):
				t.Errorf("%+v, %v", got, err)
			case !c.believes && (!errors.As(err, &bad) || bad.cause != causeSignature):
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
			_, err := f.parse(bad, "key")
			if scripts := i == markOffset || i >= ageOffset && i < ageOffset+millisBytes; err == nil && !scripts {
				t.Errorf("byte %d may be changed", i)
			}
		}
	}
	stripped := bytes.Clone(data[:len(data)-trailerBytes-signatureBytes])
	stripped[signedOffset] = unsigned
	stripped = appendHex(stripped, uint64(checksum(stripped)), trailerBytes)
	if _, err := plain.parse(stripped, "key"); err != nil {
		t.Errorf("a record without its signature is no record: %v", err)
	}
	if _, err := f.parse(stripped, "key"); err == nil {
		t.Error("a record was believed without its signature")
	}
}

func TestSecret_doesNotShow(t *testing.T) {
	cfg := RedisConfig{Secrets: []Secret{Secret(secretA)}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb+"\n", cfg, cfg.Secrets[0])
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("x", slog.Any("secret", cfg.Secrets[0]), slog.Any("secrets", cfg.Secrets))
	}
	text, err := json.Marshal(cfg.Secrets)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(text)
	out.WriteString(checkSecrets([]Secret{Secret("0123456789")}).Error())
	for _, leak := range []string{"0123456789", "48 49 50", "303132", "0x30, 0x31", "MDEyMz"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q shows in %s", leak, out.String())
		}
	}
}

func TestSecrets_areChecked(t *testing.T) {
	good := Secret(secretA)
	for name, secrets := range map[string][]Secret{"short": {good, good[:15]}, "empty": {nil}, "too many": {good, good, good, good, good, good, good, good, good}} {
		if checkSecrets(secrets) == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if err := checkSecrets([]Secret{good, good}); err != nil {
		t.Error(err)
	}
}
