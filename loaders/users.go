package loaders

import _ "embed"

//go:embed queries/active_users.sql
var activeUsersSQL string

//go:embed queries/users_by_id.sql
var usersByIDSQL string

// UserStats is what user_stats holds of a user: one who has at least one report.
type UserStats struct {
	UserID      string      `json:"user_id"`
	Name        string      `json:"name"`         // empty where the user was deleted
	ReportCount int64       `json:"report_count"` // reports of any status
	Stats       ReportStats `json:"stats"`
}

type userRow struct {
	statsRow

	UserID string `db:"user_id"`
	Name   string `db:"name"`
}

func users(s *source) reader[userRow, UserStats] {
	return reader[userRow, UserStats]{
		source: s, what: "users", ranked: activeUsersSQL, byKey: usersByIDSQL,
		key: "user_id",
		entry: func(r userRow) (string, UserStats, error) {
			stats, err := r.stats(r.UserID)
			return r.UserID, UserStats{UserID: text(r.UserID), Name: text(r.Name), ReportCount: r.ReportCount, Stats: stats}, err
		},
	}
}
