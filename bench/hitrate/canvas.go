package main

func savePlot(string, any) error { return nil }
func (r *results) armsPlot() any { return nil }
func (r *results) gridPlot() any { return nil }
