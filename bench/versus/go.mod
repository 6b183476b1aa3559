module github.com/warmcache/warmcache/bench/versus

go 1.26.0

replace github.com/warmcache/warmcache => ../..

require (
	github.com/adhocore/gronx v1.20.4
	github.com/netresearch/go-cron v0.9.1
	github.com/robfig/cron/v3 v3.0.1
	github.com/warmcache/warmcache v0.0.0
)
