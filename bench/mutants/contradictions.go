package main

const contradictionGuardsFile = "tiercache/contradictions.go"

// contradictionGuards is what New and others refuse of fields that contradict each other.
var contradictionGuards = []mutant{
	{
		guard: "RefreshAt and StaleFor need a TTL", file: contradictionGuardsFile,
		old: "if cfg.TTL == 0 && cfg.Expiry == nil {", new: "if false {", test: "TestNew_namesContradictions",
	},
	{
		guard: "Expiry is a TTL", file: contradictionGuardsFile,
		old: "if cfg.TTL == 0 && cfg.Expiry == nil {", new: "if cfg.TTL == 0 {", test: "TestNew_namesContradictions",
	},
	{
		guard: "SoftTimeout needs StaleFor", file: contradictionGuardsFile,
		old: "cfg.SoftTimeout > 0 && cfg.StaleFor == 0", new: "false", test: "TestNew_namesContradictions",
	},
	{
		guard: "a MemoryTTL that bounds nothing is refused", file: contradictionGuardsFile,
		old: "cfg.MemoryTTL > cfg.TTL && cfg.Expiry == nil", new: "false", test: "TestNew_namesContradictions",
	},
	{
		guard: "a MemoryTTL may bound the values' own TTLs", file: contradictionGuardsFile,
		old: "cfg.MemoryTTL > cfg.TTL && cfg.Expiry == nil", new: "cfg.MemoryTTL > cfg.TTL", test: "TestNew_namesContradictions",
	},
	{
		guard: "Reload needs a loader beside it", file: contradictionGuardsFile,
		old: "cfg.Reload != nil && cfg.Load == nil && cfg.LoadMany == nil", new: "false", test: "TestNew_namesContradictions",
	},
	{
		guard: "a loader's RefreshAt needs a TTL", file: "tiercache/loader.go",
		old: "l.RefreshAt > 0 && l.TTL == 0 && c.endless", new: "false", test: "TestRegisterLoader_refreshAtWithoutTTL",
	},
}

const valueGuardsTypes, valueGuardsRefused = "tiercache/internal/roundtrip/check.go", "TestNew_refusesWhatCannotComeBack"

// valueGuards is what keeps values from coming back as something else.
var valueGuards = []mutant{
	{
		guard: "New asks whether JSON brings back V", file: "tiercache/config.go",
		old: "if cfg.Codec == nil && cfg.Redis != nil && isJSON(", new: "if cfg.Codec != nil && isJSON(", test: valueGuardsRefused,
	},
	{
		guard: "V is not refused where it is not stored", file: "tiercache/config.go",
		old: "if cfg.Codec == nil && cfg.Redis != nil && isJSON(", new: "if isJSON(", test: valueGuardsRefused,
	},
	{
		guard: "interfaces do not come back", file: valueGuardsTypes,
		old: `if path == "" || t.NumMethod() > 0 {`, new: "if false {", test: "TestCheck",
	},
	{
		guard: "promoted methods lose the other fields", file: valueGuardsTypes,
		old: `if from := promotedMarshaler(t); from != "" {`, new: `if from := ""; from != "" {`, test: "TestCheck",
	},
	{
		guard: "what has no exported field is refused", file: valueGuardsTypes,
		old: "path, why = \"\", w.hidden(t)", new: "", test: "TestCheck",
	},
	{
		guard: "the first value is compared", file: "tiercache/item.go",
		old: "c.compareFirst(it.Value, data[len(dst):])", new: "", test: "TestValues_",
	},
	{
		guard: "one value alone is compared", file: "tiercache/comparison.go",
		old: "c.compared.Load() || !c.compared.CompareAndSwap(false, true)", new: "false", test: "TestValues_",
	},
	{
		guard: "fields that are left out on purpose are not compared", file: "tiercache/internal/roundtrip/compare.go",
		old: "strings.Contains(string(f.Tag), `:\"-\"`) || ", new: "", test: "TestCompare",
	},
	{
		guard: "a record is of one type", file: "tiercache/cache.go",
		old: "c.version = cfg.Version ^ typePrint(cfg.Codec)", new: "c.version = cfg.Version", test: "TestRecord_isOfOneTypeByItsName",
	},
	{
		guard: "another field makes no other type", file: "tiercache/internal/roundtrip/name.go",
		old: "return t.String()", new: `return fmt.Sprint(t, t.Kind() == reflect.Struct && t.NumField() > 1)`, test: "TestName",
	},
}

const quotedGuardsTest = "TestReplies_showNoArguments"

// quotedGuards is what keeps the arguments that a server repeats out of all texts.
var quotedGuards = []mutant{
	{guard: "operations' errors show no arguments", file: "tiercache/internal/redisconn/attempt.go", old: "return value, Quoted(err)", new: "return value, err", test: quotedGuardsTest, pkg: "tiercache"},
	{guard: "what a server lacks is said without arguments", file: "tiercache/internal/backplane/missing.go", old: "if err = redisconn.Quoted(err); !redisconn.UnknownCommand(err)", new: "if !redisconn.UnknownCommand(err)", test: quotedGuardsTest, pkg: "tiercache"},
	{guard: "each command's error shows no arguments", file: "tiercache/internal/redisconn/exec.go", old: "cmd.SetErr(Quoted(cmd.Err()))", new: "cmd.SetErr(cmd.Err())", test: quotedGuardsTest, pkg: "tiercache"},
}
