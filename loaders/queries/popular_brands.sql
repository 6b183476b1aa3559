-- The brands with the most reports, each with its statistics: one pass over one index, whatever the number of brands.
SELECT
	brand_name AS brand_name,
	COUNT(*) AS report_count,
	COUNT(*) FILTER (WHERE status = 'completed') AS completed,
	COUNT(*) FILTER (WHERE status = 'failed') AS failed,
	COUNT(score) AS scored,
	COALESCE(SUM(score), 0) AS score_sum,
	MAX(created_at) AS last_report_at
FROM diagnosis_reports
WHERE brand_name IS NOT NULL
GROUP BY brand_name
ORDER BY report_count DESC, brand_name
LIMIT ?
