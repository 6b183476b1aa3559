package loaders

import (
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"time"
)

//go:embed queries/recent_reports.sql
var recentReportsSQL string

//go:embed queries/reports_by_id.sql
var reportsByIDSQL string

// ReportInfo is what report_info holds of a report. Warming takes completed reports only; any
// report can be loaded.
type ReportInfo struct {
	ExecutionID string    `json:"execution_id"`
	BrandName   *string   `json:"brand_name"` // nil where the report names none; shared, not to be changed
	Status      string    `json:"status"`     // completed, failed, running or pending
	CreatedAt   time.Time `json:"created_at"` // UTC
}

type reportRow struct {
	ExecutionID sql.NullString `db:"execution_id"`
	BrandName   *string        `db:"brand_name"`
	Status      sql.NullString `db:"status"`
	CreatedAt   moment         `db:"created_at"`
}

func reports(s *source) reader[reportRow, ReportInfo] {
	return reader[reportRow, ReportInfo]{
		source: s, what: "reports", ranked: recentReportsSQL, byKey: reportsByIDSQL,
		key: "execution_id", entry: reportRow.entry,
	}
}

func (r reportRow) entry() (string, ReportInfo, error) {
	switch {
	case !r.ExecutionID.Valid:
		return "", ReportInfo{}, errors.New("execution_id is NULL")
	case r.CreatedAt.fault != nil:
		return "", ReportInfo{}, fmt.Errorf("%q: created_at: %w", r.ExecutionID.String, r.CreatedAt.fault)
	}
	info := ReportInfo{ExecutionID: text(r.ExecutionID.String), Status: r.Status.String, CreatedAt: r.CreatedAt.Time}
	if r.BrandName != nil {
		name := text(*r.BrandName)
		info.BrandName = &name
	}
	return r.ExecutionID.String, info, nil
}
