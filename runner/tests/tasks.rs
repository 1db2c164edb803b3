//! What tasks and workflows promise.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use std::time::{Duration, Instant};

use support::{sloth_script, statuses};

#[test]
fn tasks_run_in_the_order_of_the_list_after_what_they_depend_on() {
    let run = sloth_script(
        r#"
        local function t(name, ...) return task(name):command(function() print(name) end):depends_on({ ... }):build() end
        workflow.define("w"):tasks({ t("c", "a", "b"), t("a"), t("d"), t("b", "d") })
        "#,
        &[],
    );
    assert_eq!(run.status.code(), Some(0), "{run:#?}");
    assert_eq!(run.stdout, "a\nd\nb\nc\n");
}

#[test]
fn tasks_share_the_variables_of_the_script_and_their_outputs() {
    let run = sloth_script(
        r#"
        local count = 0
        local a = task("a"):command(function(this, params, deps)
          count = count + 1
          return true, "said", { name = this:name(), dir = this:workdir(), p = params.p, v = values }
        end):build()
        local plain = task("plain"):command(function() count = count + 1 return "just a value" end):build()
        local shell = task("shell"):command("printf two"):build()
        local b = task("b"):command(function(_, _, deps)
          print(count, deps.a.name, deps.a.dir, deps.a.p, deps.plain, deps.shell.stdout, deps.shell.exit_code, deps.b)
          outputs.list = { count, deps.a.name }
        end):depends_on({ "a", "plain" }):depends_on("shell"):build()
        workflow.define("w", { tasks = { a, plain, shell, b } })
        "#,
        &["-p", "p=x=y"],
    );
    assert_eq!(run.status.code(), Some(0), "{run:#?}");
    assert_eq!(
        run.stdout,
        "[shell] two\n2\ta\t.\tx=y\tjust a value\ttwo\t0\tnil\noutputs:\n  list: [2,\"a\"]\n"
    );
    assert!(run.stderr.contains("a: ok in") && run.stderr.contains(": said\n"), "{run:#?}");
}

#[test]
fn a_failure_is_told_with_its_place_and_dependants_are_skipped_all_the_way_down() {
    let run = sloth_script(
        "local function inner() error('no luck') end
        local bad = task('bad'):command(function() inner() end):build()
        local below = task('below'):command('true'):depends_on('bad'):build()
        local further = task('further'):command('true'):depends_on('below'):build()
        local other = task('other'):command('true'):build()
        local refused = task('refused'):command(function() return false, 'not today' end):build()
        workflow.define('w'):tasks({ bad, below, further, other, refused })",
        &[],
    );
    assert_eq!(run.status.code(), Some(1), "{run:#?}");
    assert_eq!(statuses(&run), "bad failed, below skipped, further skipped, other ok, refused failed");
    assert!(run.stderr.contains("script.sloth:1: no luck\n    stack traceback:\n"), "{run:#?}");
    assert!(run.stderr.contains("script.sloth:2: in local 'command'"), "{run:#?}");
    assert!(!run.stderr.contains("[runner:"), "{run:#?}");
    assert!(run.stderr.contains(" ms: not today\n"), "{run:#?}");
}

#[test]
fn retries_back_off_as_they_are_told() {
    let run = sloth_script(
        r#"
        local times = {}
        local function retrying(policy)
          return task(policy):command(function(this)
            times[this:attempt()] = goroutine.now()
            if this:attempt() == 4 then return math.floor(times[2] - times[1]) .. " " .. math.floor(times[4] - times[1]) end
            return false, "not yet"
          end):retries(3, policy):retry_delay("20ms"):on_success(function(this, waited) print(waited) end):build()
        end
        workflow.define("w", { tasks = { retrying("fixed"), retrying("linear"), retrying("exponential") } })
        "#,
        &["-o", "json"],
    );
    assert_eq!(run.status.code(), Some(0), "{run:#?}");
    let events: Vec<serde_json::Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &'static str| events.iter().filter(move |event| event["event"] == kind);
    for (policy, delays) in
        [("fixed", [20.0, 20.0, 20.0]), ("linear", [20.0, 40.0, 60.0]), ("exponential", [20.0, 40.0, 80.0])]
    {
        let told: Vec<_> = of("task_retry")
            .filter(|event| event["task"] == policy)
            .map(|event| event["delay_ms"].as_f64().unwrap())
            .collect();
        assert_eq!(told, delays, "{policy}: {run:#?}");
        let waited = of("print").find(|event| event["task"] == policy).unwrap()["text"].as_str().unwrap();
        let (first, all) = waited.split_once(' ').unwrap();
        assert!(first.parse::<f64>().unwrap() >= delays[0] - 1.0, "{policy}: {waited}");
        assert!(all.parse::<f64>().unwrap() >= delays.iter().sum::<f64>() - 1.0, "{policy}: {waited}");
        assert!(of("task_end").any(|end| end["task"] == policy && end["attempts"] == 4), "{run:#?}");
    }
}

