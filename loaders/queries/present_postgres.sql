-- The names of what stands in the schema already, as an unqualified name finds it.
SELECT relname::text FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'i', 'I') AND pg_catalog.pg_table_is_visible(oid)
