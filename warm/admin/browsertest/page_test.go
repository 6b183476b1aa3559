package browsertest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"github.com/warmcache/warmcache/warm"
)

func TestPage_loads_below_a_prefix(t *testing.T) {
	s := serve(t)
	for _, path := range []string{"/admin/", "/admin", "/admin/?x=1"} {
		t.Run(path, func(t *testing.T) {
			b := open(t, s, path)
			b.eventually(`document.querySelectorAll("#tasks tr").length`, "3")
			b.eventually(`document.getElementById("state").textContent`, "ready")
			names := evaluate[[]string](b, `[...document.querySelectorAll("#tasks tr td:first-child")].map(td => td.textContent)`)
			slices.Sort(names)
			if diff := cmp.Diff([]string{"fails", "gated", "numbers *"}, names); diff != "" {
				t.Errorf("tasks of the page (-want +got):\n%s", diff)
			}
			if radius := evaluate[string](b, `getComputedStyle(document.querySelector("section")).borderTopLeftRadius`); radius == "0px" {
				t.Error("the page has no style")
			}
			jobs := evaluate[string](b, `document.getElementById("jobs").textContent`)
			if !strings.Contains(jobs, "daily_cache_warmup") || !strings.Contains(jobs, "interval_cache_warmup") {
				t.Errorf("the page shows the jobs %q", jobs)
			}
		})
	}
}

func TestPage_runs_tasks(t *testing.T) {
	s := serve(t)
	b := open(t, s, "/admin/")
	b.eventually(`document.querySelectorAll("#tasks tr").length`, "3")
	const text = `document.getElementById("%s").textContent`
	message := fmt.Sprintf(text, "message")

	b.do(chromedp.Click(chromedp.ID("go")))
	b.eventually(message, "a valid token is needed: Authorization: Bearer TOKEN")
	if n := len(s.engine.History()); n != 0 {
		t.Errorf("%d runs without a token, want none", n)
	}

	b.do(chromedp.SendKeys(chromedp.ID("token"), token), chromedp.Click(chromedp.ID("go")))
	b.eventually(fmt.Sprintf(text, "state"), "running 2 of 3") // gated waits
	b.eventually(`document.querySelector("#tasks .running")?.textContent ?? ""`, "running")
	close(s.gate)
	b.eventually(fmt.Sprintf(text, "state"), "ready")
	b.eventually(fmt.Sprintf(text, "items"), "4")
	b.eventually(fmt.Sprintf(text, "done"), "2 / 3")
	b.eventually(fmt.Sprintf(text, "rate"), "66.7 %")
	b.eventually(`document.querySelectorAll("#runs tr").length`, "1")
	b.eventually(`(document.querySelector("#tasks .failed")?.firstChild ?? {}).textContent ?? ""`, "failed")
	b.eventually(`document.querySelector("#tasks .failed small")?.textContent ?? ""`, "the loader returned an error; the log has it")
	b.eventually(`/^run .* is over: 2 of 3 tasks ok$/.test(document.getElementById("message").textContent)`, "true")

	b.do(chromedp.Click(chromedp.CSS(`button[aria-label="Warm numbers"]`)))
	b.eventually(`document.querySelectorAll("#runs tr").length`, "2")
	b.eventually(`/^run .* is over: 1 of 1 tasks ok$/.test(document.getElementById("message").textContent)`, "true")
	b.eventually(fmt.Sprintf(text, "done"), "2 / 3") // still of the last run of all

	b.do(chromedp.Click(chromedp.ID("dry")), chromedp.Click(chromedp.CSS(`button[aria-label="Warm numbers"]`)))
	b.eventually(`document.querySelectorAll("#runs tr").length`, "3")
	runs := s.engine.History()
	if len(runs) != 3 || runs[0].DryRun || !runs[2].DryRun || len(runs[1].Tasks) != 1 || runs[1].Tasks[0].Name != "numbers" {
		t.Errorf("history %+v, want all tasks, numbers alone, and numbers dry", runs)
	}
}

