package redistest

import (
	"time"
)

// Kill ends the process as kill -9 does and returns once it is gone. What it
// held is lost. Killing a dead server does nothing.
func (s *Server) Kill() {
	s.mu.Lock()
	process, exited := s.process, s.exited
	s.process = nil
	s.mu.Unlock()
	if process == nil {
		return
	}
	process.Kill() //nolint:errcheck // it fails only where the process has ended
	<-exited
}

// Restart kills the server where it still runs, and starts it on the same
// port with the same arguments. It comes up empty, or with the snapshot of the
// last SAVE.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Kill()
	if err := s.run(); err != nil {
		s.tb.Fatalf("redistest: restarting redis-server on %s: %v\n%s", s.Addr(), err, s.logTail())
	}
}

// Stop freezes the process with SIGSTOP: the kernel still accepts connections
// and bytes for it, nothing is answered. Cont thaws it.
func (s *Server) Stop() {
	s.tb.Helper()
	s.signal("freezing", freeze)
}

// Cont lets a server go on that Stop has frozen. It answers then what it was
// asked while frozen.
func (s *Server) Cont() {
	s.tb.Helper()
	s.signal("thawing", thaw)
}

// Pause makes the server hold back every client's commands for d, by CLIENT
// PAUSE. Unlike Stop it needs no Cont, and replication goes on.
func (s *Server) Pause(d time.Duration) {
	s.tb.Helper()
	s.Do("CLIENT", "PAUSE", d.Milliseconds(), "ALL")
}

// Running reports whether the process lives; a frozen one does.
func (s *Server) Running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return false
	}
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

func (s *Server) signal(doing string, send func(pid int) error) {
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		s.tb.Fatalf("redistest: %s redis-server on %s: it was killed", doing, s.Addr())
	}
	if err := send(s.process.Pid); err != nil {
		s.tb.Fatalf("redistest: %s redis-server on %s: %v", doing, s.Addr(), err)
	}
}
