package tiercache

import "fmt"

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

// secretBytes is the secrets as bytes, which show.
func secretBytes(secrets []Secret) [][]byte {
	all := make([][]byte, len(secrets))
	for i, s := range secrets {
		all[i] = s
	}
	return all
}
