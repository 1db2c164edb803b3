//! What a script defines is looked at as a whole before anything of it runs.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use support::sloth_script;

#[test]
fn only_what_is_asked_for_and_what_that_needs_runs() {
    let script = r#"
        local function t(name, ...) return task(name):command(function() print(name) end):depends_on({ ... }):build() end
        workflow.define("w"):tasks({ t("a"), t("b"), t("c", "b"), t("d") })
    "#;
    let run = sloth_script(script, &["-t", "c"]);
    assert_eq!(run.stdout, "b\nc\n", "{run:#?}");
    let run = sloth_script(script, &["-t", "d", "-t", "a"]);
    assert_eq!(run.stdout, "a\nd\n", "{run:#?}");
    let run = sloth_script(script, &["-t", "e", "-t", "dd"]);
    assert_eq!(run.status.code(), Some(2));
    assert!(run.stderr.contains("there is no task 'e'"), "{run:#?}");
    assert!(run.stderr.contains("there is no task 'dd', did you mean 'd'?"), "{run:#?}");
}

#[test]
fn a_dry_run_shows_the_plan_and_runs_no_task() {
    let run = sloth_script(
        "local a = task('a'):description('first of all'):command('echo a'):timeout('1m30s'):build()
local b = task('b'):command(function() print('ran') end):depends_on('a'):retries(2, 'linear'):run_if('true'):build()
local c = task('c'):command('echo c'):build()
workflow.define('w'):version('1.2'):tasks({ b, a, c })",
        &["--dry-run", "-t", "b"],
    );
    assert_eq!(run.status.code(), Some(0), "{run:#?}");
    assert_eq!(run.stderr, "");
    assert_eq!(
        run.stdout,
        "workflow w 1.2:
  1. a: needed by b; first in the list
     first of all
     $ echo a
     timeout 1 m 30 s
  2. b: asked for; after a
     function at script.sloth:2
     run_if $ true
     retries 2, linear, 1.0 s between
  not run: c (not asked for)
"
    );
}

#[test]
fn all_that_is_wrong_is_told_at_once_with_its_lines_and_nothing_runs() {
    let run = sloth_script(
        r#"local a = task("a"):comand("x"):timeout("5 bananas"):depends_on("b"):build()
local b = task("b"):command(5):retries(-1, "expo"):build()
task("c"):command("x")
local d = task("d"):command("touch ran"):depends_on({ "a", "bb", "d" }):delegate_to("web"):build()
a.timeout = 5
workflow.define("w", { tasks = { a, b, d, d, { name = "e", dependson = { "d" } }, 7 }, config = { max_paralel = 2 } })
workflow.define("v"):tasks({ { name = "p", command = "x", depends_on = "q" }, { name = "q", command = "x", depends_on = { "p" } } }):on_complet()
workflow.define("v", { taks = {} })
"#,
        &[],
    );
    assert_eq!(run.status.code(), Some(2), "{run:#?}");
    let expected = [
        "1: task 'a' has no method 'comand', did you mean 'command'?",
        "1: task 'a': timeout: '5 bananas' is no duration: it should be like \"300ms\", \"30s\" or \"1h30m\"",
        "1: task 'a' has no command",
        "2: task 'b': command: a function or a shell line expected, got number",
        "2: task 'b': retries: a whole number from 0 to 1000000 expected, got -1",
        "2: task 'b': retries: 'fixed', 'linear' or 'exponential' expected, got 'expo'",
        "3: task 'c' is not built and in no workflow, so it would never run: end it with :build()",
        "4: task 'd' depends on 'bb', which is not in workflow 'w', did you mean 'b'?",
        "4: task 'd' depends on itself",
        "4: task 'd' is in workflow 'w' twice, first from script.sloth:4",
        "4: task 'd': delegate_to: agents are not there yet: tasks run on this machine",
        "5: task 'a': 'timeout' is set by a method, not assigned",
        "6: task 'e' has no command",
        "6: task 'e' has no option 'dependson', did you mean 'depends_on'?",
        "6: workflow 'w': config has no option 'max_paralel', did you mean 'max_parallel'?",
        "6: workflow 'w': entry 6 of tasks: a task expected, got number",
        "7: tasks depend on each other in a circle: p -> q -> p",
        "7: workflow 'v' has no method 'on_complet', did you mean 'on_complete'?",
        "8: workflow 'v' has no option 'taks', did you mean 'tasks'?",
        "8: workflow 'v' has no tasks",
        "8: workflow 'v' is defined twice, first at script.sloth:7",
    ];
    let mut told: Vec<_> = run.stderr.lines().collect();
    assert!(
        told.is_sorted_by_key(|line| line.split(':').nth(1).unwrap().parse::<u32>().unwrap()),
        "{told:#?}"
    );
    told.sort_unstable();
    let mut expected: Vec<_> = expected.iter().map(|line| format!("script.sloth:{line}")).collect();
    expected.sort_unstable();
    assert_eq!(told, expected);
}

