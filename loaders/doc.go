// Package loaders is the main job of this module, made of its other packages: the five caches of a
// brand-diagnosis service over a SQL database, each with the loaders behind its misses and one
// warmup loader that fills it before anyone asks.
//
//	cache           key            warmup loader      what it warms                    TTL
//	brand_stats     brand_name     popular_brands     the 20 brands with most reports  1 h
//	report_info     execution_id   recent_reports     the latest 100 completed reports 15 min
//	question_stats  question_id    popular_questions  the 20 most asked questions      1 h
//	user_stats      user_id        user_stats         the 50 most active users         30 min
//	api_response    response name  api_responses      monitoring, brand_distribution   5 min
//
// In Redis a value stands under cache:key, such as brand_stats:Nike. A value is the same whether it
// was warmed, loaded by Get, or loaded by GetMany; a key that the database does not know is
// [tiercache.ErrNotFound].
//
// # Databases
//
// The loaders run on SQLite (modernc.org/sqlite) and on PostgreSQL
// (github.com/jackc/pgx/v5/stdlib); the database is asked which it is. [Migrate] creates the
// schema, [SeedDemo] adds demo data. For SQLite use a DSN such as
//
//	file:brands.db?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_txlock=immediate&_time_format=sqlite
//
// WAL lets readers and a writer go on beside each other, busy_timeout makes a second writer wait
// instead of fail, _txlock=immediate takes the write lock when a transaction begins (one that
// upgrades later can fail whatever the timeout), and _time_format=sqlite writes your own times in
// the form that sorts as text; write them in UTC. What the loaders return is in UTC on both
// databases.
package loaders
