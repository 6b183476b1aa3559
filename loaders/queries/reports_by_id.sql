-- Reports of any status by their execution ids.
SELECT execution_id AS execution_id, brand_name AS brand_name, status AS status, created_at AS created_at
FROM diagnosis_reports
WHERE execution_id IN (?)