#[test]
fn common_mistakes_are_told_with_what_is_meant_and_nothing_that_follows_from_them() {
    let run = sloth_script(
        r#"local forgotten = task("forgotten"):command("true")
        local late = task("late"):command("true"):depends_on("forgotten"):build()
        local dotted = task("dotted").command("true"):retries(1):build()
        local counted = task("counted"):command("true"):retries("3"):build()
        task(5):command("true"):build() task():command("true"):build()
        workflow.define("one"):tasks(late)
        workflow.define("listed"):tasks({ dotted, counted })
        "#,
        &[],
    );
    assert_eq!(run.status.code(), Some(2), "{run:#?}");
    let expected = [
        "1: task 'forgotten' is not built and in no workflow, so it would never run: end it with :build()",
        "2: task 'late' depends on 'forgotten', which is not built",
        "3: call it with a colon: task:command(...)",
        "3: task 'dotted' is not built and in no workflow, so it would never run: end it with :build()",
        "4: task 'counted': retries: a whole number from 0 to 1000000 expected, got the string '3'",
        "5: task: a name expected, got nil",
        "5: task: a name expected, got number",
        "6: workflow 'one' has no tasks",
        "6: workflow 'one': tasks: a list of tasks expected, got one task: put it in {}",
    ];
    let expected: String = expected.iter().map(|line| format!("script.sloth:{line}\n")).collect();
    assert_eq!(run.stderr, expected);
    let run = sloth_script(
        r#"local a = task("a"):command(("echo x"):gsub("x", "y")):run():build()
        local b = task("b"):command("true"):depends_on(a):build()
        local c = task("c"):command("true"):depends_on({ "a", b }):tags("one", "two"):build()
        local d = task("d"):command("true"):timeout(5, "m"):retries(1, {}):env({ "A=1" }):build()
        workflow.define("w", { tasks = { a, b, c, d, { name = "e", cmd = "true" } }, zzzz = 1, config = { jobs = 2 } })
        "#,
        &[],
    );
    assert_eq!(run.status.code(), Some(2), "{run:#?}");
    let expected = [
        "1: task 'a' has no method 'run': there are abort_if, artifacts, async, ",
        "2: task 'b': depends_on: a string or a list of strings expected, got task 'a' itself: write its name",
        "3: task 'c': depends_on: a list of strings expected, but entry 2 is task 'b' itself: write its name",
        "3: task 'c': tags takes one value: put them into a list, {...}",
        "4: task 'd': env: names have to be strings, not 1: write { NAME = \"value\" }",
        "4: task 'd': retries: 'fixed', 'linear' or 'exponential' expected, got table",
        "4: task 'd': timeout takes one value",
        "5: task 'e' has no command",
        "5: task 'e' has no option 'cmd': there are abort_if, artifacts, ",
        "5: workflow 'w' has no option 'zzzz': there are config, description, ",
        "5: workflow 'w': config has no option 'jobs': there are max_parallel, retry_policy, timeout",
    ];
    for (line, expected) in run.stderr.lines().zip(expected) {
        assert!(
            line.strip_prefix("script.sloth:").is_some_and(|line| line.starts_with(expected)),
            "{run:#?}"
        );
    }
    assert_eq!(run.stderr.lines().count(), expected.len(), "{run:#?}");
    let run = sloth_script("workflow('w')", &[]);
    assert!(
        run.stderr.contains("script.sloth:1: workflow is no function: there is workflow.define"),
        "{run:#?}"
    );
}

