package pgtest

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Bouncer listens as pgbouncer does, and returns its address. It refuses a connection that sets a
// parameter of the session which pgbouncer does not know, and answers every simple query with one
// row of 1.
func Bouncer(tb testing.TB) string {
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
			go bounce(conn)
		}
	}()
	return listener.Addr().String()
}

// bouncerKnows are the parameters that pgbouncer takes at the start of a connection.
func bouncerKnows(name string) bool {
	return slices.Contains([]string{
		"user", "database", "client_encoding", "datestyle", "timezone", "standard_conforming_strings", "application_name",
	}, strings.ToLower(name))
}

func bounce(conn net.Conn) {
	defer conn.Close() //nolint:errcheck // it is given up
	b := pgproto3.NewBackend(conn, conn)
	say := func(messages ...pgproto3.BackendMessage) bool {
		for _, m := range messages {
			b.Send(m)
		}
		return b.Flush() == nil
	}
	for begun := false; !begun; {
		m, err := b.ReceiveStartupMessage()
		if err != nil {
			return
		}
		switch m := m.(type) {
		case *pgproto3.StartupMessage:
			for name := range m.Parameters {
				if !bouncerKnows(name) {
					say(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "08P01", Message: "unsupported startup parameter: " + name})
					return
				}
			}
			begun = true
		default: // no TLS
			if _, err := conn.Write([]byte{'N'}); err != nil {
				return
			}
		}
	}
	idle := &pgproto3.ReadyForQuery{TxStatus: 'I'}
	// A driver speaks the simple protocol only to who says these.
	encoding := &pgproto3.ParameterStatus{Name: "client_encoding", Value: "UTF8"}
	strict := &pgproto3.ParameterStatus{Name: "standard_conforming_strings", Value: "on"}
	if !say(&pgproto3.AuthenticationOk{}, encoding, strict, idle) {
		return
	}
	for {
		m, err := b.Receive()
		if err != nil {
			return
		}
		switch m.(type) {
		case *pgproto3.Query:
			one := pgproto3.FieldDescription{Name: []byte("one"), DataTypeOID: 23, DataTypeSize: 4, TypeModifier: -1}
			say(&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{one}}, &pgproto3.DataRow{Values: [][]byte{[]byte("1")}},
				&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")}, idle)
		case *pgproto3.Terminate:
			return
		default: // a prepared statement belongs to one server's connection
			say(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "26000", Message: "prepared statement does not exist"}, idle)
		}
	}
}
