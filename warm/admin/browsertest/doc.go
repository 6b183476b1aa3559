// Package browsertest opens the page of package admin in a real browser. It is a module of its own,
// so that admin needs none; it has tests only, which want Chromium. Without it they are skipped,
// unless the environment variable CI is set: then they fail.
package browsertest