#[test]
fn what_a_misspelt_variable_leaves_out_of_a_list_is_told() {
    let run = sloth_script(
        r#"local a, b = task("a"):command("touch ran"):build(), task("b"):command("touch ran"):build()
        task("c"):command("true"):depends_on({ "a", nil, "b" }):build()
        task("d"):command("true"):tags({ nil, "x" }):artifacts({ "y", nil, nil, "z" }):build()
        workflow.define("v"):tasks({ a, tset, b })
        workflow.define("w", { tasks = { nil, { name = "e", command = "touch ran", depends_on = { nil, "a" } } } })
        workflow.define("x"):tasks(a, nil, b)
        workflow.define("y"):tasks({ a }, nil, { b })
        "#,
        &[],
    );
    assert_eq!(run.status.code(), Some(2), "{run:#?}");
    let is_nil = |place: u32| format!("entry {place} is nil, and others follow: is its name written right?");
    let expected = [
        format!("2: task 'c': depends_on: a list without holes expected, but {}", is_nil(2)),
        format!("3: task 'd': tags: a list without holes expected, but {}", is_nil(1)),
        format!("3: task 'd': artifacts: a list without holes expected, but {}", is_nil(2)),
        format!("4: workflow 'v': tasks has to be a list without holes: {}", is_nil(2)),
        format!("5: workflow 'w': tasks has to be a list without holes: {}", is_nil(1)),
        "6: workflow 'x': tasks: a list of tasks expected, got one task: put it in {}".to_owned(),
        "7: workflow 'y': tasks takes one value: put them into a list, {...}".to_owned(),
    ];
    for line in expected {
        assert!(run.stderr.contains(&format!("script.sloth:{line}\n")), "{line} in {run:#?}");
    }
}

#[test]
fn a_script_without_tasks_just_runs() {
    let run = sloth_script("print('hello', select('#', ...), ...)", &["--", "a", "b"]);
    assert_eq!(
        (run.status.code(), run.stdout.as_str(), run.stderr.as_str()),
        (Some(0), "hello\t2\ta\tb\n", "")
    );
    let run = sloth_script("print('hello')", &["-t", "x"]);
    assert_eq!(run.status.code(), Some(2), "{run:#?}");
}

