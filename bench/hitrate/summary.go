package main

import (
	"math"
)

// estimate is a mean over seeds with its 95 % confidence interval.
type estimate struct {
	Mean float64    `json:"mean"`
	CI   [2]float64 `json:"ci"`
}

// quantile975 of Student's t distribution, by degrees of freedom from 1 on; the normal one beyond.
var quantile975 = []float64{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131}

func estimateOf(values []float64) (e estimate) {
	n := float64(len(values))
	for _, v := range values {
		e.Mean += v / n
	}
	sum := 0.0
	for _, v := range values {
		sum += (v - e.Mean) * (v - e.Mean)
	}
	half := 0.0
	if len(values) > 1 {
		t := 1.96
		if df := len(values) - 1; df <= len(quantile975) {
			t = quantile975[df-1]
		}
		half = t * math.Sqrt(sum/(n-1)/n)
	}
	e.CI = [2]float64{e.Mean - half, e.Mean + half}
	return e
}

// summary is an arm on a workload, over all seeds. Shares are of the requests, costs of the
// measured hours.
type summary struct {
	What  string     `json:"what,omitempty"`
	Seeds int        `json:"seeds"`
	Fresh float64    `json:"fresh"`
	CI    [2]float64 `json:"ci"`
	Gain  estimate   `json:"gain"` // fresh, against none, seed by seed

	Memory   float64            `json:"memory"`
	Redis    float64            `json:"redis"`
	Stale    float64            `json:"stale"`
	Negative float64            `json:"negative"`
	Misses   float64            `json:"misses"`
	Joined   float64            `json:"joined"`
	ByCache  map[string]float64 `json:"fresh_by_cache"`

	Requests      float64 `json:"requests"`
	SourceQueries float64 `json:"source_queries"`
	SourceRows    float64 `json:"source_rows"`
	DemandQueries float64 `json:"source_queries_of_readers"`
	RedisCommands float64 `json:"redis_commands"`
	RedisBytes    float64 `json:"redis_bytes"`
	Entries       float64 `json:"entries"`
	ReadyMillis   float64 `json:"ready_ms"`

	First       firsts   `json:"first"`
	FirstListed firsts   `json:"first_listed"`
	FirstGain   estimate `json:"first_change"`        // of the mean, against none: -0.8 is 80 % less
	ListedGain  estimate `json:"first_listed_change"` // the same for listed keys
}

// summarize sums up the outcomes of an arm beside those of none, both in the order of their seeds.
func summarize(a arm, outs, none []outcome) summary {
	s := summary{What: a.What, Seeds: len(outs), ByCache: make(map[string]float64)}
	over := func(value func(o outcome) float64) []float64 {
		all := make([]float64, len(outs))
		for i, o := range outs {
			all[i] = value(o)
		}
		return all
	}
	mean := func(value func(o outcome) float64) float64 { return estimateOf(over(value)).Mean }
	share := func(count func(o outcome) int) float64 {
		return mean(func(o outcome) float64 { return float64(count(o)) / float64(max(o.Requests, 1)) })
	}
	fresh := estimateOf(over(outcome.fresh))
	s.Fresh, s.CI = fresh.Mean, fresh.CI
	s.Memory = share(func(o outcome) int { return o.Memory })
	s.Redis = share(func(o outcome) int { return o.Redis })
	s.Stale = share(func(o outcome) int { return o.Stale })
	s.Negative = share(func(o outcome) int { return o.Negative })
	s.Misses = share(func(o outcome) int { return o.Misses })
	s.Joined = share(func(o outcome) int { return o.Joined })
	for i, name := range cacheNames() {
		s.ByCache[name] = mean(func(o outcome) float64 { return float64(o.Fresh[i]) / float64(max(o.Of[i], 1)) })
	}
	s.Requests = mean(func(o outcome) float64 { return float64(o.Requests) })
	s.SourceQueries = mean(func(o outcome) float64 { return float64(o.SourceQueries) })
	s.SourceRows = mean(func(o outcome) float64 { return float64(o.SourceRows) })
	s.DemandQueries = mean(func(o outcome) float64 { return float64(o.SourceAsked) })
	s.RedisCommands = mean(func(o outcome) float64 { return float64(o.RedisCommands) })
	s.RedisBytes = mean(func(o outcome) float64 { return float64(o.RedisBytes) })
	s.Entries = mean(func(o outcome) float64 { return float64(o.Entries) })
	s.ReadyMillis = mean(func(o outcome) float64 { return o.ReadyMillis })
	s.First, s.FirstListed = meanFirsts(outs, func(o outcome) firsts { return o.First }), meanFirsts(outs, func(o outcome) firsts { return o.Listed })
	var gains, firstGains, listedGains []float64
	for i := range outs {
		gains = append(gains, outs[i].fresh()-none[i].fresh())
		firstGains = append(firstGains, change(outs[i].First, none[i].First))
		listedGains = append(listedGains, change(outs[i].Listed, none[i].Listed))
	}
	s.Gain, s.FirstGain, s.ListedGain = estimateOf(gains), estimateOf(firstGains), estimateOf(listedGains)
	return s
}

func change(now, before firsts) float64 {
	if before.Mean == 0 {
		return 0
	}
	return now.Mean/before.Mean - 1
}

func meanFirsts(outs []outcome, of func(outcome) firsts) (sum firsts) {
	n := float64(len(outs))
	for _, o := range outs {
		f := of(o)
		sum.N += f.N
		sum.Mean += f.Mean / n
		sum.P50 += f.P50 / n
		sum.P95 += f.P95 / n
		sum.P99 += f.P99 / n
	}
	return sum
}
