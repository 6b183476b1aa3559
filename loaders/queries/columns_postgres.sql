-- The columns of what is read, with the type below a domain.
SELECT c.relname::text AS relation, a.attname::text AS name, format_type(COALESCE(NULLIF(t.typbasetype, 0), t.oid), NULL) AS type
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
WHERE c.relname IN ('diagnosis_reports', 'questions', 'users') AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND pg_catalog.pg_table_is_visible(c.oid)