#[test]
fn what_the_system_would_refuse_is_refused_before_anything_runs() {
    let run = sloth_script(
        r#"local function t(name) return task(name):command("touch ran") end
t("a"):env({ ["A=B"] = "1" }):build()
t("b"):env({ ["B\0"] = "1" }):build()
t("c"):env({ C = "x\0y" }):build()
t("d"):env({ [""] = "1" }):build()
t("e"):workdir(""):build()
t("f"):workdir("/\0"):build()
t("g"):command("echo \0"):build()
t("h"):run_if("echo \0"):build()
t("i"):artifacts("[a"):build()
t("j"):artifacts({ "fine", "a**b" }):build()
t("k"):artifacts(""):build()
workflow.define("w", { tasks = { { name = "l", command = "touch ran" } }, config = { max_parallel = 1e10 } })
workflow.define("v", { tasks = { { name = "m", command = "touch ran" } }, config = { max_parallel = 2.5 } })
params = nil
"#,
        &[],
    );
    assert_eq!(run.status.code(), Some(2), "{run:#?}");
    let expected = [
        ":2: task 'a': env: the name 'A=B' has a '=' in it",
        ":3: task 'b': env: 'B\\u{0}': it has a NUL byte in it",
        ":4: task 'c': env: 'C': it has a NUL byte in it",
        ":5: task 'd': env: a name is empty",
        ":6: task 'e': workdir: the path is empty",
        ":7: task 'f': workdir: it has a NUL byte in it",
        ":8: task 'g': command: it has a NUL byte in it",
        ":9: task 'h': run_if: it has a NUL byte in it",
        ":10: task 'i': artifacts: '[a': Pattern syntax error near position 0: invalid range pattern",
        ":11: task 'j': artifacts: 'a**b': Pattern syntax error near position 0: \
recursive wildcards must form a single path component",
        ":12: task 'k': artifacts: a path is empty",
        ":13: workflow 'w': config.max_parallel: a whole number from 1 to 1000000 expected, got 10000000000.0",
        ":14: workflow 'v': config.max_parallel: a whole number from 1 to 1000000 expected, got 2.5",
        ": the global 'params', which tasks get, is set to nil: it has to be a table",
    ];
    let mut expected: Vec<_> = expected.iter().map(|line| format!("script.sloth{line}")).collect();
    let mut told: Vec<_> = run.stderr.lines().collect();
    expected.sort_unstable();
    told.sort_unstable();
    assert_eq!(told, expected);
}

#[test]
fn a_goroutine_that_defines_a_task_or_a_workflow_is_told_at_that_line() {
    let run = sloth_script(
        r#"local captured, define = task, workflow.define
local function refused(fn) print((select(2, goroutine.async(fn):await()))) end
refused(function() task("a"):command("true"):build() end)
refused(function() workflow.define("w", {}) end)
refused(function() captured("b") end)
refused(function() return define("v") end)
refused(function() load("task('c')", "=loaded")() end)
-- Those of the script's own state may.
print(require("goroutine.local").async(function() task("mine"):command("true"):build() end):await())
"#,
        &["--dry-run"],
    );
    let told = "tasks and workflows are defined by the script itself: a goroutine that runs beside it has a state of its own";
    let mut expected: String = (3..=5).map(|line| format!("script.sloth:{line}: {told}\n")).collect();
    // A tail call leaves no line behind.
    expected += &format!("{told}\nloaded:1: {told}\ntrue\n");
    assert!(run.stdout.starts_with(&expected), "{run:#?}");
    assert!(run.stdout.contains("  1. mine: "), "{run:#?}");
}

#[test]
fn no_metamethod_of_what_a_script_gives_is_called() {
    let run = sloth_script(
        r#"local function broken() error("called") end
local function odd()
  return setmetatable({}, { __index = broken, __pairs = broken, __len = broken, __tostring = broken, __name = "task" })
end
local function locked() return setmetatable({}, { __metatable = 1 }) end
task("a"):command(odd()):env(odd()):depends_on(odd()):tags({ odd() }):retries(1, odd()):timeout(locked()):build()
task(odd()):command("true"):artifacts(locked()):env({ [odd()] = 1 }):build()
workflow.define("w", { tasks = { odd(), locked(), fs, workflow, task }, config = odd(), [odd()] = 1 })
workflow.define("v", { tasks = odd() })
workflow.define(locked(), odd())
"#,
        &[],
    );
    assert_eq!(run.status.code(), Some(2), "{run:#?}");
    assert!(!run.stderr.contains("called") && !run.stderr.contains("[runner:"), "{run:#?}");
    for line in 6..=10 {
        assert!(run.stderr.contains(&format!("script.sloth:{line}: ")), "line {line} in {run:#?}");
    }
    assert!(run.stderr.contains("8: workflow 'w' has no option 'a table': there are config,"), "{run:#?}");
}
