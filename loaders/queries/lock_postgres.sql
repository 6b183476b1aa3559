-- The lock of schema_postgres.sql, for a transaction that is going to change the schema: taken before any table is, it leaves no way to a deadlock.
SELECT pg_advisory_xact_lock(hashtext('warmcache.loaders.migrate'))
