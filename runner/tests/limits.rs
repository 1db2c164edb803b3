//! A task ends when its time is over, whatever else runs.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use support::{sloth_script, statuses};

/// A task that computes, and never waits, until this file is there.
const COMPUTES: &str = r#"
    local function is_there(name)
      local file = io.open(name)
      return file and file:close()
    end
    local computes = task("computes"):async(true):command(function()
      while not is_there("over") do end
    end):build()
"#;

#[test]
fn a_shell_line_ends_at_its_time_and_is_tried_again_while_a_function_computes() {
    let run = sloth_script(
        &format!(
            "{COMPUTES}
            local line = task('line'):async(true):timeout('100ms'):retries(100):retry_delay('1ms')
              :command('test -e tried && touch over || {{ touch tried; sleep 600; }}'):build()
            workflow.define('w'):tasks({{ computes, line }})"
        ),
        &[],
    );
    assert!(run.status.success(), "{run:#?}");
    assert!(run.stderr.contains("line: attempt 1 failed: timeout exceeded; again in 1 ms"), "{run:#?}");
}

#[test]
fn tasks_begin_when_what_they_depend_on_has_ended_while_a_function_computes() {
    let run = sloth_script(
        &format!(
            "{COMPUTES}
            local first = task('first'):async(true):command('sleep 0.1'):build()
            local second = task('second'):async(true):depends_on('first'):command('touch over'):build()
            workflow.define('w'):tasks({{ computes, first, second }})"
        ),
        &[],
    );
    // Without the second the one that computes would not have ended.
    assert!(run.status.success() && statuses(&run).contains("second ok"), "{run:#?}");
}

#[test]
fn what_a_function_waits_for_ends_at_its_time_while_another_computes() {
    let run = sloth_script(
        &format!(
            "os.execute('mkfifo pipe')
            {COMPUTES}
            local waits = task('waits'):async(true):timeout('2s'):command(function()
              local closed <close> = setmetatable({{}}, {{ __close = function() print('closed') end }})
              exec.run('exec 9>pipe; sleep 600; :')
            end):build()
            -- Reads until nobody has the pipe open any more.
            local sees = task('sees'):async(true):command('cat pipe; touch over'):build()
            workflow.define('w'):tasks({{ waits, computes, sees }})"
        ),
        &[],
    );
    assert!(statuses(&run).starts_with("waits timeout, ") && statuses(&run).contains("sees ok"), "{run:#?}");
    assert_eq!(run.stdout, "closed\n", "{run:#?}");
    assert!(!run.stderr.contains("at the end, and is cancelled"), "it has unwound: {run:#?}");
}

#[test]
fn the_time_of_a_function_begins_with_it_and_not_while_it_waits_for_one_that_computes() {
    let run = sloth_script(
        "local function compute(seconds) local begin = os.clock() while os.clock() - begin < seconds do end end
        workflow.define('w'):tasks({
          task('computes'):async(true):command(function() compute(1.5) end):build(),
          task('quick'):async(true):timeout('1s'):command(function() end):build(),
        })",
        &[],
    );
    assert_eq!(statuses(&run), "computes ok, quick ok", "{run:#?}");
}

#[test]
fn a_function_that_computes_closes_its_variables_when_its_time_is_over() {
    let run = sloth_script(
        "task('endless'):timeout('100ms'):command(function()
          local closed <close> = setmetatable({}, { __close = function()
            for _ = 1, 1e5 do end
            print('closed')
          end })
          while true do end
        end):build()",
        &[],
    );
    assert_eq!(statuses(&run), "endless timeout", "{run:#?}");
    assert_eq!(run.stdout, "closed\n", "{run:#?}");
}

#[test]
fn whatever_a_function_catches_or_closes_it_ends_when_its_time_is_over() {
    let run = sloth_script(
        "local function endless() while true do end end
        local function t(name, fn) return task(name):timeout('50ms'):command(fn):build() end
        workflow.define('w'):tasks({
          t('catches', function() while true do pcall(endless) end end),
          t('closes', function()
            local closed <close> = setmetatable({}, { __close = endless })
            endless()
          end),
          t('coroutine', function() while true do pcall(coroutine.wrap(endless)) end end),
          t('nested', function() while true do coroutine.wrap(function() pcall(endless) end)() end end),
          t('closing', function()
            local co = coroutine.create(function()
              local closed <close> = setmetatable({}, { __close = endless })
              coroutine.yield()
            end)
            coroutine.resume(co)
            coroutine.close(co)
          end),
          t('describes', function() error(setmetatable({}, { __tostring = endless })) end),
          t('says', function() return false, setmetatable({}, { __tostring = endless }) end),
          t('calls', function()
            -- Each call takes a good part of a second, and few instructions lie between them.
            local text = ('a'):rep(600)
            while true do text:find('.-.-b') end
          end),
        })",
        &[],
    );
    let ends = ["catches", "closes", "coroutine", "nested", "closing"].map(|name| format!("{name} timeout"));
    let ends = format!("{}, describes timeout, says failed, calls timeout", ends.join(", "));
    assert_eq!(statuses(&run), ends, "{run:#?}");
    assert!(
        run.stderr.contains("says: failed in ") && run.stderr.contains("(object whose __tostring fails: "),
        "{run:#?}"
    );
}

