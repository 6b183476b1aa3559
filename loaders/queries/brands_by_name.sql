-- The same columns as popular_brands.sql for the brands that are asked for.
SELECT
	brand_name AS brand_name,
	COUNT(*) AS report_count,
	COUNT(*) FILTER (WHERE status = 'completed') AS completed,
	COUNT(*) FILTER (WHERE status = 'failed') AS failed,
	COUNT(score) AS scored,
	COALESCE(SUM(score), 0) AS score_sum,
	MAX(created_at) AS last_report_at
FROM diagnosis_reports
WHERE brand_name IN (?)
GROUP BY brand_name
