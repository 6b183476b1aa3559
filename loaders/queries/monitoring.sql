-- All reports in one row: filtered counts need no sort, where GROUP BY status would sort a million rows.
SELECT
	COUNT(*) AS total,
	COUNT(*) FILTER (WHERE status = 'completed') AS completed,
	COUNT(*) FILTER (WHERE status = 'failed') AS failed,
	COUNT(*) FILTER (WHERE status = 'running') AS running,
	COUNT(*) FILTER (WHERE status = 'pending') AS pending,
	COUNT(score) AS scored,
	COALESCE(SUM(score), 0) AS score_sum,
	MAX(created_at) AS last_report_at
FROM diagnosis_reports
