package model

import (
	"fmt"
	"strconv"
	"strings"
)

// act is one step, as a line of a trace shows it.
type act struct {
	verb verb
	node int
	arg  uint8
}

type verb uint8

const (
	vSync verb = iota
	vDetach
	vFailover
	vRestart
	vEvict
	vStep
	vTick
	lastOfServer

	vLate
	vTooLate
	vLook
	vAlone
	vBypass
	vMiss
	vJudge
	vFill
	vLease
	vSource
	vTags
	vRefuse
	vCommit
	vCommitRefused
	vCommitLost
	vBegin
	vTell
	vExecute
	vNoReply
	vNoRequest
	vFrozen
	vReturn
	vReplay
	vEndCaches
	vHear
	vLose
	vBeat
	vDigest
	vCut
	vLapse
	vConnect
	vDie
	vRun
	vRunSource
	vRunWrite
	vRunRefused
	vConfirm
	vTakeBack
)

func (v verb) ofNode() bool { return v > lastOfServer }

func (d deed) String() string {
	return [...]string{"", "Delete", "Set", "InvalidateTags", "Clear", "InvalidateTags of another tag"}[d]
}

// text is a sentence. $N is the act's node, $V a version, $D a kind of invalidation.
func (v verb) text() string {
	return [...]string{
		vSync:     "the replica catches up",
		vDetach:   "the replica loses its master",
		vFailover: "the master dies; the replica is promoted",
		vRestart:  "the server restarts from its snapshot",
		vEvict:    "Redis evicts $E",
		vStep:     "the server's clock is set $S by a TTL",
		vTick:     "half a TTL passes",

		vLate:          "Redis thaws and executes $N's $D",
		vTooLate:       "Redis thaws and refuses $N's $D: it is too late",
		vLook:          "$N looks the key up: $L",
		vAlone:         "$N gets no answer from Redis",
		vBypass:        "$N does not ask Redis: an invalidation is pending",
		vMiss:          "$N has a miss",
		vJudge:         "$N believes v$V",
		vFill:          "$N's read returns v$V",
		vLease:         "$N reads the tokens and takes the lease",
		vSource:        "$N reads v$V from the source",
		vTags:          "$N reads the tag's token",
		vRefuse:        "$N does not store: the tag was ended",
		vCommit:        "$N's commit stores v$V",
		vCommitRefused: "$N's commit is refused",
		vCommitLost:    "$N's commit of v$V is lost",
		vBegin:         "$N writes the source and begins $D",
		vTell:          "$N publishes the notice",
		vExecute:       "Redis executes $N's $D",
		vNoReply:       "Redis executes $N's $D, the reply is lost",
		vNoRequest:     "$N's $D is lost",
		vFrozen:        "$N's $D times out in a frozen Redis",
		vReturn:        "$N's $D returns$R",
		vReplay:        "$N replays its $D",
		vEndCaches:     "$N ends the caches",
		vHear:          "$N hears of the $D",
		vLose:          "$N never hears of the $D",
		vBeat:          "$N's heartbeat $B",
		vDigest:        "$N's digest is heard",
		vCut:           "$N's subscription dies",
		vLapse:         "$N's trust and DegradedTTL run out",
		vConnect:       "$N subscribes again",
		vDie:           "$N dies",
		vRun:           "$N begins a warm run",
		vRunSource:     "$N's run reads v$V from the source",
		vRunWrite:      "$N's run writes v$V",
		vRunRefused:    "$N's run is refused",
		vConfirm:       "$N confirms its run",
		vTakeBack:      "$N takes back what its run wrote",
	}[v]
}

// String is the act as a sentence.
func (a act) String() string {
	return strings.NewReplacer(
		"$N", string(rune('A'+a.node)),
		"$V", strconv.Itoa(int(a.arg)),
		"$D", deed(a.arg%10%uint8(endOther+1)).String(),
		"$R", map[bool]string{true: " ErrDegraded"}[a.arg/10 == uint8(failed)],
		"$E", [...]string{"what stands under the key", "the tags' tokens", "the cache's token"}[a.arg%3],
		"$S", map[bool]string{true: "back", false: "forward"}[a.arg == 0],
		"$B", [...]string{"comes back", "is answered but not heard"}[a.arg%2],
		"$L", map[uint8]string{0: "absent", 1: fmt.Sprintf("v%d", a.arg%10), 2: "a hold"}[a.arg/10],
	).Replace(a.verb.text())
}
