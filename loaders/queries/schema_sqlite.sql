-- What the loaders read, for SQLite. Every statement is harmless where its object exists, so two processes may run this file at once.
--
-- Times are UTC text, "2006-01-02 15:04:05.000+00:00", which sorts as it reads; the declared type TIMESTAMP lets drivers return a time.
-- There are no foreign keys: a report outlives the user and the question it came from.

CREATE TABLE IF NOT EXISTS users (
	user_id    TEXT NOT NULL PRIMARY KEY,
	name       TEXT NOT NULL,
	created_at TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f+00:00', 'now'))
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS questions (
	question_id TEXT NOT NULL PRIMARY KEY,
	text        TEXT NOT NULL,
	created_at  TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f+00:00', 'now'))
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS diagnosis_reports (
	id           INTEGER PRIMARY KEY,
	execution_id TEXT NOT NULL UNIQUE,
	brand_name   TEXT,
	user_id      TEXT,
	question_id  TEXT,
	status       TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('completed', 'failed', 'running', 'pending')),
	score        INTEGER CHECK (score BETWEEN 0 AND 100),
	created_at   TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f+00:00', 'now'))
);

-- One row for each set of demo data that SeedDemo has added.
CREATE TABLE IF NOT EXISTS demo_seeds (
	seed    TEXT NOT NULL PRIMARY KEY,
	reports INTEGER NOT NULL
) WITHOUT ROWID;

-- Each aggregate reads one index, in its group order, and never the table.
CREATE INDEX IF NOT EXISTS diagnosis_reports_brand ON diagnosis_reports (brand_name, status, score, created_at);

CREATE INDEX IF NOT EXISTS diagnosis_reports_question ON diagnosis_reports (question_id, status, score, created_at) WHERE question_id IS NOT NULL;

CREATE INDEX IF NOT EXISTS diagnosis_reports_user ON diagnosis_reports (user_id, status, score, created_at) WHERE user_id IS NOT NULL;

-- The latest completed reports stand first: the query reads as many entries as it returns.
CREATE INDEX IF NOT EXISTS diagnosis_reports_recent ON diagnosis_reports (created_at DESC, execution_id, brand_name, status) WHERE status = 'completed';