#[test]
fn a_run_ends_with_a_summary_when_something_cannot_be_interrupted() {
    for (body, what) in [
        ("setmetatable({}, { __gc = endless }) collectgarbage()", "a finalizer"),
        ("xpcall(endless, endless)", "the handler of an xpcall"),
        ("xpcall(error, endless)", "the same"),
    ] {
        let run = sloth_script(
            &format!(
                "local function endless() while true do end end
                task('before'):command('true'):build()
                task('stuck'):timeout('50ms'):command(function() {body} end):build()
                task('after'):depends_on('stuck'):command('true'):build()"
            ),
            &[],
        );
        assert_eq!(run.status.code(), Some(1), "{what}: {run:#?}");
        let message = "script.sloth:3: task 'stuck' still computes 2 s after its time was over";
        assert!(run.stderr.contains(message), "{what}: {run:#?}");
        assert_eq!(statuses(&run), "before ok, stuck timeout, after cancelled", "{what}: {run:#?}");
    }
}

#[test]
fn the_time_of_a_workflow_ends_what_its_hooks_compute() {
    let run = sloth_script(
        "workflow.define('w', {
          tasks = { task('never'):command('true'):build() },
          config = { timeout = '100ms' },
          on_start = function() while true do end end,
        })",
        &[],
    );
    assert_eq!(statuses(&run), "never aborted", "{run:#?}");
    assert!(run.stderr.contains("on_start (script.sloth:4): timeout exceeded"), "{run:#?}");
}

#[test]
fn what_a_function_has_started_ends_with_it_when_its_time_is_over() {
    let run = sloth_script(
        r#"os.execute("mkfifo pipe")
        local holds = "exec 9>pipe; sleep 600; :"
        local a = task("a"):timeout("500ms"):command(function()
          local here = require("goroutine.local")
          goroutine.spawn(function() exec.run(holds) end)
          goroutine.spawn(function() goroutine.async(function() exec.run(holds) end):await() end)
          here.spawn(function() here.async(exec.run, holds):await() end)
          goroutine.pool_create("p", { workers = 1 })
          goroutine.pool_submit("p", function() exec.run(holds) end)
          goroutine.channel():receive()
        end):build()
        -- Reads until nobody has the pipe open any more.
        local sees = task("sees"):command(": >pipe & timeout 20 cat pipe"):build()
        local pools = task("pools"):command(function()
          return select(2, goroutine.await(goroutine.pool_async("p", function() print("the pool goes on") end)))
        end):build()
        workflow.define("w"):tasks({ a, sees, pools })"#,
        &[],
    );
    assert_eq!(statuses(&run), "a timeout, sees ok, pools ok", "{run:#?}");
    assert_eq!(run.stdout, "the pool goes on\n", "{run:#?}");
    assert!(!run.stderr.contains("at the end, and is cancelled"), "{run:#?}");
}

#[test]
fn the_end_of_a_task_that_failed_is_told_at_its_time_and_its_hook_runs_when_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "{COMPUTES}
        local line = task('line'):async(true):command('exit 3'):on_failure(function(_, err)
          print('tidied up after ' .. err)
          error('the hook', 0)
        end):build()
        workflow.define('w'):tasks({{ computes, line }})"
    );
    // Whoever waits in vain ends all the same.
    let script = script.replace("is_there(\"over\")", "is_there(\"over\") and os.clock() < 20");
    std::fs::write(folder.path().join("script.sloth"), script).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sloth-runner"));
    command.args(["run", "script.sloth"]).current_dir(folder.path());
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = Vec::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        told.push(line.unwrap());
        if told.last().unwrap().contains("line: failed") {
            std::fs::write(folder.path().join("over"), "").unwrap();
        }
    }
    let at = |what: &str| told.iter().position(|line| line.contains(what)).unwrap_or(usize::MAX);
    assert!(at("line: failed") < at("computes: ok"), "{told:#?}");
    assert!(at("computes: ok") < at("ERROR [line] on_failure: the hook"), "{told:#?}");
    assert!(told.iter().any(|line| line.starts_with("line ") && line.contains("exit code 3")), "{told:#?}");
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "tidied up after exit code 3\n");
}

#[test]
fn what_catches_the_error_and_waits_on_is_no_reason_to_end_the_run_while_others_compute() {
    let run = sloth_script(
        r#"
        local caught = 0
        local function polls(name, wait)
          return task(name):async(true):timeout("300ms"):on_timeout(function() print(name .. " is over") end)
            :command(function()
              local ok, first = true, true
              while true do
                ok = pcall(wait)
                if not ok and first then caught, first = caught + 1, false end
              end
            end):build()
        end
        workflow.define("w"):tasks({
          polls("sleeps", function() time.sleep(10) end), polls("runs", function() exec.run("sleep 10") end),
          polls("yields", goroutine.yield), polls("receives", function() goroutine.channel():receive() end),
          task("computes"):async(true):command(function()
            while caught < 4 do goroutine.sleep(1) end
            local begin = goroutine.now()
            while goroutine.now() - begin < 3500 do end
          end):build(),
        })"#,
        &[],
    );
    let mut statuses: Vec<_> = statuses(&run).split(", ").map(str::to_owned).collect();
    statuses.sort_unstable();
    assert_eq!(
        statuses,
        ["computes ok", "receives timeout", "runs timeout", "sleeps timeout", "yields timeout"],
        "{run:#?}"
    );
    assert_eq!(run.stdout.lines().count(), 4, "{run:#?}");
    assert!(!run.stderr.contains("still computes"), "{run:#?}");
}
