-- The columns of the reports.
SELECT name FROM pragma_table_info('diagnosis_reports')
