-- The columns of what is read. SQLite does not tell capitals from small letters in a name.
SELECT lower(m.name) AS relation, lower(p.name) AS name, lower(p.type) AS type
FROM sqlite_master AS m, pragma_table_xinfo(m.name) AS p
WHERE m.type IN ('table', 'view') AND lower(m.name) IN ('diagnosis_reports', 'questions', 'users')
