package main

// contradictionGuards is what New and others refuse of fields that contradict each other.
func contradictionGuards() []mutant {
	const file = "tiercache/contradictions.go"
	return []mutant{
		{
			guard: "RefreshAt and StaleFor need a TTL", file: file,
			old: "if cfg.TTL == 0 && cfg.Expiry == nil {", new: "if false {", test: "TestNew_namesContradictions",
		},
		{
			guard: "Expiry is a TTL", file: file,
			old: "if cfg.TTL == 0 && cfg.Expiry == nil {", new: "if cfg.TTL == 0 {", test: "TestNew_namesContradictions",
		},
		{
			guard: "SoftTimeout needs StaleFor", file: file,
			old: "cfg.SoftTimeout > 0 && cfg.StaleFor == 0", new: "false", test: "TestNew_namesContradictions",
		},
		{
			guard: "a MemoryTTL that bounds nothing is refused", file: file,
			old: "cfg.MemoryTTL > cfg.TTL && cfg.Expiry == nil", new: "false", test: "TestNew_namesContradictions",
		},
		{
			guard: "a MemoryTTL may bound the values' own TTLs", file: file,
			old: "cfg.MemoryTTL > cfg.TTL && cfg.Expiry == nil", new: "cfg.MemoryTTL > cfg.TTL", test: "TestNew_namesContradictions",
		},
		{
			guard: "Reload needs a loader beside it", file: file,
			old: "cfg.Reload != nil && cfg.Load == nil && cfg.LoadMany == nil", new: "false", test: "TestNew_namesContradictions",
		},
		{
			guard: "a loader's RefreshAt needs a TTL", file: "tiercache/loader.go",
			old: "l.RefreshAt > 0 && l.TTL == 0 && c.endless", new: "false", test: "TestRegisterLoader_refreshAtWithoutTTL",
		},
	}
}
