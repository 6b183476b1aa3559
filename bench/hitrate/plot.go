package main

import (
	"image/color"
	"strings"
)

// The colours of bars.
var (
	colorFresh    = color.RGBA{0x2c, 0xa0, 0x2c, 0xff}
	colorStale    = color.RGBA{0xff, 0xbf, 0x40, 0xff}
	colorNegative = color.RGBA{0x94, 0x67, 0xbd, 0xff}
	colorNone     = color.RGBA{0xb0, 0xb0, 0xb0, 0xff}
	colorLong     = color.RGBA{0x1f, 0x77, 0xb4, 0xff}
	colorAll      = color.RGBA{0xd6, 0x27, 0x28, 0xff}
	colorInk      = color.RGBA{0x20, 0x20, 0x20, 0xff}
	colorLine     = color.RGBA{0xdd, 0xdd, 0xdd, 0xff}
)

// plotScale is the pixels of a percent.
const plotScale = 6

// armsPlot is a bar for each arm: fresh, stale and negative hits, and the interval of fresh ones.
func (r *results) armsPlot() *picture {
	p := &picture{W: 130 + 100*plotScale + 170, H: 70 + 26*len(arms())}
	p.text(10, 16, "Reads answered without waiting, percent: the simulated day, %d seeds, configuration %s", r.Config.Seeds, short(r.ConfigHash))
	p.legend(130, 36, []string{"fresh", "stale", "negative"}, []color.RGBA{colorFresh, colorStale, colorNegative})
	for x := 0; x <= 100; x += 20 {
		p.box(130+x*plotScale, 44, 1, p.H-50, colorLine)
	}
	for i, a := range arms() {
		s, y := r.Arms[a.Name], 48+26*i
		p.text(10, y+13, "%s", a.Name)
		x := 130
		for k, share := range []float64{s.Fresh, s.Stale, s.Negative} {
			w := int(100 * share * plotScale)
			p.box(x, y, w, 18, []color.RGBA{colorFresh, colorStale, colorNegative}[k])
			x += w
		}
		p.whisker(130, y+9, s.CI)
		p.text(130+100*plotScale+8, y+13, "%.1f (%+.1f) fresh", 100*s.Fresh, 100*s.Gain.Mean)
	}
	return p
}

// gridPlot is four bars for each cell.
func (r *results) gridPlot() *picture {
	kinds, colors := gridArms(), []color.RGBA{colorNone, colorFresh, colorLong, colorAll}
	p := &picture{W: 190 + 100*plotScale + 20, H: 70 + 12*len(r.Grid)}
	p.text(10, 16, "Fresh hits in percent, one thing changed at a time")
	p.legend(190, 36, kinds, colors)
	for x := 0; x <= 100; x += 20 {
		p.box(190+x*plotScale, 44, 1, p.H-50, colorLine)
	}
	for i, row := range r.Grid {
		y := 48 + 12*i
		if i%len(kinds) == 0 {
			p.text(10, y+12, "%s %s", row.Axis, strings.TrimSpace(row.Value))
		}
		p.box(190, y, int(100*row.Fresh*plotScale), 9, colors[i%len(kinds)])
		if row.Seeds >= 3 {
			p.whisker(190, y+4, row.CI)
		}
	}
	return p
}

// whisker is a confidence interval.
func (p *picture) whisker(x, y int, ci [2]float64) {
	from, to := int(100*max(ci[0], 0)*plotScale), int(100*min(ci[1], 1)*plotScale)
	p.box(x+from, y, max(to-from, 1), 1, colorInk)
	p.box(x+from, y-2, 1, 5, colorInk)
	p.box(x+to, y-2, 1, 5, colorInk)
}

func (p *picture) legend(x, y int, names []string, colors []color.RGBA) {
	for i, name := range names {
		p.box(x, y-8, 9, 9, colors[i])
		p.text(x+13, y, "%s", name)
		x += 40 + 7*len(name)
	}
}
