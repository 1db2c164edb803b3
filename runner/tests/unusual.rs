//! Tasks that meet what few scripts have: bytes that are no text, globals of the runner's names, definitions while tasks run, deadlocks.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use support::{Run, sloth_script};

/// The tasks that the table at the end names, each with its status.
fn statuses(run: &Run) -> String {
    let lines = run.stderr.lines().skip_while(|line| !line.starts_with("task ")).skip(1);
    let pairs = lines.map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" "));
    pairs.collect::<Vec<_>>().join(", ")
}

/// All took no time.
fn with_no_time(stderr: &str) -> String {
    let words = stderr.split(' ').collect::<Vec<_>>();
    let words = words.iter().map(|word| if word.parse::<f64>().is_ok() { "0" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn messages_that_are_no_text_are_shown_as_far_as_they_are() {
    let script = r#"
        local function t(name, fn) return task(name):command(fn) end
        t("returned", function() return false, "caf\xe9" end):build()
        t("raised", function() error("raised \xff") end):build()
        t("said", function() return true, "well \xff" end):build()
        t("hooked", function() return false, "x" end):on_failure(function() error("hook \xff") end):build()
        task("shell"):command([[printf 'no \351\n' >&2; exit 1]]):build()
        t("again", function() error("once more \xff", 0) end):retries(1):retry_delay("1ms"):build()
        t("after", function() print("it went on") end):build()
    "#;
    let run = sloth_script(script, &[]);
    assert_eq!((run.status.code(), run.stdout.as_str()), (Some(1), "it went on\n"), "{run:#?}");
    assert_eq!(
        statuses(&run),
        "returned failed, raised failed, said ok, hooked failed, shell failed, again failed, after ok"
    );
    for told in [
        "caf\u{fffd}",
        "raised \u{fffd}",
        "well \u{fffd}",
        "on_failure: script.sloth",
        "hook \u{fffd}",
        "no \u{fffd}",
    ] {
        assert!(run.stderr.contains(told), "{told} in {run:#?}");
    }
    let run = sloth_script(script, &["-o", "json"]);
    assert_eq!(run.stdout.matches(r#""event":"task_end""#).count(), 7, "{run:#?}");
    let run = sloth_script(r#"error("the script itself \xff", 0)"#, &[]);
    assert!(run.stderr.starts_with("sloth-runner: the script itself \u{fffd}"), "{run:#?}");
}

#[test]
fn names_and_lines_that_are_no_text_are_told_where_they_are_defined() {
    let script = r#"task("a\xff"):command("true"):build()
task("b"):command("echo \xff"):build()
task("c"):command("true"):env({ A = "\xff" }):build()
task("d"):command("true"):artifacts({ "\xff*" }):build()
task("e"):command("true"):depends_on("\xff"):build()
task("f"):command("true"):workdir("\xff"):build()
local g = task("g"):command("true"):build() g["\xff"](g)
workflow.define("\xff", { tasks = { { name = "h", command = "true", ["\xff"] = 1 } } })"#;
    for arguments in [&[][..], &["--dry-run"], &["-o", "json"]] {
        let run = sloth_script(script, arguments);
        assert_eq!(run.status.code(), Some(2), "{run:#?}");
        let told = format!("{}{}", run.stdout, run.stderr);
        for line in 1..=8 {
            assert!(told.contains(&format!("script.sloth:{line}")), "line {line} in {run:#?}");
        }
        assert_eq!(told.matches("text in UTF-8 expected, got other bytes").count(), 7, "{run:#?}");
    }
}

#[test]
fn a_task_that_defines_a_task_or_a_workflow_fails_at_that_line() {
    let run = sloth_script(
        r#"local first = task("first"):command("true"):build()
task("late workflow"):command(function()
  workflow.define("late", { tasks = { { name = "x", command = "echo never" } } })
end):build()
task("late task"):command(function()
  task("y")
end):build()
task("late change"):command(function()
  first:command("echo never")
end):build()
task("assigned"):command(function() first.x = 1 end):build()
task("next"):command("echo next"):build()
"#,
        &[],
    );
    assert_eq!((run.status.code(), run.stdout.as_str()), (Some(1), "[next] next\n"), "{run:#?}");
    for line in [3, 6, 9, 11] {
        let told = format!(
            "script.sloth:{line}: tasks and workflows are defined while the script runs, before the tasks do"
        );
        assert!(run.stderr.contains(&told), "{told} in {run:#?}");
    }
    assert!(run.stderr.lines().last().unwrap().starts_with("next "), "{run:#?}");
}

#[test]
fn a_script_may_use_the_names_of_standard_functions_for_what_it_likes() {
    const NAMES: &[&str] = &[
        "next",
        "type",
        "ipairs",
        "pairs",
        "table",
        "math",
        "io",
        "os",
        "string",
        "utf8",
        "debug",
        "tonumber",
        "tostring",
        "setmetatable",
        "getmetatable",
        "select",
        "error",
        "pcall",
        "xpcall",
        "rawget",
        "rawset",
        "rawequal",
        "rawlen",
        "require",
        "coroutine",
        "package",
        "unpack",
        "load",
        "exec",
        "assert",
        "print",
    ];
    let tasks = r#"
        local ok, sum = goroutine.async(function(a, b) return a + b end, 1, 2):await()
        if not ok or sum ~= 3 then goroutine.no_such_function() end
        task("a"):command("echo a"):build()
        task("b"):command(function() goroutine.sleep(1) return true, nil, { 1 } end):depends_on("a"):on_success(function() end):build()
        task("c"):command(function() return false, "c failed" end):retries(1):retry_delay("1ms"):build()
        task("d"):command("true"):run_if(function() return true end):timeout("10s"):build()
        workflow.define("w", { tasks = { { name = "e", command = "echo e", env = { A = 1 } } }, config = { max_parallel = 2 } })
    "#;
    let all: String = NAMES.iter().map(|name| format!("{name} = 'mine' ")).collect();
    let each = NAMES.iter().map(|name| format!("{name} = 'mine' "));
    for globals in each.chain([all]) {
        let run = sloth_script(&format!("{globals}\n{tasks}"), &[]);
        assert_eq!(run.status.code(), Some(1), "{globals}: {run:#?}");
        assert_eq!(run.stdout, "[e] e\n[a] a\n", "{globals}: {run:#?}");
        for row in
            ["w: e       ok ", "script: a  ok ", "script: b  ok ", "script: c  failed ", "script: d  ok "]
        {
            assert!(run.stderr.contains(row), "{row}, {globals}: {run:#?}");
        }
    }
}

#[test]
fn outputs_of_any_kind_are_printed() {
    for (outputs, printed) in [
        ("{ 'one', 2, { 3 } }", "outputs:\n  1: one\n  2: 2\n  3: [3]\n"),
        ("{ a = 'one', b = { x = true } }", "outputs:\n  a: one\n  b: {\"x\":true}\n"),
        ("'done'", "outputs: done\n"),
        ("42", "outputs: 42\n"),
        ("false", "outputs: false\n"),
        ("nil", ""),
        ("{}", ""),
    ] {
        let run = sloth_script(&format!("outputs = {outputs}"), &[]);
        assert_eq!(run.stdout, printed, "{outputs}: {run:#?}");
    }
}

#[test]
fn a_deadlocked_task_fails_and_the_others_run() {
    let run = sloth_script(
        r#"
        local ch = goroutine.channel()
        local function t(name, fn) return task(name):command(fn) end
        t("dead", function() ch:receive() end):on_failure(function(_, err) print(err) end):build()
        t("catches", function() pcall(ch.receive, ch) pcall(ch.receive, ch) end):build()
        t("in_goroutines", function() goroutine.scope(function(s) s:spawn(function() ch:receive() end) end) end):build()
        t("one", function() ch:receive() end):async(true):build()
        t("two", function() ch:receive() end):async(true):build()
        t("next", function() goroutine.sleep(2) return true end):build()
        "#,
        &[],
    );
    assert_eq!(run.status.code(), Some(1), "{run:#?}");
    assert_eq!(run.stdout, "all goroutines are asleep - deadlock!\n", "{run:#?}");
    let mut ended: Vec<_> = statuses(&run).split(", ").map(str::to_owned).collect();
    ended.sort();
    assert_eq!(
        ended,
        ["catches failed", "dead failed", "in_goroutines failed", "next ok", "one failed", "two failed"],
        "{run:#?}"
    );
    let told = "all goroutines are asleep - deadlock!\n    stack traceback:\n    \t[C]: in method 'receive'\n    \tscript.sloth:4: in local 'command'\n  catches: started\n";
    assert!(run.stderr.contains(told), "{run:#?}");
    let run = sloth_script(
        r#"
        local ch = goroutine.channel()
        workflow.define("stuck", { tasks = { { name = "a", command = "echo a" } }, on_start = function() ch:receive() end })
        workflow.define("next", { tasks = { { name = "b", command = "echo b" } }, on_complete = function() ch:receive() end })
        "#,
        &[],
    );
    assert_eq!((run.status.code(), run.stdout.as_str()), (Some(1), "[b] b\n"), "{run:#?}");
    for told in [
        "on_start: all goroutines are asleep - deadlock!",
        "on_complete: all goroutines are asleep - deadlock!",
    ] {
        assert!(run.stderr.contains(told), "{run:#?}");
    }
}

#[test]
fn on_failure_gets_the_value_of_an_error_and_the_table_shows_what_it_holds() {
    let run = sloth_script(
        r#"
        local err = setmetatable({ code = 5, message = "no route", deep = {} }, { __index = { class = "mine" } })
        err.itself = err
        task("raises"):command(function() error(err) end)
          :on_failure(function(_, got, output) print(got == err, got.class, output) end):build()
        task("number"):command(function() error(7, 0) end):on_failure(function(_, got) print(math.type(got), got) end):build()
        task("text"):command(function() error("plain", 0) end):on_failure(function(_, got) print(got) end):build()
        task("wrong"):command(function() fs.read() end):on_failure(function(_, got) print(type(got)) end):build()
        task("false"):command(function() return false, "said" end):on_failure(function(_, got) print(got) end):build()
        task("table"):command(function() return false, { code = 6 } end):on_failure(function(_, got) print(got.code) end):build()
        task("said"):command(function() return true, { code = 8 } end):build()
        goroutine.async(function() error({ code = 9 }) end)
        "#,
        &[],
    );
    assert_eq!(run.stdout, "true\tmine\tnil\ninteger\t7\nplain\nstring\nsaid\n6\n", "{run:#?}");
    for told in [
        "(error object is a table value: code = 5, deep = (a table), itself = (a table), message = no route)",
        "  table: failed in 0 ms: (a table: code = 6)\n",
        "  said: ok in 0 ms: (a table: code = 8)\n",
        " failed: (error object is a table value: code = 9)\n",
    ] {
        let stderr = with_no_time(&run.stderr);
        assert!(stderr.contains(told), "{told} in {run:#?}");
    }
    let run = sloth_script("error({ code = 5 })", &[]);
    assert!(run.stderr.starts_with("sloth-runner: (error object is a table value: code = 5)"), "{run:#?}");
}

#[test]
fn an_empty_list_of_files_is_a_list_in_json() {
    let run = sloth_script(
        r#"
        assert(fs.mkdir("empty"))
        for _, files in ipairs({ fs.glob("none*"), fs.ls("empty"), fs.glob("*.sloth") }) do print(json.encode(files), #files) end
        "#,
        &[],
    );
    assert_eq!(run.stdout, "[]\t0\n[]\t0\n[\"script.sloth\"]\t1\n", "{run:#?}");
}

#[test]
fn outputs_and_logs_of_tables_that_hold_themselves_and_each_other_end() {
    let run = sloth_script(
        r#"
        outputs.a, outputs.b = outputs, outputs
        local tree = { name = "root", children = {} }
        for i = 1, 20 do tree.children[i] = { parent = tree, siblings = tree.children, root = tree } end
        outputs.tree = tree
        log.table(tree)
        log.table(_G)
        log.table({ outputs, outputs }, "twice")
        "#,
        &[],
    );
    assert!(run.status.success(), "{run:#?}");
    assert!(run.stdout.contains("a: <within itself>\n") && run.stdout.len() < 100_000, "{run:#?}");
    assert!(run.stderr.contains("\"parent\": \"<within itself>\"") && run.stderr.len() < 500_000, "{run:#?}");
}
