package main

import "fmt"

// The fleet that docs/scale.md does the arithmetic of.
const (
	farNodes = 10_000
	farKeys  = 100_000_000
	farValue = 300 // bytes
	farWrite = 50  // invalidations a second
)

// extrapolated is what a fleet of 10,000 nodes and 10⁸ keys would cost where all grows as
// measured. None of it was run. Nothing is said without a real fleet, a virtual one, and a size of
// values.
func (r result) extrapolated() [][]string {
	if len(r.Nodes) == 0 || len(r.Virtual) == 0 || len(r.Sizes) == 0 {
		return nil
	}
	live, large, value := r.Nodes[len(r.Nodes)-1], r.Virtual[len(r.Virtual)-1], r.Sizes[0]
	overhead := value.Redis - float64(value.Bytes)
	of := fmt.Sprintf("of %d nodes, virtual", large.Nodes)
	row := func(what, how, format string, args ...any) []string {
		return []string{what, fmt.Sprintf(format, args...), how}
	}
	return [][]string{
		{"", "extrapolated", "from"},
		row("commands a second at rest, at each master", of, "%.0f", farNodes*large.Rest.Commands),
		row("bytes a second to each master, from it", of, "%.1f MB, %.0f MB", farNodes*large.Rest.In/1e6, farNodes*large.Rest.Out/1e6),
		row("cores of Redis at rest", fmt.Sprintf("of %d nodes, real", live.Nodes), "%.1f", farNodes*live.Rest.RedisCPU/float64(live.Nodes)),
		row(fmt.Sprintf("messages a second, %d invalidations a second", farWrite), "each goes to each node", "%d", farWrite*farNodes),
		row("messages a second, digests", "100 a second whatever the fleet, each to each node", "%d", 100*farNodes),
		row("commands of a deploy of all", of, "%.1f million", farNodes*large.Start/1e6),
		row("memory for 10⁸ values of 300 bytes, without replicas", fmt.Sprintf("of values of %d bytes: %.0f bytes beside each", value.Bytes, overhead), "%.0f GB", farKeys*(farValue+overhead)/1e9),
	}
}
