//! With `-o json` standard output is events that the schema describes, and nothing else.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use serde_json::Value;
use support::schema::is_valid;
use support::{root, sloth, sloth_script, stems};

fn schema() -> Value {
    serde_json::from_str(&std::fs::read_to_string(root().join("runner/schema/events.json")).unwrap()).unwrap()
}

/// The events, each valid.
fn events(stdout: &str) -> Vec<Value> {
    let schema = schema();
    let events: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for event in &events {
        assert!(is_valid(&schema, &schema, event), "{event:#}");
    }
    events
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

#[test]
fn the_schema_refuses_what_is_none() {
    let schema = schema();
    for wrong in [
        r#"{"time": "2026-01-01T00:00:00Z", "event": "nothing"}"#,
        r#"{"time": "2026-01-01T00:00:00Z", "event": "print"}"#,
        r#"{"time": "2026-01-01T00:00:00Z", "event": "print", "text": "x", "more": 1}"#,
        r#"{"time": "now", "event": "print", "text": "x"}"#,
        r#"{"time": "2026-01-01T00:00:00Z", "event": "task_end", "task": "x"}"#,
    ] {
        assert!(!is_valid(&schema, &schema, &serde_json::from_str(wrong).unwrap()), "{wrong}");
    }
}

#[test]
fn all_that_happens_is_an_event() {
    let run = sloth_script(
        r#"
        print("at home", 1)
        io.write("written")
        io.stdout:write("and ", "again\n")
        log.warn("careful")
        local function loud()
          print("in a goroutine")
          log.info("logged there")
          os.execute("echo from a shell")
        end
        local inside = task("inside"):command(function()
          print("in a task")
          log.debug("logged in a task")
          goroutine.async(loud):await()
          os.execute("echo from a shell at home")
          outputs.answer = 42
          return true, "a message"
        end):build()
        local shell = task("shell"):command("echo out; echo err >&2"):build()
        local again = task("again"):command(function(this) error("attempt " .. this:attempt()) end):retries(1):retry_delay("1ms"):build()
        local never = task("never"):command("true"):depends_on("again"):build()
        workflow.define("w", { tasks = { inside, shell, again, never } })
        goroutine.spawn(function() error("nobody awaits this") end)
        goroutine.async(function() goroutine.sleep(1e6) end)
        "#,
        &["-o", "json"],
    );
    assert_eq!(run.status.code(), Some(1), "{run:#?}");
    assert_eq!(run.stderr, "", "{run:#?}");
    let events = events(&run.stdout);
    let of = |kind: &str| events.iter().filter(|event| event["event"] == kind).collect::<Vec<_>>();
    let mut printed: Vec<_> = of("print").iter().map(|event| event["text"].as_str().unwrap()).collect();
    printed.sort_unstable();
    assert_eq!(
        printed,
        [
            "and again",
            "at home\t1",
            "from a shell",
            "from a shell at home",
            "in a goroutine",
            "in a task",
            "written"
        ]
    );
    let logs = of("log");
    assert!(logs.iter().any(|log| log["level"] == "debug" && log["task"] == "inside"), "{logs:#?}");
    assert!(
        logs.iter().any(|log| log["message"] == "logged there" && log["goroutine"].is_u64()),
        "{logs:#?}"
    );
    assert_eq!(of("shell").len(), 2);
    assert_eq!(of("task_retry").len(), 1);
    assert_eq!(of("unhandled_error").len(), 1);
    let ends = of("task_end");
    assert_eq!(
        ends.iter().map(|end| end["status"].as_str().unwrap()).collect::<Vec<_>>(),
        ["ok", "ok", "failed", "skipped"]
    );
    assert!(ends[2]["error"].as_str().unwrap().contains("script.sloth:20: attempt 2"), "{}", ends[2]);
    assert!(ends[2]["traceback"].as_str().unwrap().contains("script.sloth:20"), "{}", ends[2]);
    let summary = events.last().unwrap();
    assert_eq!(summary["event"], "summary");
    assert_eq!(summary["outputs"]["answer"], 42);
    assert_eq!(summary["exit_code"], 1);
    assert_eq!(summary["tasks"].as_array().unwrap().len(), 4);
    let left = summary["goroutines_left"].as_array().unwrap();
    assert!(left.len() == 1 && left[0]["started_at"] == "script.sloth:24", "{left:#?}");
}

#[test]
fn errors_and_plans_are_events() {
    let run = sloth_script("task('x'):commend('y'):build()", &["-o", "json"]);
    assert_eq!(run.status.code(), Some(2));
    assert_eq!(kinds(&events(&run.stdout)), ["error", "error", "summary"], "{run:#?}");
    for args in [&["-o", "json", "-v", "missing.yaml"][..], &["-o", "json", "-t", "missing"]] {
        let run = sloth_script("print('x')", args);
        assert_eq!(run.status.code(), Some(2), "{run:#?}");
        let kinds: Vec<_> = kinds(&events(&run.stdout)).into_iter().map(str::to_owned).collect();
        assert!(
            kinds.ends_with(&["error".to_owned(), "summary".to_owned()]) && run.stderr.is_empty(),
            "{run:#?}"
        );
    }
    let run = sloth_script("local = 5", &["-o", "json"]);
    assert_eq!(run.status.code(), Some(2));
    assert_eq!(kinds(&events(&run.stdout)), ["error", "summary"], "{run:#?}");
    let run = sloth_script("error('so')", &["-o", "json"]);
    assert_eq!(run.status.code(), Some(1));
    assert_eq!(kinds(&events(&run.stdout)), ["error", "summary"], "{run:#?}");
    let run = sloth_script(
        "task('x'):command('y'):tags('t'):depends_on('z'):build() task('z'):command(print):build()",
        &["-o", "json", "--dry-run"],
    );
    assert_eq!(run.status.code(), Some(0));
    let events = events(&run.stdout);
    assert_eq!(kinds(&events), ["plan", "summary"], "{run:#?}");
    assert_eq!(events[0]["workflows"][0]["tasks"][0]["task"], "z");
}

#[test]
fn examples_tell_valid_events() {
    for name in stems(&support::folder(), "sloth") {
        let run = sloth(&root(), &["run", "-o", "json", &format!("examples/{name}.sloth")]);
        assert!(kinds(&events(&run.stdout)).contains(&"summary"), "{name}: {run:#?}");
        assert_eq!(run.stderr, "", "{name}");
    }
}

#[test]
fn what_a_command_prints_that_the_script_writes_to_is_an_event() {
    let run = sloth_script(
        "local to = io.popen('cat', 'w') to:write('raw\\n') to:close()
         assert(io.popen('echo read'):read() == 'read')",
        &["-o", "json"],
    );
    assert_eq!(run.status.code(), Some(0), "{run:#?}");
    let events: Vec<Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
    assert!(events.iter().any(|event| event["event"] == "print" && event["text"] == "raw"), "{run:#?}");
}
