package plot

import (
	"bytes"
	"fmt"
	"html"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
)

// vector is an SVG.
type vector struct{ out bytes.Buffer }

func newVector(charts int) *vector {
	v := &vector{}
	w, h := size(charts)
	fmt.Fprintf(&v.out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">`, w, h, w, h)
	fmt.Fprintf(&v.out, "\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", w, h)
	return v
}

func (v *vector) line(x1, y1, x2, y2 float64, c color.RGBA, bold bool) { //nolint:revive // two strokes
	stroke := 1.0
	if bold {
		stroke = 2
	}
	fmt.Fprintf(&v.out, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#%02x%02x%02x" stroke-width="%g"/>`+"\n", x1, y1, x2, y2, c.R, c.G, c.B, stroke)
}

func (v *vector) text(x, y float64, text string) {
	fmt.Fprintf(&v.out, `<text x="%.1f" y="%.1f">%s</text>`+"\n", x, y+4, html.EscapeString(text))
}

func (v *vector) bytes() []byte { return append(v.out.Bytes(), "</svg>\n"...) }

// scale is how many pixels of the PNG a pixel of the chart has.
const scale = 2

// pixels is a PNG.
type pixels struct{ img *image.RGBA }

func newPixels(charts int) *pixels {
	w, h := size(charts)
	p := &pixels{image.NewRGBA(image.Rect(0, 0, w*scale, h*scale))}
	draw.Draw(p.img, p.img.Bounds(), image.White, image.Point{}, draw.Src)
	return p
}

func (p *pixels) line(x1, y1, x2, y2 float64, c color.RGBA, bold bool) { //nolint:revive // two strokes
	steps := math.Ceil(scale * max(math.Abs(x2-x1), math.Abs(y2-y1), 1))
	thick := 1
	if bold {
		thick = 3
	}
	for i := 0.0; i <= steps; i++ {
		x, y := int(scale*(x1+(x2-x1)*i/steps)), int(scale*(y1+(y2-y1)*i/steps))
		for dx := range thick {
			for dy := range thick {
				p.img.SetRGBA(x+dx-thick/2, y+dy-thick/2, c)
			}
		}
	}
}

// text writes in letters of 5 by 7 dots; what is no ASCII becomes a question mark.
func (p *pixels) text(x, y float64, text string) {
	at, up := int(scale*x), int(scale*y)-4*scale
	for _, r := range text {
		if r < ' ' || r > 'z' {
			r = '?'
		}
		for column := range 5 {
			bits := letters[5*int(r-' ')+column]
			for row := range 8 {
				if bits>>row&1 == 0 {
					continue
				}
				for dot := range scale * scale {
					p.img.Set(at+column*scale+dot%scale, up+row*scale+dot/scale, color.Black)
				}
			}
		}
		at += 6 * scale
	}
}

func (p *pixels) bytes() ([]byte, error) {
	var out bytes.Buffer
	err := png.Encode(&out, p.img)
	return out.Bytes(), err
}
