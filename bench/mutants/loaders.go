package main

// loaderGuards is databases that others have made, and the texts that name them.
var loaderGuards = []mutant{
	{
		guard: "a password with a slash is not taken for a name", file: "internal/dsn/dsn.go",
		old: `!strings.ContainsAny(rest[i:], "@#")`, new: "true", test: "TestParse_refusedWithoutASecret",
	},
	{
		guard: "unknown ids are remembered", file: "loaders/open.go",
		old: "NegativeTTL: cfg.NegativeTTL, ", new: "", test: "TestOpen_unknownIDs",
	},
	{
		guard: "a date that cannot be read is a fault of its row alone", file: "loaders/instant.go",
		old: "m.fault = m.instant.Scan(src)\n\treturn nil", new: "return m.instant.Scan(src)", test: "TestSQLite",
	},
	{
		guard: "a key that is no UUID is not asked for", file: "loaders/dialect.go",
		old: "holds = canonicalUUID.MatchString", new: "", test: "TestPostgres$",
	},
}
