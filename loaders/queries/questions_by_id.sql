-- The same columns as popular_questions.sql for the questions that are asked for.
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
	WHERE question_id IN (?)
	GROUP BY question_id
) AS s
LEFT JOIN questions AS t ON t.question_id = s.question_id
