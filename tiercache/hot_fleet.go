package tiercache

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// The nodes of a fleet add up what they count in one sorted set a cache, {name}:hot. A member is a
// key's text, its score the logarithm to base 2 of the key's reads, plus the time in half-lives, of
// the server's clock. So the reads of all members are halved each half-life without a write
// (forward decay: Cormode et al., ICDE 2009), and the order of the scores is that of the keys. What
// a node tells is how much its own count of a key has changed since it last told: an eighth, at
// least. So a steady fleet tells each key some times in a half-life, and one whose popular keys
// change within some seconds.
//
// Who can make a node read keys can make them hot. That is bounded: by LearnHot members a cache
// tells and twice as many in the set, by the least number of samples, and as only those caches
// share that have LearnHot set.
const (
	hotBatch = 128 // keys in one call of the script, during which other clients wait
)

// tellHot tells Redis what has changed of this node's counts. What fails is told next time, as it
// is new then too.
func (c *hotKeys[K, V]) tellHot(ctx context.Context) {
	h := c.hot
	keys, texts := c.tellable(h.sketch.News(c.cfg.LearnHot))
	args := make([]any, 0, 3*len(keys))
	for i, k := range keys {
		args = append(args, texts[i], number(k.Reads-k.Told), number(k.Reads))
	}
	gone := h.takeGone()
	for _, text := range gone {
		args = append(args, text, number(-math.MaxFloat32), "0")
	}
	for batch := range slices.Chunk(args, 3*hotBatch) {
		if err := c.remote.TellHot(ctx, 2*c.cfg.LearnHot, c.cfg.HotHalfLife.Milliseconds(), batch); err != nil {
			c.redisFailed(err, len(batch)/3)
			h.putGone(gone)
			return
		}
		told := min(len(batch)/3, len(keys))
		h.sketch.Heard(keys[:told])
		keys = keys[told:]
	}
}

func number(reads float32) string { return strconv.FormatFloat(float64(reads), 'g', -1, 32) }

func (h *hot[K]) takeGone() (texts []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for text := range h.gone {
		texts = append(texts, text)
	}
	clear(h.gone)
	return texts
}

func (h *hot[K]) putGone(texts []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, text := range texts {
		if len(h.gone) < mostHotGone {
			h.gone[text] = struct{}{}
		}
	}
}

// fleetHot is what the whole fleet reads.
func (c *hotKeys[K, V]) fleetHot(ctx context.Context, n int) ([]HotKey[K], error) {
	members, now, err := c.remote.HotList(ctx, n)
	if err != nil {
		c.redisFailed(err, n)
		return nil, fmt.Errorf("tiercache: cache %q: hot keys of the fleet: %w", c.name, err)
	}
	half := float64(c.cfg.HotHalfLife.Milliseconds())
	all := make([]HotKey[K], 0, len(members)/2)
	for i := 0; i+1 < len(members); i += 2 {
		score, err := strconv.ParseFloat(members[i+1], 64)
		if err != nil || len(members[i]) > hotTextBytes { // somebody else wrote there
			continue
		}
		if key, err := c.decodeKey(members[i]); err == nil {
			all = append(all, HotKey[K]{Key: key, Reads: math.Exp2(min(score-now/half, 50))})
		}
	}
	return all, nil
}
