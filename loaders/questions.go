package loaders

import _ "embed"

//go:embed queries/popular_questions.sql
var popularQuestionsSQL string

//go:embed queries/questions_by_id.sql
var questionsByIDSQL string

// QuestionStats is what question_stats holds of a question: one that at least one report asks.
type QuestionStats struct {
	QuestionID  string      `json:"question_id"`
	Text        string      `json:"text"`         // empty where the question itself was deleted
	ReportCount int64       `json:"report_count"` // reports of any status
	Stats       ReportStats `json:"stats"`
}

type questionRow struct {
	statsRow

	QuestionID string `db:"question_id"`
	Text       string `db:"text"`
}

func questions(s *source) reader[questionRow, QuestionStats] {
	return reader[questionRow, QuestionStats]{
		source: s, what: "questions", ranked: popularQuestionsSQL, byKey: questionsByIDSQL,
		key: "question_id",
		entry: func(r questionRow) (string, QuestionStats, error) {
			stats, err := r.stats(r.QuestionID)
			return r.QuestionID, QuestionStats{QuestionID: text(r.QuestionID), Text: text(r.Text), ReportCount: r.ReportCount, Stats: stats}, err
		},
	}
}