#[test]
fn a_timeout_stops_whatever_a_task_does() {
    let begin = Instant::now();
    let run = sloth_script(
        r#"
        local function t(name, command) return task(name):command(command):timeout("300ms"):on_timeout(function(this, err)
          print(this:name(), err)
        end):build() end
        workflow.define("w"):tasks({
          t("computes", function() while true do end end),
          t("catches", function() while true do pcall(function() while true do end end) end end),
          t("in a coroutine", function() coroutine.wrap(function() while true do end end)() end),
          t("in coroutines", function()
            while true do pcall(coroutine.wrap(function() pcall(function() while true do end end) end)) end
          end),
          t("sleeps", function() goroutine.sleep(60000) end),
          t("awaits", function() goroutine.async(goroutine.sleep, 60000):await() end),
          t("waits", function() time.sleep(60) end),
          t("execs", function() exec.run("sleep 60") end),
          t("shell", "sleep 60 & sleep 60"),
          t("quick", function() return "in time" end),
        })
        "#,
        &[],
    );
    assert_eq!(run.status.code(), Some(1), "{run:#?}");
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    let expected = [
        "computes",
        "catches",
        "in a coroutine",
        "in coroutines",
        "sleeps",
        "awaits",
        "waits",
        "execs",
        "shell",
    ];
    assert_eq!(run.stdout, expected.map(|name| format!("{name}\ttimeout exceeded\n")).concat());
    assert!(statuses(&run).ends_with("shell timeout, quick ok"), "{run:#?}");
}

#[test]
fn conditions_skip_a_task_or_stop_the_workflow() {
    let run = sloth_script(
        r#"
        local function t(name) return task(name):command(function() print(name) end) end
        local one = t("one"):run_if(function(_, params) return params.go == "yes" end):build()
        local two = t("two"):run_if("test -e /nowhere"):depends_on("one"):build()
        local three = t("three"):depends_on("two"):build()
        local broken = t("broken"):run_if(function() error("cannot tell", 0) end):build()
        local stop = t("stop"):abort_if("true"):build()
        local never = t("never"):build()
        workflow.define("w"):tasks({ one, two, three, broken, stop, never })
        workflow.define("other"):tasks({ t("still") })
        "#,
        &["-p", "go=yes"],
    );
    assert_eq!(run.status.code(), Some(1), "{run:#?}");
    assert_eq!(run.stdout, "one\nthree\nstill\n");
    assert!(run.stderr.contains("broken: failed: run_if: cannot tell\n"), "{run:#?}");
    let words = run.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    for line in [
        "w: two skipped 0 - - run_if does not hold",
        "w: stop aborted 0",
        "w: never aborted 0",
        "other: still ok 1",
    ] {
        assert!(words.contains(line), "{line} in {run:#?}");
    }
}

