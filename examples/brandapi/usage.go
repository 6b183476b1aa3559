package main

import (
	"fmt"
	"io"
)

// usage is what -h prints.
const usage = `usage: brandapi

A brand-diagnosis API that starts warm. It takes no arguments; the environment says the rest.

  ADDR                            127.0.0.1:8080  HOST:PORT
  DATABASE_URL                    brandapi.db  the path of an SQLite file, sqlite:PATH, file:PATH?mode=ro,
                                  postgres://USER:PASSWORD@HOST:5432/NAME, or host=HOST user=USER password=PASSWORD dbname=NAME
  DEMO_REPORTS                    100000  how many reports an empty database is filled with
  REDIS_URL                       an embedded one  redis://USER:PASSWORD@HOST:6379/0, rediss://… or unix://…
  REDIS_TIMEOUT                   250ms (embedded: 2s)  bound on one operation, 1ms to 10s
  ADMIN_TOKEN                     none  what may run warm-ups; without it, requests to a loopback address may

  CACHE_WARMUP_ENABLED            true  the master switch
  AUTO_WARMUP_ON_STARTUP          true  warm in the background at start
  SCHEDULED_WARMUP_ENABLED        true  run the schedule
  WARMUP_SCHEDULE                 0 3 * * *  cron expression
  WARMUP_TIMEZONE                 local  IANA name of its zone
  WARMUP_INTERVAL_MINUTES         60  0 to 43200; 0 = no interval job
  CONCURRENT_WARMUP_ENABLED       true  false = one task after the other
  WARMUP_THREAD_COUNT             4  1 to 256 tasks at once
  WARMUP_PRIORITY                 popular_brands,recent_reports,popular_questions,user_stats,api_responses
  WARMUP_TASK_TIMEOUT             30s  seconds, or a duration such as 1m30s
  WARMUP_TIMEOUT                  60s  the same

  WARMUP_POPULAR_BRANDS_COUNT     20  0 to 100000; 0 = none
  WARMUP_POPULAR_USERS_COUNT      50
  WARMUP_POPULAR_QUESTIONS_COUNT  20
  WARMUP_RECENT_REPORTS_COUNT     100
  WARMUP_LEARN_HOT_COUNT          0  hottest keys of each cache that are learned and warmed
  BRAND_STATS_TTL                 3600  seconds, or a duration such as 1h
  USER_STATS_TTL                  1800
  REPORT_STATS_TTL                900
  QUESTION_STATS_TTL              3600
  API_RESPONSE_TTL                300
  NEGATIVE_TTL                    30  how long an unknown id is remembered; 0 = not at all
`

// arguments answers what the program was called with; it returns the exit code, or -1 where the
// service is to start.
func arguments(args []string, stdout, stderr io.Writer) int {
	switch {
	case len(args) == 0:
		return -1
	case args[0] == "-h" || args[0] == "-help" || args[0] == "--help":
		if _, err := io.WriteString(stdout, usage); err != nil {
			return 1
		}
		return 0
	default:
		// Not which one: somebody may have meant to pass an address with its password.
		_, _ = fmt.Fprintf(stderr, "brandapi: it takes no arguments\n\n%s", usage)
		return 2
	}
}
