-- The latest completed reports.
SELECT execution_id AS execution_id, brand_name AS brand_name, status AS status, created_at AS created_at
FROM diagnosis_reports
WHERE status = 'completed'
ORDER BY created_at DESC, execution_id
LIMIT ?
