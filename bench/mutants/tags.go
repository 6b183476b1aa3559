package main

// tagGuards is tokens, tags and the trust in what is remembered of Redis.
func tagGuards() []mutant {
	return []mutant{
		{
			guard: "tokens are not remembered while notices are not heard", file: "tiercache/coherence.go",
			old: "if !c.redis.channel.coherent() {\n\t\tfrom", new: "if false {\n\t\tfrom", test: "TestDeaf_",
		},
	}
}
