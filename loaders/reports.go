package loaders

import (
	_ "embed"
	"time"
)

//go:embed queries/recent_reports.sql
var recentReportsSQL string

//go:embed queries/reports_by_id.sql
var reportsByIDSQL string

// ReportInfo is what report_info holds of a report. Warming takes completed reports only; any report can be loaded.
type ReportInfo struct {
	ExecutionID string    `json:"execution_id"`
	BrandName   *string   `json:"brand_name"` // nil where the report names none; shared, not to be changed
	Status      string    `json:"status"`     // completed, failed, running or pending
	CreatedAt   time.Time `json:"created_at"` // UTC
}

type reportRow struct {
	ExecutionID string  `db:"execution_id"`
	BrandName   *string `db:"brand_name"`
	Status      string  `db:"status"`
	CreatedAt   instant `db:"created_at"`
}

func reports(s *source) reader[reportRow, ReportInfo] {
	return reader[reportRow, ReportInfo]{
		source: s, what: "reports", ranked: recentReportsSQL, byKey: reportsByIDSQL,
		entry: func(r reportRow) (string, ReportInfo) {
			info := ReportInfo{ExecutionID: text(r.ExecutionID), Status: r.Status, CreatedAt: r.CreatedAt.Time}
			if r.BrandName != nil {
				name := text(*r.BrandName)
				info.BrandName = &name
			}
			return r.ExecutionID, info
		},
	}
}
