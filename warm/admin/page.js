"use strict";
// Every text from the server goes into the page as text, never as markup.

const at = (id) => document.getElementById(id);
const api = "api/cache/warmup/";

function el(tag, text, cls) {
  const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text;
  if (cls) e.className = cls;
  return e;
}

function row(...cells) {
  const tr = el("tr");
  for (const c of cells) {
    if (c instanceof Node) {
      const td = el("td");
      td.append(c);
      tr.append(td);
    } else {
      tr.append(el("td", c.text, c.cls));
    }
  }
  return tr;
}

const cell = (text, cls) => ({ text: text, cls: cls });

function seconds(s) {
  if (s < 1) return Math.round(s * 1000) + " ms";
  if (s < 90) return s.toFixed(1) + " s";
  return (s / 60).toFixed(1) + " min";
}

function clock(iso) {
  const t = new Date(iso);
  const sameDay = t.toDateString() === new Date().toDateString();
  return sameDay ? t.toLocaleTimeString() : t.toLocaleString();
}

function say(text, fine) {
  at("message").textContent = text;
  at("message").className = fine ? "fine" : "";
  at("message").hidden = !text;
}

function show(status) {
  const w = status.warmup;
  const run = w.current_run;
  let state = w.ready.ready ? "ready" : "warming up: waits for " + (w.ready.waiting_for.join(", ") || "start");
  let cls = w.ready.ready ? "ok" : "pending";
  if (run) {
    const over = run.tasks.filter((t) => t.status !== "running" && t.status !== "pending").length;
    state = "running " + over + " of " + run.tasks.length;
    cls = "running";
  }
  if (w.stopping) [state, cls] = ["stopping", "bad"];
  if (!w.enabled) [state, cls] = ["disabled", "bad"];
  at("state").textContent = state;
  at("state").className = "pill " + cls;
  at("go").disabled = !w.enabled || w.stopping;

  const m = w.last_metrics;
  at("items").textContent = m ? m.cached_items.toLocaleString() : "–";
  at("rate").textContent = m ? m.success_rate.toFixed(m.success_rate % 1 ? 1 : 0) + " %" : "–";
  at("took").textContent = m ? seconds(m.duration_seconds) : "–";
  at("done").textContent = m ? m.completed_tasks + " / " + m.total_tasks : "–";

  at("tasks").replaceChildren(...w.tasks.map((t) => {
    const live = run && run.tasks.find((r) => r.name === t.name);
    const last = live && live.status === "running" ? live : t.last_run;
    const again = el("button", "warm", "small");
    again.type = "button";
    again.disabled = at("go").disabled;
    again.setAttribute("aria-label", "Warm " + t.name);
    again.onclick = () => execute([t.name]);
    const mark = last ? cell(last.status + (last.warning ? " (" + last.warning + ")" : ""), last.status) : cell("never", "soft");
    const refresh = !t.refresh ? "" : t.refresh.idle ? "idle" : t.refresh.next_run_utc ? clock(t.refresh.next_run_utc) : "–";
    const tr = row(cell(t.name + (t.required ? " *" : "")), cell(t.cache || "function", "soft"), mark,
      cell(last ? last.items.toLocaleString() : "", "n"), cell(last ? seconds(last.duration_seconds) : "", "n"),
      cell(t.ttl_seconds ? t.useful.toLocaleString() : "", "n"), cell(refresh, "soft"), again);
    ["task", "cache", "last run", "items", "took", "read since", "next refresh", ""].forEach((name, i) => { tr.children[i].dataset.name = name; });
    if (last && last.reason) tr.children[2].append(el("small", last.reason));
    return tr;
  }));
  if (asked && !(run && run.id === asked)) {
    const over = w.recent_runs.find((r) => r.id === asked);
    if (over) {
      say("run " + asked + " is over: " + over.metrics.completed_tasks + " of " + over.metrics.total_tasks + " tasks ok", true);
      asked = "";
    }
  }

  at("jobs").replaceChildren(...status.scheduler.tasks.map((j) => {
    const li = el("li", j.name + " ");
    li.append(el("span", j.next_run ? j.next_run.replace("T", " ") + " " + j.timezone : "not scheduled"));
    return li;
  }));
  if (!status.scheduler.tasks.length) at("jobs").append(el("li", "no schedule"));

  at("lint").replaceChildren(...w.lint.map((f) => el("li", f.task + ": " + f.message)));
  for (const name of w.abandoned) at("lint").append(el("li", name + ": abandoned, its loader still runs", "bad"));
  if (!at("lint").children.length) at("lint").append(el("li", "nothing to say", "ok"));

  at("runs").replaceChildren(...w.recent_runs.map((r) => {
    const bad = r.tasks.filter((t) => t.status !== "ok");
    const tr = row(cell(clock(r.started)), cell(r.trigger + (r.dry_run ? " (dry)" : ""), "soft"),
      cell(bad.length ? bad.map((t) => t.name + " " + t.status).join(", ") : r.tasks.length + " ok", bad.length ? bad[0].status : "ok"),
      cell(r.metrics.cached_items.toLocaleString(), "n"), cell(seconds(r.metrics.duration_seconds), "n"), cell(r.id, "soft"));
    return tr;
  }));
}

let asked = ""; // the run that the message tells of, until it is over
let asking = false;
let again = false;

// refresh asks for the status, one request at a time: what comes in meanwhile is answered by one more.
async function refresh() {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  try {
    const answer = await fetch(api + "status");
    if (!answer.ok) throw new Error("status " + answer.status);
    show(await answer.json());
  } catch (err) {
    at("state").textContent = "no answer";
    at("state").className = "pill bad";
  } finally {
    asking = false;
    if (again) {
      again = false;
      refresh();
    }
  }
}

async function execute(tasks) {
  const token = at("token").value.trim();
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = "Bearer " + token;
  say("");
  asked = "";
  try {
    const answer = await fetch(api + "execute", { method: "POST", headers: headers, body: JSON.stringify({ tasks: tasks, dry_run: at("dry").checked }) });
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.error || "status " + answer.status);
    say("run " + body.run_id + " is " + body.state, true);
    asked = body.state === "done" ? "" : body.run_id;
  } catch (err) {
    say(err.message);
  }
  refresh();
}

at("run").addEventListener("submit", (ev) => {
  ev.preventDefault();
  execute([]);
});

const stream = new EventSource(api + "events");
for (const kind of ["run_started", "run_ended", "run_skipped", "task_started", "task_ended"]) stream.addEventListener(kind, refresh);
stream.onopen = refresh;
setInterval(() => { if (!document.hidden) refresh(); }, 5000);
refresh();
