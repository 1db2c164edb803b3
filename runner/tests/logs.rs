//! Log lines: whole, and with who says them.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;
use support::sloth_script;

/// Logs in all the places where a script can.
const SPEAKERS: &str = r#"
log.info("the script")
goroutine.async(function() log.info("its goroutine") end):await()
local outliving = goroutine.channel()
local function speak(what)
  log.info(what)
  goroutine.async(function() log.info(what .. "'s grandchild") end):await()
end
local a = task("a"):async(true):command(function()
  log.info("task a")
  local child = goroutine.async(speak, "a's child")
  goroutine.pool_create("p", { workers = 1 })
  goroutine.pool_submit("p", speak, "a's pool")
  goroutine.pool_wait("p")
  child:await()
  goroutine.spawn(function() outliving:receive() log.info("outlives a") outliving:send(1) end)
end):on_success(function() log.info("a's hook") end):build()
local b = task("b"):async(true):run_if(function() log.info("b's condition") return true end)
  :command(function(this)
    log.info("task b " .. this:attempt())
    if this:attempt() == 1 then error("again") end
    goroutine.async(speak, "b's child"):await()
  end):retries(1):retry_delay("1ms"):build()
workflow.define("w", {
  tasks = { a, b },
  on_start = function() log.info("on_start") end,
  on_complete = function() outliving:send(1) outliving:receive() end,
})
"#;

/// What is said in `a`, in `b`, in goroutines of neither, and in neither.
const EXPECTED: [(&str, &[&str]); 2] = [
    (
        "a",
        &[
            "a's child",
            "a's child's grandchild",
            "a's hook",
            "a's pool",
            "a's pool's grandchild",
            "outlives a",
            "task a",
        ],
    ),
    ("b", &["b's child", "b's child's grandchild", "b's condition", "task b 1", "task b 2"]),
];

#[test]
fn what_a_task_has_started_logs_with_its_name_and_the_number_of_the_goroutine() {
    let run = sloth_script(SPEAKERS, &["-o", "json"]);
    assert_eq!(run.status.code(), Some(0), "{run:#?}");
    let events: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let logs: Vec<_> = events.iter().filter(|event| event["event"] == "log").collect();
    for (task, expected) in EXPECTED {
        let mut said: Vec<_> = logs
            .iter()
            .filter(|log| log["task"] == task)
            .map(|log| {
                assert!(log["goroutine"].is_u64(), "{log}");
                log["message"].as_str().unwrap()
            })
            .collect();
        said.sort_unstable();
        assert_eq!(said, expected, "{run:#?}");
    }
    let others: Vec<_> = logs
        .iter()
        .filter(|log| log.get("task").is_none())
        .map(|log| (log["message"].as_str().unwrap(), log["goroutine"].is_u64()))
        .collect();
    assert_eq!(others, [("the script", false), ("its goroutine", true), ("on_start", true)]);
    assert_eq!(logs.len(), 15, "{run:#?}");
}

#[test]
fn people_read_the_name_of_the_task_and_which_goroutine_if_it_is_another_than_the_tasks_own() {
    let run = sloth_script(SPEAKERS, &[]);
    let line = |message: &str| {
        let line = run.stderr.lines().find(|line| line.ends_with(&format!(" {message}"))).unwrap();
        let who = line.strip_prefix("INFO  ").unwrap().strip_suffix(message).unwrap().trim_end();
        who.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect::<String>().replace("00", "0")
    };
    for (message, who) in [
        ("the script", ""),
        ("its goroutine", "[goroutine 0]"),
        ("on_start", ""),
        ("task a", "[a]"),
        ("a's hook", "[a]"),
        ("a's child", "[a, goroutine 0]"),
        ("a's pool's grandchild", "[a, goroutine 0]"),
        ("outlives a", "[a, goroutine 0]"),
        ("b's condition", "[b]"),
        ("task b 2", "[b]"),
    ] {
        assert_eq!(line(message), who, "{run:#?}");
    }
}

#[test]
fn what_a_task_says_of_its_folder_and_variables_holds_for_the_goroutines_that_it_starts() {
    let run = sloth_script(
        r#"
        task("a"):workdir("/"):env({ WHO = "a" }):command(function()
          print(goroutine.async(function() return exec.run("pwd; echo $WHO").stdout end):await())
        end):build()
        "#,
        &[],
    );
    assert_eq!(run.stdout, "true\t/\na\n\n", "{run:#?}");
}

#[test]
fn who_logs_waits_for_nobody_who_is_to_read_what_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
        local here, line = require("goroutine.local"), ("x"):rep(1000)
        local prints = here.async(function() while true do print(line) end end)
        while prints:status() ~= "waiting" do here.yield() end
        for i = 1, 100 do log.info("line " .. i) end
        log.table({ "the", "end" })
        here.sleep(1e9)
    "#;
    std::fs::write(folder.path().join("script.sloth"), script).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sloth-runner"));
    command.args(["run", "script.sloth"]).current_dir(folder.path()).stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (told, hears) = std::sync::mpsc::channel();
    let errors = BufReader::new(child.stderr.take().unwrap());
    std::thread::spawn(move || errors.lines().map_while(Result::ok).try_for_each(|line| told.send(line)));
    let limit = std::time::Duration::from_secs(60);
    let mut lines = std::iter::from_fn(|| hears.recv_timeout(limit).ok());
    assert!(lines.any(|line| line == "INFO  line 100"));
    assert!(lines.any(|line| line.contains("\"end\"")));
    // Nothing has been read of what it has printed.
    child.kill().unwrap();
    child.wait().unwrap();
}
