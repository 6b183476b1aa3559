package redistest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
)

// HangUp is the answer of a proxy that closes the connection.
const HangUp = "hang up"

// Front listens as a proxy does that understands the protocol, such as Envoy or twemproxy, and
// returns its address. It sees each command, and gives the answer that it is told, a line of the
// protocol, in the place of the server behind it; the empty answer is to ask that one, and HangUp
// to close the connection. Without a server behind it, everything else is OK.
func Front(tb testing.TB, behind string, answer func(args []string) string) string {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is closed with the test
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { listener.Close() }) //nolint:errcheck // it is given up
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go front(conn, behind, answer)
		}
	}()
	return listener.Addr().String()
}

// Unknown is what Redis answers of a command that it does not know.
func Unknown(args []string) string {
	quoted := make([]string, len(args)-1)
	for i, arg := range args[1:] {
		quoted[i] = "'" + strings.NewReplacer("\r", " ", "\n", " ").Replace(arg) + "'"
	}
	return fmt.Sprintf("-ERR unknown command '%s', with args beginning with: %s", args[0], strings.Join(quoted, " "))
}

func front(conn net.Conn, behind string, answer func([]string) string) {
	defer conn.Close() //nolint:errcheck // it is given up
	var server net.Conn
	var replies *bufio.Reader
	if behind != "" {
		var err error
		if server, err = net.Dial("tcp", behind); err != nil { //nolint:noctx // it is the test's own server
			return
		}
		defer server.Close() //nolint:errcheck // it is given up
		replies = bufio.NewReader(server)
	}
	commands := bufio.NewReader(conn)
	for {
		args, err := readArgs(commands)
		if err != nil {
			return
		}
		said := answer(args)
		if said == HangUp {
			return
		}
		if said == "" && behind == "" {
			said = "+OK"
		}
		if said != "" {
			if _, err := io.WriteString(conn, said+"\r\n"); err != nil {
				return
			}
			continue
		}
		if _, err := io.WriteString(server, wire(args)); err != nil {
			return
		}
		if strings.EqualFold(args[0], "subscribe") { // from here on the server speaks by itself
			go io.Copy(server, commands)  //nolint:errcheck // it ends with the connection
			_, _ = io.Copy(conn, replies) // likewise
			return
		}
		if err := relay(conn, replies); err != nil {
			return
		}
	}
}

// readArgs reads a command: an array of strings.
func readArgs(r *bufio.Reader) ([]string, error) {
	_, n, err := readHead(r)
	if err != nil || n < 1 {
		return nil, io.ErrUnexpectedEOF
	}
	args := make([]string, n)
	for i := range args {
		_, size, err := readHead(r)
		if err != nil {
			return nil, err
		}
		data := make([]byte, size+2)
		if _, err := io.ReadFull(r, data); err != nil {
			return nil, err
		}
		args[i] = string(data[:size])
	}
	return args, nil
}

// wire is a command as it is sent.
func wire(args []string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(&out, "$%d\r\n%s\r\n", len(arg), arg)
	}
	return out.String()
}

// readHead reads the line that a reply begins with, and the number in it, -1 where there is none.
func readHead(r *bufio.Reader) (line string, n int, err error) {
	if line, err = r.ReadString('\n'); err != nil || len(line) < 3 {
		return "", 0, io.ErrUnexpectedEOF
	}
	if n, err = strconv.Atoi(line[1 : len(line)-2]); err != nil {
		n = -1
	}
	return line, n, nil
}

// relay copies one reply.
func relay(w io.Writer, r *bufio.Reader) error {
	line, n, err := readHead(r)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, line); err != nil {
		return err
	}
	switch line[0] {
	case '$', '=', '!':
		if n >= 0 {
			_, err = io.CopyN(w, r, int64(n)+2)
		}
		return err
	case '%':
		n *= 2
	case '*', '~', '>':
	default:
		return nil
	}
	for range n { // of a nil array none
		if err := relay(w, r); err != nil {
			return err
		}
	}
	return nil
}
