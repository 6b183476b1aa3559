package record

import "math/rand/v2"

// NewToken is a random name, such as leases and tags have.
func NewToken() string {
	return string(appendHex(appendHex(nil, rand.Uint64(), 16), rand.Uint64(), 16))
}

// IDText is the id of a record as it stands there.
func IDText(id uint64) string { return string(appendHex(nil, id, 16)) }

func appendHex(dst []byte, n uint64, width int) []byte {
	for shift := (width - 1) * 4; shift >= 0; shift -= 4 {
		dst = append(dst, digits[n>>shift&15])
	}
	return dst
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
