-- The questions with the most reports. A question that was deleted keeps its statistics and has no text.
SELECT s.*, COALESCE(CAST(t.text AS TEXT), '') AS text
FROM (
	SELECT
		question_id AS question_id,
		COUNT(*) AS report_count,
		COUNT(*) FILTER (WHERE status = 'completed') AS completed,
		COUNT(*) FILTER (WHERE status = 'failed') AS failed,
		COUNT(score) AS scored,
		COALESCE(SUM(score), 0) AS score_sum,
		MAX(created_at) AS last_report_at
	FROM diagnosis_reports
	WHERE question_id IS NOT NULL
	GROUP BY question_id
	ORDER BY report_count DESC, question_id
	LIMIT ?
) AS s
LEFT JOIN questions AS t ON t.question_id = s.question_id
ORDER BY s.report_count DESC, s.question_id