func TestPage_says_that_the_service_is_gone(t *testing.T) {
	s := serve(t)
	b := open(t, s, "/admin/")
	b.eventually(`document.getElementById("state").textContent`, "ready")
	s.CloseClientConnections()
	s.Listener.Close() //nolint:errcheck // the page finds out
	b.eventually(`document.getElementById("state").textContent`, "no answer")
}

func TestPage_is_for_narrow_screens_too(t *testing.T) {
	s := serve(t)
	b := open(t, s, "/admin/")
	b.eventually(`document.querySelectorAll("#tasks tr").length`, "3")
	for _, width := range []int64{1280, 390} {
		b.do(chromedp.EmulateViewport(width, 800))
		b.eventually(`document.documentElement.scrollWidth <= document.documentElement.clientWidth`, "true")
		b.eventually(`[...document.querySelectorAll(".scroll:has(#tasks)")].every(e => e.scrollWidth <= e.clientWidth)`, "true")
		b.eventually(`[...document.querySelectorAll("#tasks button")].every(e => e.getBoundingClientRect().right <= innerWidth)`, "true")
	}
}

// With long names, a failure and its reason the table is not cut, and every control can be reached
// by a finger.
func TestPage_on_a_telephone_after_a_failure(t *testing.T) {
	s := serve(t)
	const long = "hot:statistics_of_the_most_popular_questions_of_all_brands"
	failing := func(context.Context) (int, error) {
		return 0, errors.New("dial tcp 10.0.0.17:5432: connect: connection refused, and a_word_that_is_too_long_for_any_line_of_a_narrow_screen")
	}
	if err := s.engine.AddFunc(long, failing, warm.TaskOptions{}); err != nil {
		t.Fatal(err)
	}
	close(s.gate)
	b := open(t, s, "/admin/")
	b.do(chromedp.EmulateViewport(390, 844))
	b.eventually(`document.querySelectorAll("#tasks tr").length`, "4")
	b.do(chromedp.SendKeys(chromedp.ID("token"), token), chromedp.Click(chromedp.ID("go")))
	b.eventually(`document.querySelectorAll("#runs tr").length`, "1")
	b.eventually(`document.querySelectorAll("#tasks .failed small").length`, "2") // with their reasons, in sight
	b.eventually(`document.documentElement.scrollWidth <= innerWidth`, "true")
	b.eventually(`[...document.querySelectorAll(".scroll:has(#tasks)")].every(e => e.scrollWidth <= e.clientWidth)`, "true")
	const hidden = `[...document.querySelectorAll("button, input")].filter(e => {
		e.scrollIntoView({block: "center"});
		const r = e.getBoundingClientRect();
		const at = document.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2);
		return r.left < 0 || r.right > innerWidth || !(at === e || e.contains(at) || at?.closest("label")?.contains(e));
	}).map(e => e.id || e.getAttribute("aria-label") || e.outerHTML).join()`
	b.eventually(hidden, "")
	// The headline agrees with the table: nothing runs any more.
	b.eventually(`document.getElementById("state").textContent`, "ready")
	b.eventually(`document.getElementById("done").textContent`, "2 / 4")
	b.eventually(`document.querySelectorAll("#tasks .running").length`, "0")
}

func TestPage_has_no_parts_elsewhere(t *testing.T) {
	s := serve(t)
	b := open(t, s, "/admin/")
	b.eventually(`document.querySelectorAll("#tasks tr").length`, "3")
	asked := b.requests()
	for _, part := range []string{"/admin/", "/admin/page.css", "/admin/page.js", "/admin/api/cache/warmup/status", "/admin/api/cache/warmup/events"} {
		if !slices.Contains(asked, http.MethodGet+" "+s.URL+part) {
			t.Errorf("the browser did not ask for %s; it asked for %q", part, asked)
		}
	}
	for _, request := range asked {
		if _, url, _ := strings.Cut(request, " "); !strings.HasPrefix(url, s.URL+"/admin") && !strings.HasPrefix(url, "data:") {
			t.Errorf("the page asks for %s", request)
		}
	}
}
