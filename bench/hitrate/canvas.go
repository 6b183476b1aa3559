package main

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
)

// shape is a filled rectangle, or a text whose lower left corner is at X, Y.
type shape struct {
	X, Y, W, H int
	Color      color.RGBA
	Text       string
}

// picture is what is drawn: white, and shapes on it, in pixels.
type picture struct {
	W, H   int
	Shapes []shape
}

func (p *picture) box(x, y, w, h int, c color.RGBA) {
	p.Shapes = append(p.Shapes, shape{X: x, Y: y, W: w, H: h, Color: c})
}

func (p *picture) text(x, y int, format string, args ...any) {
	p.Shapes = append(p.Shapes, shape{X: x, Y: y, Text: fmt.Sprintf(format, args...), Color: color.RGBA{A: 255}})
}

// save writes the picture as SVG and as PNG.
func (p *picture) save(name string) error {
	picture, err := p.png()
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(name+".svg", p.svg(), 0o644), os.WriteFile(name+".png", picture, 0o644))
}

func (p *picture) svg() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="monospace" font-size="11">`+"\n", p.W, p.H, p.W, p.H)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", p.W, p.H)
	for _, s := range p.Shapes {
		if s.Text != "" {
			fmt.Fprintf(&b, `<text x="%d" y="%d">%s</text>`+"\n", s.X, s.Y, html.EscapeString(s.Text))
			continue
		}
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" fill="#%02x%02x%02x"/>`+"\n", s.X, s.Y, s.W, s.H, s.Color.R, s.Color.G, s.Color.B)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func (p *picture) png() ([]byte, error) {
	img := image.NewRGBA(image.Rect(0, 0, p.W, p.H))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	for _, s := range p.Shapes {
		if s.Text == "" {
			draw.Draw(img, image.Rect(s.X, s.Y, s.X+s.W, s.Y+s.H), image.NewUniform(s.Color), image.Point{}, draw.Src)
			continue
		}
		for i, r := range []rune(s.Text) {
			for col, bits := range glyph(r) {
				for row := range 7 {
					if bits>>row&1 == 1 {
						img.SetRGBA(s.X+6*i+col, s.Y-7+row, s.Color)
					}
				}
			}
		}
	}
	var b bytes.Buffer
	err := png.Encode(&b, img)
	return b.Bytes(), err
}
