// Package model is a model of tiercache's coherence protocol, small enough to be explored
// exhaustively: two nodes, one key with one tag, a Redis master with a replica that lags. A
// [Scenario] bounds what may happen (writes, loads, lost messages, one failover);
// [Scenario.Explore] visits every state that can be reached within the bounds and checks the
// guarantees of docs/coherence.md in each. Each rule of the protocol is a switch: without it the
// exploration finds a shortest history that breaks a guarantee. The tests ask for one for every
// rule.
//
// A value is its version of the source. A script in Redis is one step; everything else that takes
// time in the real cache (a look-up and its use, a source read, an invalidation's three parts, a
// notice, a heartbeat) is a step of its own, so that anything may happen in between.
package model

// Rules is a set of rules of the protocol.
type Rules uint64

// Has reports whether the set has all of some rules.
func (r Rules) Has(some Rules) bool { return r&some == some }

// The rules. [Table] says what each of them is.
const (
	SecondBump Rules = 1 << iota
	JoinSameGeneration
	FillSameGeneration
	SetCompares
	Lease
	DropLease
	NoticeAfterDelete
	Numbers
	EpochOnSubscribe
	Trust
	TrustTokens
	EpochForgetsTokens
	ClearTokenBefore
	TagCount
	TagOrigin
	CountIsTime
	Disbelieve
	Bypass
	Replay
	ReplayAfterTry
	UntilReplicated
	StampAfterReply
	Replid
	UnstampedIsBeyond
	AnswerOfBefore
	LostHistoryEnds
	RestartEnds
	Hold
	Confirm
	ConfirmAfterDigest
	ValidateOnBreak
	WarmKeepsYounger
	StepCorrects
	StepIsEpoch
	lastRule

	// All is the protocol as it is.
	All = lastRule - 1
)

// A version is a value of the source: 0 is the first one, each write makes the next.
type version = uint8

// kind is what stands under the key in Redis.
type kind uint8

const (
	nothing kind = iota
	value
	hold // what an invalidation leaves: nothing to a reader, a refusal to a warm write
)

// record is what stands under the key in Redis.
type record struct {
	kind       kind
	ver        version
	clear, tag uint8 // the tokens of when its source read began
	warm       uint8 // 1 + the node whose warm run wrote it; 0: none did
	born       uint8 // when its source was read
	dead       int8  // its end, by the server's clock
}

// token is a tag's: random, with the count of tag invalidations at which it was last ended, and the
// mark that did the counting.
type token struct{ id, mark, count uint8 }

// data is what a Redis holds. In a Cluster, the key and its lease are in one shard, and what is
// about tags and Clear in another.
type data struct {
	record record
	lease  uint8 // who holds it: 1 + node; 0: nobody

	clear       uint8 // the cache's token; 0: it is gone, and the next reader makes a new one
	tag         token // likewise
	mark, count uint8 // the mark counts the cache's tag invalidations; 0: it is gone
	ended       uint8 // the history for which the caches were ended

	offset [shards]uint8 // how many invalidations it has executed
}

const (
	keys   = iota // the shard of the key
	tokens        // the shard of tags and Clear
	shards
)

// history is what INFO replication says of the data of a shard.
type history struct {
	id     uint8 // master_replid
	parent uint8 // master_replid2; 0: none, the server was restarted
	branch uint8 // second_repl_offset
}

// deed is a kind of invalidation.
type deed uint8

const (
	noDeed    deed = iota
	deleteKey      // Delete, or Expire, which differs only in what may be served stale
	setKey
	endTag
	clearAll
	endOther // a tag that the key does not have
)

func (d deed) shard() int {
	if d == endTag || d == clearAll || d == endOther {
		return tokens
	}
	return keys
}

// phase is how far something has come.
type phase uint8