#[test]
fn hooks_are_told_what_happened_and_their_errors_count() {
    let run = sloth_script(
        r#"
        local well = task("well"):command(function() return true, "fine", 7 end)
          :on_success(function(this, output) print("success", this:name(), output) end):build()
        local bad = task("bad"):command("echo out; echo why >&2; exit 9")
          :on_failure(function(this, err, output) print("failure", err, output.exit_code) end):build()
        local spoilt = task("spoilt"):command(function() end):on_success(function() error("in the hook", 0) end):build()
        workflow.define("w"):tasks({ well, bad, spoilt })
          :on_start(function() print("start") end)
          :on_complete(function(success, results) print("complete", success, results.well.output, results.bad.status) end)
        "#,
        &[],
    );
    assert_eq!(run.status.code(), Some(1), "{run:#?}");
    assert_eq!(
        run.stdout,
        "start\nsuccess\twell\t7\n[bad] out\nfailure\texit code 9: why\t9\ncomplete\tfalse\t7\tfailed\n"
    );
    assert_eq!(statuses(&run), "well ok, bad failed, spoilt failed");
    assert!(run.stderr.contains("on_success: in the hook"), "{run:#?}");
}

#[test]
fn lines_of_commands_come_whole_however_long_they_are() {
    let run = sloth_script(
        r#"
        local long = task("long"):command("head -c 20000000 /dev/zero | tr '\\0' x; printf '\\n\\nb\\nlast'"):build()
        local after = task("after"):depends_on("long"):command(function(_, _, deps) print(#deps.long.stdout) end):build()
        workflow.define("w"):tasks({ long, after })
        "#,
        &[],
    );
    assert_eq!(run.status.code(), Some(0), "{:?}", run.stderr);
    let lines: Vec<_> = run.stdout.lines().map(|line| (line.len(), line.chars().last())).collect();
    assert_eq!(
        lines,
        [(20_000_007, Some('x')), (7, Some(' ')), (8, Some('b')), (11, Some('t')), (8, Some('8'))]
    );
}

#[test]
fn a_workflow_has_a_time_limit_of_its_own() {
    let run = sloth_script(
        r#"
        local first = task("first"):command(function() goroutine.sleep(60000) end):retries(5):build()
        local second = task("second"):command("true"):build()
        workflow.define("w", { tasks = { first, second }, config = { timeout = "300ms" } })
        "#,
        &[],
    );
    assert_eq!(run.status.code(), Some(1), "{run:#?}");
    assert_eq!(statuses(&run), "first timeout, second skipped");
}

#[test]
fn a_hook_may_take_as_long_as_an_attempt_from_when_it_begins() {
    let run = sloth_script(
        r#"
        local function endless() while true do goroutine.sleep(10) end end
        local hooked = task("hooked"):command("true"):timeout("300ms")
          :on_success(endless):build()
        local tidy = task("tidy"):command("sleep 60"):on_timeout(function() goroutine.sleep(50) print("tidied up") end):build()
        workflow.define("w", { tasks = { hooked } })
        workflow.define("v", {
          tasks = { tidy },
          config = { timeout = "500ms" },
          on_complete = endless,
        })
        "#,
        &[],
    );
    assert_eq!((run.status.code(), run.stdout.as_str()), (Some(1), "tidied up\n"), "{run:#?}");
    for told in [
        "  hooked: timeout in ",
        "on_success (script.sloth:2): timeout exceeded\n",
        "on_complete (script.sloth:2): timeout exceeded\n",
    ] {
        assert!(run.stderr.contains(told), "{told} in {run:#?}");
    }
}

#[test]
fn the_errors_of_both_hooks_of_a_workflow_are_told() {
    let run = sloth_script(
        r#"workflow.define("w", {
          tasks = { { name = "a", command = "true" } },
          on_start = function() error("at the start", 0) end,
          on_complete = function() error("at the end", 0) end,
        })"#,
        &[],
    );
    assert_eq!(run.status.code(), Some(1), "{run:#?}");
    for told in ["on_start: at the start\n", "    on_complete: at the end\n"] {
        assert!(run.stderr.contains(told), "{told} in {run:#?}");
    }
}

