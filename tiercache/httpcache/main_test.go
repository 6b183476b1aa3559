package httpcache_test

import (
	"testing"

	"github.com/warmcache/warmcache/internal/bubbletest"
	"github.com/warmcache/warmcache/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(bubbletest.Apart(m)) }
