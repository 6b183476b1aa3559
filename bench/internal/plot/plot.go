// Package plot draws line charts as SVG and PNG, without any other module: the root module is a
// library, and no user of it should have to download a plotting library with it.
package plot

import (
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
)

// Line is one series. X must not fall.
type Line struct {
	Name string
	X, Y []float64
}

// Chart is one panel. Its axes begin at the least and end at the greatest value.
type Chart struct {
	Title, X, Y string
	LogX, LogY  bool
	Lines       []Line
}

const (
	width, height = 560, 360 // of one panel, in pixels
	left, right   = 70, 20
	top, bottom   = 40, 90
)

// canvas is what a chart is drawn on.
type canvas interface {
	line(x1, y1, x2, y2 float64, c color.RGBA, bold bool)
	text(x, y float64, text string) // from its left end, y is the middle
}

// Save writes the charts side by side into path.svg and path.png.
func Save(path string, charts ...Chart) error {
	vector, pixels := newVector(len(charts)), newPixels(len(charts))
	for i, c := range charts {
		for _, on := range []canvas{vector, pixels} {
			c.draw(on, float64(i%columns*width), float64(i/columns*height))
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	if err := os.WriteFile(path+".svg", vector.bytes(), 0o644); err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	image, err := pixels.bytes()
	if err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	if err := os.WriteFile(path+".png", image, 0o644); err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	return nil
}

// columns of panels; further ones go below.
const columns = 2

func size(charts int) (w, h int) {
	return min(charts, columns) * width, (charts + columns - 1) / columns * height
}

func palette(i int) color.RGBA {
	all := []color.RGBA{
		{0x1f, 0x77, 0xb4, 0xff}, {0xff, 0x7f, 0x0e, 0xff}, {0x2c, 0xa0, 0x2c, 0xff}, {0xd6, 0x27, 0x28, 0xff}, {0x94, 0x67, 0xbd, 0xff}, {0x8c, 0x56, 0x4b, 0xff},
	}
	return all[i%len(all)]
}

// axis maps values to pixels.
type axis struct {
	low, high float64
	log       bool
}

func axisOf(lines []Line, values func(Line) []float64, log bool) axis { //nolint:revive // a scale, no mode
	a := axis{math.Inf(1), math.Inf(-1), log}
	for _, l := range lines {
		for _, v := range values(l) {
			if math.IsNaN(v) || log && v <= 0 {
				continue
			}
			a.low, a.high = min(a.low, v), max(a.high, v)
		}
	}
	if a.low > a.high {
		a.low, a.high = 1, 2
	}
	if log {
		a.low, a.high = math.Pow(10, math.Floor(math.Log10(a.low))), math.Pow(10, math.Ceil(math.Log10(a.high)))
	} else {
		a.low = min(a.low, 0)
	}
	if a.low == a.high {
		a.high = a.low + 1
		if log {
			a.high = a.low * 10
		}
	}
	return a
}

// at is where the value lies, from 0 to 1; false where it cannot be drawn.
func (a axis) at(v float64) (float64, bool) {
	if math.IsNaN(v) || a.log && v <= 0 {
		return 0, false
	}
	if a.log {
		return math.Log(v/a.low) / math.Log(a.high/a.low), true
	}
	return (v - a.low) / (a.high - a.low), true
}

// ticks are the values that are written at the axis.
func (a axis) ticks() (all []float64) {
	if a.log {
		for v := a.low; v <= a.high*1.001; v *= 10 {
			all = append(all, v)
		}
		return all
	}
	step := math.Pow(10, math.Floor(math.Log10((a.high-a.low)/2)))
	for (a.high-a.low)/step > 7 {
		step *= 2
	}
	for v := math.Ceil(a.low/step) * step; v <= a.high+step/1000; v += step {
		all = append(all, v)
	}
	return all
}

// draw puts the chart on the canvas, at that corner.
func (c Chart) draw(on canvas, x0, y0 float64) {
	black, grey := color.RGBA{0, 0, 0, 0xff}, color.RGBA{0xdd, 0xdd, 0xdd, 0xff}
	xs := axisOf(c.Lines, func(l Line) []float64 { return l.X }, c.LogX)
	ys := axisOf(c.Lines, func(l Line) []float64 { return l.Y }, c.LogY)
	wide, high := float64(width-left-right), float64(height-top-bottom)
	px := func(f float64) float64 { return x0 + left + f*wide }
	py := func(f float64) float64 { return y0 + top + (1-f)*high }
	for _, v := range xs.ticks() {
		f, _ := xs.at(v)
		on.line(px(f), py(0), px(f), py(1), grey, false)
		label := fmt.Sprintf("%.4g", v)
		on.text(px(f)-float64(3*len(label)), py(0)+10, label)
	}
	for _, v := range ys.ticks() {
		f, _ := ys.at(v)
		on.line(px(0), py(f), px(1), py(f), grey, false)
		label := fmt.Sprintf("%.4g", v)
		on.text(px(0)-8-float64(6*len(label)), py(f), label)
	}
	on.line(px(0), py(0), px(1), py(0), black, false)
	on.line(px(0), py(0), px(0), py(1), black, false)
	on.text(x0+10, y0+12, c.Title)
	on.text(x0+10, y0+28, c.Y)
	on.text(px(0.5)-float64(3*len(c.X)), py(0)+26, c.X)
	for i, l := range c.Lines {
		drawLine(on, l, func(x, y float64) (float64, float64, bool) {
			fx, okX := xs.at(x)
			fy, okY := ys.at(y)
			return px(fx), py(fy), okX && okY
		}, palette(i))
		at, down := px(0)+float64(i%2)*wide/2, py(0)+46+float64(i/2)*14
		on.line(at, down, at+16, down, palette(i), true)
		on.text(at+22, down, l.Name)
	}
}

func drawLine(on canvas, l Line, place func(x, y float64) (float64, float64, bool), c color.RGBA) {
	var fromX, fromY float64
	joined := false
	for i := range min(len(l.X), len(l.Y)) {
		x, y, ok := place(l.X[i], l.Y[i])
		if ok && joined {
			on.line(fromX, fromY, x, y, c, true)
		}
		fromX, fromY, joined = x, y, ok
	}
}
