package backplane

import (
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// beatAnswer is what a master says to a heartbeat: of itself, of the history of its data, and of
// how far its replicas are behind. What it does not say is empty.
type beatAnswer struct {
	master string
	client redis.UniversalClient
	err    error

	shows          time.Time // its clock, at some time between these two on ours
	sent, received int64

	runID   string
	up      time.Duration
	Replica bool // it is none

	replID string // the history of its data
	parent string // the one that this one continues
	branch int64  // up to that offset
	offset int64  // of what it has executed
	acked  int64  // what all of its connected replicas have, too
}

// ReadAnswer reads the sections server and replication of INFO.
func ReadAnswer(server, replication string) beatAnswer {
	a := beatAnswer{runID: infoField(server, "run_id"), up: uptime(server)}
	role := infoField(replication, "role")
	a.Replica = role == "slave" || role == "replica"
	a.replID = infoField(replication, "master_replid")
	if parent := infoField(replication, "master_replid2"); strings.Trim(parent, "0") != "" {
		a.parent, a.branch = parent, infoNumber(replication, "second_repl_offset")-1
	}
	a.offset = infoNumber(replication, "master_repl_offset")
	a.acked = a.offset
	// slave0:ip=10.0.0.2,port=6379,state=online,offset=123,lag=0
	for line := range strings.Lines(replication) {
		name, fields, _ := strings.Cut(strings.TrimSpace(line), ":")
		if n, ok := strings.CutPrefix(name, "slave"); !ok || n == "" || strings.Trim(n, "0123456789") != "" {
			continue
		}
		for field := range strings.SplitSeq(fields, ",") {
			if text, ok := strings.CutPrefix(field, "offset="); ok {
				acked, _ := strconv.ParseInt(text, 10, 64) // 0 is the cautious answer
				a.acked = min(a.acked, acked)
			}
		}
	}
	return a
}

// infoField is a field in the text of INFO; empty where there is none.
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value
		}
	}
	return ""
}

func infoNumber(info, name string) int64 {
	n, _ := strconv.ParseInt(infoField(info, name), 10, 64) // none is 0
	return n
}

// long is more than any time that counts.
const long = 10 * 365 * 24 * time.Hour

// uptime is how long the server has been running; a long time where it doesn't say.
func uptime(info string) time.Duration {
	seconds, err := strconv.Atoi(infoField(info, "uptime_in_seconds"))
	if err != nil {
		return long
	}
	return time.Duration(seconds) * time.Second
}
