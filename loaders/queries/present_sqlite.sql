-- The names of what stands in the schema already. SQLite does not tell capitals from small letters in a name.
SELECT lower(name) AS name, type = 'view' AS is_view FROM sqlite_master WHERE type IN ('table', 'view', 'index')
