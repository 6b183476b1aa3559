package plot_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/warmcache/warmcache/bench/internal/plot"
)

func TestSave(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "chart")
	nothing := plot.Chart{Title: "nothing"}
	some := plot.Chart{
		Title: "a <b> & c", LogY: true,
		Lines: []plot.Line{{Name: "up", X: []float64{0, 1, 2}, Y: []float64{1, 10, 1000}}, {Name: "gaps", X: []float64{0, 1, 2}, Y: []float64{0, math.NaN(), 5}}},
	}
	flat := plot.Chart{Lines: []plot.Line{{X: []float64{3}, Y: []float64{0}}}}
	if err := plot.Save(path, nothing, some, flat); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path + ".svg")
	if err != nil {
		t.Fatal(err)
	}
	for tokens := xml.NewDecoder(bytes.NewReader(text)); ; {
		if _, err := tokens.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the SVG is no XML: %v", err)
		}
	}
	if !strings.Contains(string(text), "a &lt;b&gt; &amp; c") || strings.Contains(string(text), "NaN") || strings.Contains(string(text), "Inf") {
		t.Errorf("the SVG lacks a title, or has points that cannot be drawn:\n%s", text)
	}
	raw, err := os.ReadFile(path + ".png")
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if got := img.Bounds().Size(); got.X != 2*2*560 || got.Y != 2*2*360 {
		t.Errorf("the PNG has %v pixels, want two panels beside each other and one below", got)
	}
}
