package tiercache

// count sums up what became of the keys, by what is readable now and not by what was sent.
func (w *warming[K, V]) count() {
	r := &w.res
	r.Redis = 0
	now := w.c.memory.Clock.Now()
	intact := w.c.memory.Losses() == w.losses && now < w.soon && w.seen.Epoch > w.c.floor.Load() && w.c.tokens.count.Load() == w.seen.Count
	for key, state := range w.keys {
		readable := state.landed && intact || w.readable(key, state, now)
		if readable {
			r.Memory++
		}
		switch state.outcome {
		case warmStored:
			if w.c.remote != nil {
				r.Redis++
			}
			if !readable {
				r.SkippedRoom++
			}
		case warmSkippedFresh:
			r.SkippedFresh++
		case warmRefused:
			r.Refused++
		case warmFailed, warmPending:
			if !readable {
				r.Failed++
			}
		}
	}
}

// readable looks the key up in memory. A dry run has only counted the room.
func (w *warming[K, V]) readable(key K, state *warmKey, now int64) bool {
	if w.opts.DryRun {
		return state.inMemory
	}
	it := w.c.memory.Get(w.c.memory.Hash(key), key)
	return it != nil && !it.Absent && now < it.Fresh && !w.c.ended(it)
}
