package main

// recordGuards is what stands in Redis.
var recordGuards = []mutant{
	{
		guard: "the checksum counts", file: "tiercache/internal/record/record.go",
		old: "if uint64(checksum(data[:end])) != n.hex(end, trailerBytes) || n.bad {", new: "if n.bad {", test: "TestHostile|TestRecord",
	},
	{
		guard: "age survives the move to memory", file: "tiercache/item.go",
		old: "Read: now - int64(got.Age())", new: "Read: now",
		test: "TestFresh_ageIsNeverReset",
	},
	{
		guard: "zstd writes no further than it may", file: "tiercache/internal/record/compress.go",
		old: "zstd.WithDecodeAllCapLimit(true), ", new: "",
		test: "TestCompression_hostile",
	},
	{
		guard: "s2's claim is compared with the header's", file: "tiercache/internal/record/compress.go",
		old: "if err != nil || size != decoded {\n\t\t\treturn nil, corrupt(causeCompression, \"s2", new: "if err != nil {\n\t\t\treturn nil, corrupt(causeCompression, \"s2",
		test: "TestCompression_hostile",
	},
	{
		guard: "claims over the limit are refused", file: "tiercache/internal/record/record.go",
		old: "case decoded > uint64(f.Limit) || payload > decoded:", new: "case payload > decoded:",
		test: "TestRecord_hugeClaims|TestRecords_limit|TestHostile|TestCompression_hostile",
	},
	{
		guard: "what is not signed is not believed", file: "tiercache/internal/record/record.go",
		old: "(!r.Signed || !f.Signer.verify", new: "(r.Signed && !f.Signer.verify",
		test: "TestSign_who|TestRecords_signed$",
	},
	{
		guard: "a record is of its key", file: "tiercache/internal/record/record.go",
		old: "if string(data[at:body]) != key {", new: "if false {",
		test: "TestHostile_whatever", pkg: "tiercache",
	},
	{
		guard: "a record is of this version", file: "tiercache/item.go",
		old: "case rec.Version != c.version:", new: "case false:",
		test: "TestHostile_other",
	},
	{
		guard: "keys are escaped injectively", file: "tiercache/internal/redistier/namespace.go",
		old: `|| b == '\\' }`, new: "}",
		test: "TestKeys_hundred",
	},
	{
		guard: "braces in keys are escaped", file: "tiercache/internal/redistier/namespace.go",
		old: "b == '{' || b == '}' ||", new: "",
		test: "TestKeys_hundred",
	},
}
