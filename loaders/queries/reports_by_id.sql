-- Reports of any status by their execution ids.
SELECT execution_id, brand_name, status, created_at
FROM diagnosis_reports
WHERE execution_id IN (?)
