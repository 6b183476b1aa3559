package main

const userCodeTest = "TestRun_whatUsersBring"

// userCode is what keeps the methods of users' errors, loggers and values from doing harm.
var userCode = []mutant{
	{guard: "a value that panics where it is printed has a text", file: "internal/usercode/error.go", old: "if recover() != nil {\n\t\t\ttext =", new: "if false {\n\t\t\ttext =", test: "TestUserError_methods", pkg: "tiercache"},
	{guard: "an error of a function is guarded", file: "warm/task.go", old: "Err: usercode.Error(err)}", new: "Err: errors.Join(err, usercode.Error(nil))}", test: userCodeTest},
	{guard: "Permanent may panic", file: "warm/task.go", old: "\tdefer func() { _ = recover() }()\n\tvar marked", new: "\tvar marked", test: userCodeTest},
	{guard: "a logger of runs may panic", file: "warm/config.go", old: "s.Logger = usercode.Logger(s.Logger)", new: "if s.Logger == nil {\n\t\ts.Logger = usercode.Logger(nil)\n\t}", test: userCodeTest},
	{guard: "an error of Authorize is guarded", file: "warm/admin/auth.go", old: "usercode.Error(h.cfg.Authorize(r))", new: "h.cfg.Authorize(r)", test: "TestAuthorize"},
	{guard: "another system's separator is no part of a name", file: "internal/dsn/dsn.go", old: `misread = "@=;&"`, new: `misread = "@"`, test: "TestParse_refused"},
	{guard: "what stands behind a path's ? is not its name", file: "internal/dsn/dsn.go", old: `path, options, _ := strings.Cut(path, "?")`, new: `options := ""`, test: "TestParse"},
	{guard: "a claim looks for the manifest of the very pass", file: "warm/internal/ledger/claim.go", old: "  if meets and last[4] ~= '0' and last[1] ~= ARGV[7] then return {5, last[1]} end\n", new: "", test: "TestLedger_aPass"},
	{guard: "a panic of a job has a text", file: "schedule/job.go", old: "if recover() != nil { // fmt", new: "if false { // fmt", test: "TestScheduler_isolates"},
	{guard: "a logger of jobs may panic", file: "schedule/run.go", old: "\tdefer func() { _ = recover() }()\n\ts.cfg.Logger", new: "\ts.cfg.Logger", test: "TestScheduler_isolates"},
}

const stoppingTest = "TestStop_aLogThatBlocks"

// stopping is what bounds Stop, whatever the program's own code does.
var stopping = []mutant{
	{guard: "stop: lines are logged without the lock", file: "warm/guard.go", old: "{ g.lines = append(g.lines, line) }", new: "{ line() }", test: stoppingTest},
	{guard: "stop: the wait is bounded", file: "warm/stop.go", old: "const stopWait = 2500 * time.Millisecond", new: "const stopWait = time.Hour", test: stoppingTest},
	{guard: "stop: a job that still runs is named", file: "warm/stop.go", old: "e.scheduler.Stop(wait)); ok {", new: "e.scheduler.Stop(wait)); ok && false {", test: stoppingTest},
	{guard: "stop: the line of the timer is waited for", file: "warm/ready.go", old: "\"the wait is over\")\n\t\te.aside()", new: "\"the wait is over\")", test: stoppingTest},
	{guard: "stop: its own line does not hold it", file: "warm/stop.go", old: "\"the engine stops\")\n\te.aside()", new: "\"the engine stops\")", test: "TestStop_itsOwnLineBlocks"},
	{guard: "stop: an error is asked once", file: "warm/said.go", old: "return *t.answer", new: "return t.ask()", test: "TestStop_anErrorThatBlocks"},
	{guard: "stop: a cache is asked for its name once", file: "warm/status.go", old: "Cache: t.cache,", new: "Cache: t.target.Name(),", test: "TestStop_aTargetThatBlocks"},
	{guard: "stop: who leaves a run waits a while", file: "warm/overlap.go", old: "time.NewTimer(e.cfg.Grace + stopWait)", new: "time.NewTimer(time.Hour)", test: "TestRun_aLogThatBlocks"},
}
