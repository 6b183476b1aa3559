package tiercache

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const testSecret = "0123456789abcdef-A"

func TestSecret_doesNotShow(t *testing.T) {
	cfg := RedisConfig{Secrets: []Secret{Secret(testSecret)}}
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
	good := Secret(testSecret)
	for name, secrets := range map[string][]Secret{"short": {good, good[:15]}, "empty": {nil}, "too many": {good, good, good, good, good, good, good, good, good}} {
		if checkSecrets(secrets) == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if err := checkSecrets([]Secret{good, good}); err != nil {
		t.Error(err)
	}
}
