package loaders

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/warmcache/warmcache/tiercache"
)

//go:embed queries/monitoring.sql
var monitoringSQL string

//go:embed queries/brand_distribution.sql
var brandDistributionSQL string

// The keys of api_response.
const (
	ResponseMonitoring        = "monitoring"
	ResponseBrandDistribution = "brand_distribution"
)

// distributionBrands is how many brands a BrandDistribution lists by name.
const distributionBrands = 50

// APIResponse is a whole response that many clients ask for, ready to be sent.
type APIResponse struct {
	Name string          `json:"name"` // its key: monitoring or brand_distribution
	Data json.RawMessage `json:"data"` // a Monitoring or a BrandDistribution; shared, not to be changed
}

// Monitoring is the Data of the response monitoring: all reports, whatever they are about.
type Monitoring struct {
	Reports      int64     `json:"reports"`
	Completed    int64     `json:"completed"`
	Failed       int64     `json:"failed"`
	Running      int64     `json:"running"`
	Pending      int64     `json:"pending"`
	SuccessRate  float64   `json:"success_rate"`   // completed of completed and failed, 0 to 100, to two decimals; 0 where there are none
	AverageScore float64   `json:"average_score"`  // to two decimals
	LastReportAt time.Time `json:"last_report_at"` // UTC; the zero time where there is no report
}

// BrandDistribution is the Data of the response brand_distribution: how the reports that name a
// brand are spread over the brands.
type BrandDistribution struct {
	Reports int64        `json:"reports"` // reports that name a brand
	Brands  int64        `json:"brands"`  // distinct brands
	Top     []BrandShare `json:"top"`     // the 50 brands with the most reports, best first
	Other   int64        `json:"other"`   // reports of all brands not in Top
}

// BrandShare is one brand's part of the reports.
type BrandShare struct {
	BrandName   string  `json:"brand_name"`
	ReportCount int64   `json:"report_count"`
	Share       float64 `json:"share"` // of the reports that name a brand, 0 to 100, to two decimals
}

// responses reads the values of api_response.
type responses struct{ source *source }

func (r responses) load(ctx context.Context, name string) (APIResponse, error) {
	var data any
	var err error
	switch name {
	case ResponseMonitoring:
		data, err = r.monitoring(ctx)
	case ResponseBrandDistribution:
		data, err = r.brandDistribution(ctx)
	default:
		return APIResponse{}, tiercache.ErrNotFound
	}
	if err != nil {
		return APIResponse{}, fmt.Errorf("loaders: read %s: %w", name, err)
	}
	body, err := json.Marshal(data)
	if err != nil {
		return APIResponse{}, fmt.Errorf("loaders: encode %s: %w", name, err)
	}
	return APIResponse{Name: name, Data: body}, nil
}

func (r responses) loadMany(ctx context.Context, names []string) (map[string]APIResponse, error) {
	found := make(map[string]APIResponse)
	for _, name := range []string{ResponseMonitoring, ResponseBrandDistribution} {
		if !slices.Contains(names, name) {
			continue
		}
		response, err := r.load(ctx, name)
		if err != nil {
			return found, err
		}
		found[name] = response
	}
	return found, nil
}

func (r responses) warm(ctx context.Context, emit func(string, APIResponse) error) error {
	for _, name := range []string{ResponseMonitoring, ResponseBrandDistribution} {
		response, err := r.load(ctx, name)
		if err != nil {
			return err
		}
		if err := emit(name, response); err != nil {
			return err
		}
	}
	return nil
}

func (r responses) monitoring(ctx context.Context) (Monitoring, error) {
	type row struct {
		Total        int64   `db:"total"`
		Completed    int64   `db:"completed"`
		Failed       int64   `db:"failed"`
		Running      int64   `db:"running"`
		Pending      int64   `db:"pending"`
		Scored       int64   `db:"scored"`
		ScoreSum     float64 `db:"score_sum"`
		LastReportAt moment  `db:"last_report_at"`
	}
	rows, err := selectRows[row](ctx, r.source, r.source.fit(monitoringSQL))
	if err != nil {
		return Monitoring{}, err
	}
	all := rows[0]                                     // an aggregate without GROUP BY has exactly one row
	if fault := all.LastReportAt.fault; fault != nil { // of one row; the counts are of all
		r.source.log.WarnContext(ctx, "the time of the last report cannot be read, and is left out", slog.Any("error", fault))
	}
	return Monitoring{
		Reports: all.Total, Completed: all.Completed, Failed: all.Failed, Running: all.Running, Pending: all.Pending,
		SuccessRate: mean(100*float64(all.Completed), all.Completed+all.Failed), AverageScore: mean(all.ScoreSum, all.Scored),
		LastReportAt: all.LastReportAt.Time,
	}, nil
}

func (r responses) brandDistribution(ctx context.Context) (BrandDistribution, error) {
	type row struct {
		BrandName   string `db:"brand_name"`
		ReportCount int64  `db:"report_count"`
		Brands      int64  `db:"brands"`
		Total       int64  `db:"total"`
	}
	rows, err := selectRows[row](ctx, r.source, brandDistributionSQL, distributionBrands)
	if err != nil {
		return BrandDistribution{}, err
	}
	d := BrandDistribution{Top: make([]BrandShare, 0, len(rows))}
	for i, brand := range rows {
		if i == 0 {
			d.Reports, d.Brands, d.Other = brand.Total, brand.Brands, brand.Total
		}
		d.Other -= brand.ReportCount
		d.Top = append(d.Top, BrandShare{
			BrandName: text(brand.BrandName), ReportCount: brand.ReportCount, Share: mean(100*float64(brand.ReportCount), brand.Total),
		})
	}
	return d, nil
}