#[test]
fn os_exit_in_a_task_begins_no_other() {
    let run = sloth_script(
        r#"
        task("exits"):async(true):command(function() goroutine.sleep(50) os.exit(7) end):build()
        task("runs"):async(true):command("sleep 60"):build()
        task("after"):depends_on("runs"):command("echo never"):build()
        "#,
        &[],
    );
    assert_eq!((run.status.code(), run.stdout.as_str()), (Some(7), ""), "{run:#?}");
    for told in ["  exits: cancelled in ", "  runs: cancelled in ", ": the program ended\n"] {
        assert!(run.stderr.contains(told), "{told} in {run:#?}");
    }
    let run = sloth_script(
        r#"workflow.define("w", { tasks = { { name = "exits", command = function() os.exit(7) end }, { name = "next", command = "echo never" } } })"#,
        &[],
    );
    assert_eq!((run.status.code(), run.stdout.as_str()), (Some(7), ""), "{run:#?}");
}

#[test]
fn a_command_that_returns_nil_and_a_message_is_ok_and_that_is_said() {
    let run = sloth_script(
        r#"
        task("asks"):command(function() return fs.read("/nowhere") end):build()
        task("fails"):command(function() return assert(fs.read("/nowhere")) end):build()
        "#,
        &[],
    );
    assert_eq!(statuses(&run), "asks ok, fails failed");
    let told = "WARN  [asks] the command has returned nil and '/nowhere: no such file or folder', which counts as ok: only false, or an error, is a failure\n";
    assert!(run.stderr.contains(told), "{run:#?}");
}

#[test]
fn artifacts_have_to_be_there() {
    let run = sloth_script(
        r#"
        local made = task("made"):command("echo x > made.txt"):artifacts({ "*.txt" }):build()
        local missing = task("missing"):command("true"):artifacts({ "*.zip", "no.txt" }):build()
        assert(fs.mkdir("a [b]"))
        local folder = task("folder"):workdir("a [b]"):command("echo x > made.txt"):artifacts({ "*.txt" }):build()
        workflow.define("w"):tasks({ made, missing, folder })
        "#,
        &[],
    );
    assert_eq!(run.status.code(), Some(1), "{run:#?}");
    assert_eq!(statuses(&run), "made ok, missing failed, folder ok");
    assert!(run.stderr.contains("artifact not found: *.zip, no.txt\n"), "{run:#?}");
}

#[test]
fn workdir_and_env_hold_for_shell_lines_and_for_what_the_function_runs() {
    let run = sloth_script(
        r#"
        local function both(name) return task(name):workdir("/tmp"):env({ WHO = "sloth", N = 5 }) end
        local shell = both("shell"):command("echo $PWD $WHO $N"):build()
        local fn = both("fn"):command(function() io.write(exec.run("echo $PWD $WHO $N").stdout) end):build()
        local nowhere = task("nowhere"):workdir("/not/there"):command("true"):build()
        workflow.define("w"):tasks({ shell, fn, nowhere })
        "#,
        &[],
    );
    assert_eq!(run.stdout, "[shell] /tmp sloth 5\n/tmp sloth 5\n", "{run:#?}");
    assert!(run.stderr.contains("cannot run in /not/there: no such folder"), "{run:#?}");
}

#[test]
fn commands_that_misbehave_fail_and_nothing_else() {
    let run = sloth_script(
        r#"
        local function t(name, fn) return task(name):command(fn):build() end
        workflow.define("w"):tasks({
          t("yields", function() coroutine.yield(1) end),
          t("throws", function() error({ code = 5 }) end),
          t("nothing", function() error() end),
          t("object", function() error(setmetatable({}, { __tostring = function() return "an object" end })) end),
          t("worse", function() error(setmetatable({}, { __tostring = function() error("x") end })) end),
          t("overflows", function() local function f() return 1 + f() end f() end),
          t("unknown", function(this) this:attemp() end),
          t("fine", function() return end),
        })
        "#,
        &[],
    );
    assert_eq!(run.status.code(), Some(1), "{run:#?}");
    let told = |what: &str| assert!(run.stderr.contains(what), "{what} in {run:#?}");
    told("attempt to yield from outside a coroutine");
    told("(error object is a table value: code = 5)");
    told("an object");
    told("__tostring fails");
    told("stack overflow");
    told("'this' has no method 'attemp', did you mean 'attempt'?");
    assert!(statuses(&run).ends_with("unknown failed, fine ok"), "{run:#?}");
}
