-- The columns of the reports.
SELECT attname::text FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass('diagnosis_reports') AND attnum > 0 AND NOT attisdropped
