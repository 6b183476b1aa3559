-- The most active users: those with the most reports. A user who was deleted keeps the statistics and has no name.
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
	WHERE user_id IS NOT NULL
	GROUP BY user_id
	ORDER BY report_count DESC, user_id
	LIMIT ?
) AS s
LEFT JOIN users AS t ON t.user_id = s.user_id
ORDER BY s.report_count DESC, s.user_id
