package tiercache

import "github.com/warmcache/warmcache/tiercache/internal/redistier"

// Judgement is what a dry run found of one entry: what the run would do with it.
type Judgement struct {
	Key      string // its text form; empty where it has none
	Bytes    int    // of its record in Redis; 0 without Redis, and where nothing was encoded
	Cost     int64  // in memory
	InMemory bool   // memory has a fresh value already
	InRedis  bool   // Redis has one
	Fits     bool   // there is room for it in memory
	Err      error  // why it would not be stored
}

// noToken stands for the tokens that a dry run doesn't ask for, as asking makes those that are
// missing: it has the length of one.
const noToken = "0000000000000000"

// noTokens are the tokens of a dry run.
func noTokens(tags []string) map[string]string {
	tokens := map[string]string{redistier.ClearToken: noToken}
	for _, tag := range tags {
		tokens[redistier.TagToken(tag)] = noToken
	}
	return tokens
}

// judge says of each entry of a dry run what would become of it. It only reads.
func (w *warming[K, V]) judge(batch []warmEntry[K, V]) {
	inRedis := w.lookUp(batch)
	now := w.c.memory.Clock.Now()
	for i := range batch {
		e := &batch[i]
		have := w.c.memory.Get(e.hash, e.key)
		j := Judgement{Bytes: len(e.write.Record), Cost: e.cost, InRedis: inRedis[i], InMemory: have != nil && w.c.fresh(have, now)}
		e.becomes(warmStored)
		if have != nil && have.Read >= w.read && have.ID != e.state.id {
			e.becomes(warmSkippedFresh)
			j.Fits = true
		} else {
			j.Fits = w.takeRoom(e, have)
		}
		if w.opts.Judged == nil {
			continue
		}
		if j.Key = e.write.Text; j.Key == "" {
			j.Key, _ = w.c.text(e.key) // without a text form it has no name to be shown
		}
		w.opts.Judged(j)
	}
}

// lookUp says which of the entries Redis has fresh, as far as it answers.
func (w *warming[K, V]) lookUp(batch []warmEntry[K, V]) []bool {
	fresh := make([]bool, len(batch))
	if w.c.remote == nil || w.opts.Judged == nil {
		return fresh
	}
	names := make([]string, len(batch))
	for i, e := range batch {
		names[i] = e.write.Text
	}
	all, err := w.c.remote.Read(w.ctx, names)
	if err != nil {
		w.c.redisFailed(err, len(names))
		return fresh
	}
	for i := range all {
		fresh[i] = all[i].Ok && all[i].Fresh() > 0
	}
	return fresh
}
