-- The brands with the most reports, each beside the totals over all brands: one statement, so that shares add up.
SELECT
	brand_name AS brand_name,
	COUNT(*) AS report_count,
	COUNT(*) OVER () AS brands,
	CAST(SUM(COUNT(*)) OVER () AS BIGINT) AS total
FROM diagnosis_reports
WHERE brand_name IS NOT NULL
GROUP BY brand_name
ORDER BY report_count DESC, brand_name
LIMIT ?
