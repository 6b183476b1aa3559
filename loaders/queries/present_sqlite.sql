-- The names of what stands in the schema already.
SELECT name FROM sqlite_master WHERE type IN ('table', 'view', 'index')
