package main

import (
	"encoding/csv"
	"errors"
	"image/color"
	"os"
	"strconv"

	gonumplot "gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// columns in the order of the table.
func columns() []string {
	return []string{
		"Belady", "warmcache paced", "otter paced", "theine paced", "ristretto paced", "ARC", "LRU",
		"warmcache full", "otter full", "theine full", "ristretto full",
	}
}

// table is the rows as text, the head first.
func table(rows []row) [][]string {
	lines := [][]string{append([]string{"trace", "entries"}, columns()...)}
	for _, r := range rows {
		line := []string{r.Trace, strconv.Itoa(r.Size)}
		for _, name := range columns() {
			line = append(line, strconv.FormatFloat(r.Ratios[name], 'f', 2, 64))
		}
		lines = append(lines, line)
	}
	return lines
}

func saveCSV(path string, rows []row) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return csv.NewWriter(f).WriteAll(table(rows))
}

// plot draws each cache's distance to Belady, row by row, from best to worst.
func plot(path string, rows []row) error {
	p := gonumplot.New()
	p.Title.Text = "Hit ratio as a share of Belady's, paced replay"
	p.X.Label.Text = "trace and size, in the order of the results"
	p.Y.Label.Text = "percent of Belady"
	p.Legend.Top = false
	for i, line := range []struct {
		name  string
		color color.RGBA
	}{
		{"warmcache paced", color.RGBA{R: 0xd6, G: 0x27, B: 0x28, A: 0xff}},
		{"otter paced", color.RGBA{R: 0x1f, G: 0x77, B: 0xb4, A: 0xff}},
		{"theine paced", color.RGBA{R: 0x2c, G: 0xa0, B: 0x2c, A: 0xff}},
		{"ristretto paced", color.RGBA{R: 0x94, G: 0x67, B: 0xbd, A: 0xff}},
		{"LRU", color.RGBA{R: 0x7f, G: 0x7f, B: 0x7f, A: 0xff}},
	} {
		points := make(plotter.XYs, 0, len(rows))
		for at, r := range rows {
			if best := r.Ratios["Belady"]; best > 0 {
				points = append(points, plotter.XY{X: float64(at), Y: 100 * r.Ratios[line.name] / best})
			}
		}
		drawn, marks, err := plotter.NewLinePoints(points)
		if err != nil {
			return err
		}
		drawn.Color, marks.Color = line.color, line.color
		if i == 0 {
			drawn.Width = vg.Points(2)
		}
		marks.Radius = vg.Points(2)
		p.Add(drawn, marks)
		p.Legend.Add(line.name, drawn)
	}
	return errors.Join(p.Save(26*vg.Centimeter, 13*vg.Centimeter, path+".svg"), p.Save(26*vg.Centimeter, 13*vg.Centimeter, path+".png"))
}
