-- The names of what stands in the schema already, as an unqualified name finds it. What is no table of this database cannot be altered as one.
SELECT relname::text AS name, relkind IN ('v', 'm', 'f') AS is_view
FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'i', 'I') AND pg_catalog.pg_table_is_visible(oid)