const (
	idle phase = iota
	// Of a load.
	looked   // Redis's answer is here
	judged   // and is believed
	missed   // or not: a lease is to be taken
	leased   // the lease is held
	loaded   // the source has been read
	prepared // the tags' tokens have been read
	alone    // Redis could not be asked
	// Of an invalidation.
	begun    // memory has been ended, Redis not yet asked
	told     // only the notice was sent: without [NoticeAfterDelete]
	executed // Redis has answered
	failed   // it has not
	// Of a warm run.
	opened      // tokens are read
	read        // the source has been read
	unconfirmed // it was written
	beaten      // a heartbeat, sent after that, has come back
	confirmed   // and then a digest of the other node has come
)

// load is a flight: one look-up of the key, with what it leads to.
type load struct {
	phase phase
	got   record  // what Redis answered
	ver   version // what the source said
	born  uint8
	floor version // what this node had ended when the flight began
	moved bool    // the key's generation has moved since
	blind bool    // an epoch has begun since
	young bool    // DegradedTTL has not passed since

	clear       uint8
	mark, count uint8 // the mark before the source read
	tag         uint8
}

// operation is an invalidation that its caller waits for.
type operation struct {
	phase      phase
	deed       deed
	ver        version
	number     uint8 // of its notice
	clear, tag uint8 // of Set, read before it began
	moved      bool  // another has moved the generation since
	stamp      uint8 // without [StampAfterReply]
}

// entry is an invalidation in a node's journal.
type entry struct {
	deed   deed
	ver    version
	number uint8
	state  entryState
	stamp  uint8 // 1 + an offset read after Redis had answered; 0: none yet
}

type entryState uint8

const (
	trying    entryState = iota // its caller still waits
	settled                     // Redis has done it
	unsettled                   // Redis may not have done it
	doubted                     // trying, and another server has taken over meanwhile
)

// run is a warm run.
type run struct {
	phase      phase
	ver        version
	born       uint8
	clear, tag uint8
	moved      bool // the key's generation has moved since the run began
	breaks     bool // notices were missed, or another server took over
}

// node is a process with its memory.
type node struct {
	gone bool // it died

	has   bool // memory has the key
	ver   version
	born  uint8
	till  int8 // when it is no longer fresh, on the node's own clock
	valid bool // no epoch has begun since
	young bool // DegradedTTL has not passed since

	own     version // the latest that this node has ended, and returned
	load    load
	op      operation
	journal [2]entry
	run     run

	clear, tag uint8 // the tokens it knows; 0: not known

	linked bool // its subscription lives
	heard  bool // heartbeats have come back through it lately
	queue  [2]notice
	seq    uint8 // the number of its last notice
	high   uint8 // the highest number of the other's that it has heard of

	hist    [shards]uint8 // the history that it knows
	dropped [shards]uint8 // up to here, the journal has forgotten
	offset  [shards]uint8 // at the last heartbeat
	beat    bool          // since the last thing that a heartbeat would notice
	exempt  bool          // what Redis holds may lack what this node has forgotten; see docs
	ending  bool          // the caches are to be ended in Redis
	shift   int8          // by how much the server's clock is known to have stepped back
	known   int8          // the server's clock at the last heartbeat
}

type notice struct {
	deed   deed
	number uint8
}

// state is everything.
type state struct {
	src      version
	left     Budget
	master   data
	replica  data // as of the last synchronisation; of a server alone, its snapshot
	attached bool // the replica is connected
	hist     [shards]history
	node     [2]node
	late     operation // what still lies in a frozen server's socket
	lateOf   uint8     // 1 + its node
	fresh    uint8     // the last random token
	returned version   // what was ended by calls that have returned without an error
	moved    bool      // an action of a node has happened
	evicted  bool      // something was evicted
	counted  uint8     // the greatest count that was ever given out
	now      uint8
	clock    int8   // what the server's clock is off by
	wrong    broken // a guarantee that the last step broke
}

type broken uint8

const (
	fine broken = iota
	brokenG1
	brokenG2
	brokenG3
	brokenG4
)

func (b broken) String() string { return [...]string{"", "G1", "G2", "G3", "G4"}[b] }

// life is the TTL of every value.
const life = 2
