-- The latest completed reports.
SELECT execution_id, brand_name, status, created_at
FROM diagnosis_reports
WHERE status = 'completed'
ORDER BY created_at DESC, execution_id
LIMIT ?
