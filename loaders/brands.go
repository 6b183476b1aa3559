package loaders

import (
	_ "embed"
	"math"
	"strings"
	"time"
)

//go:embed queries/popular_brands.sql
var popularBrandsSQL string

//go:embed queries/brands_by_name.sql
var brandsByNameSQL string

// BrandStats is what brand_stats holds of a brand: one that at least one report names.
type BrandStats struct {
	BrandName   string      `json:"brand_name"`
	ReportCount int64       `json:"report_count"` // reports of any status
	Stats       ReportStats `json:"stats"`
	TTL         int64       `json:"ttl"` // Config.BrandTTL in seconds, rounded up
}

type brandRow struct {
	statsRow

	BrandName string `db:"brand_name"`
}

func brands(s *source, ttl time.Duration) reader[brandRow, BrandStats] {
	seconds := int64(math.Ceil(ttl.Seconds()))
	return reader[brandRow, BrandStats]{
		source: s, what: "brands", ranked: popularBrandsSQL, byKey: brandsByNameSQL,
		key: "brand_name",
		entry: func(r brandRow) (string, BrandStats, error) {
			stats, err := r.stats(r.BrandName)
			return r.BrandName, BrandStats{BrandName: text(r.BrandName), ReportCount: r.ReportCount, Stats: stats, TTL: seconds}, err
		},
	}
}

// text is what JSON makes of a string that is not UTF-8, as SQLite may hold one: a value must not
// change on its way through Redis.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
