-- The same columns as active_users.sql for the users who are asked for.
SELECT s.*, COALESCE(CAST(t.name AS TEXT), '') AS name
FROM (
	SELECT
		user_id AS user_id,
		COUNT(*) AS report_count,
		COUNT(*) FILTER (WHERE status = 'completed') AS completed,
		COUNT(*) FILTER (WHERE status = 'failed') AS failed,
		COUNT(score) AS scored,
		COALESCE(SUM(score), 0) AS score_sum,
		MAX(created_at) AS last_report_at
	FROM diagnosis_reports
	WHERE user_id IN (?)
	GROUP BY user_id
) AS s
LEFT JOIN users AS t ON t.user_id = s.user_id
