//! The command line: exit codes, interrupting, looking in.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::{root, sloth, sloth_script};

/// Starts a script, and waits until it has printed `ready`.
fn start(script: &str, args: &[&str]) -> (Child, tempfile::TempDir, BufReader<std::process::ChildStdout>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("script.sloth"), script).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sloth-runner"))
        .args(["run", "script.sloth"])
        .args(args)
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert!(line.contains("ready"), "{line}");
    (child, folder, stdout)
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

fn ended(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let cases: &[(&[&str], &str)] = &[
        (&["run"], "<FILE>"),
        (&["run", "a", "-f", "b"], "cannot be used with"),
        (&["run", "/nowhere.sloth"], "cannot read /nowhere.sloth: no such file or folder\n"),
        (&["run", "examples/hello.lua", "more"], "comes after '--': SCRIPT -- more\n"),
        (&["run", "examples/hello.lua", "-t", "x"], "there is no task 'x': the script defines none\n"),
        (&["run", "-", "-v", "/nowhere.yaml"], "cannot read /nowhere.yaml"),
        (&["run", "-", "-p", "x"], "KEY=VALUE"),
        (&["run", "-", "-o", "xml"], "possible values: text, json"),
        (&["run", "-", "--memory-limit", "5Q"], "unknown unit 'q'"),
        (&["run", "-", "--isolates", "0"], "1..=1024"),
        (&["run", "-", "-d", "web"], "needs agents"),
        (&["run", "-", "--nats", "nats://x"], "needs agents"),
        (&["agent", "--name", "x"], "needs agents"),
        (&["agents"], "needs agents"),
        (&["keygen", "x"], "needs agents"),
        (&["run", "-", "--trace", "x"], "unexpected argument"),
        (&["walk"], "unrecognized subcommand"),
    ];
    for (args, told) in cases {
        let run = sloth(&root(), args);
        assert_eq!(run.status.code(), Some(2), "{args:?}: {run:#?}");
        assert!(run.stderr.contains(told), "{args:?}: {run:#?}");
    }
    let run = sloth(&root(), &["examples/hello.lua"]);
    assert_eq!(run.status.code(), Some(2));
    assert!(run.stderr.contains("to run the script: sloth-runner run examples/hello.lua"), "{run:#?}");
    let run = sloth_script("local = 5", &[]);
    assert_eq!(run.status.code(), Some(2));
    assert!(run.stderr.contains("script.sloth:1:"), "{run:#?}");
}

#[test]
fn help_shows_examples_and_completions_name_the_flags() {
    let help = sloth(&root(), &["run", "--help"]);
    assert!(
        help.status.success() && help.stdout.contains("sloth-runner run deploy.sloth --dry-run"),
        "{help:#?}"
    );
    assert!(!help.stdout.contains("nats"), "what is not there is not offered: {help:#?}");
    for shell in ["bash", "zsh", "fish"] {
        let completions = sloth(&root(), &["completions", shell]);
        assert!(completions.status.success() && completions.stdout.contains("dry-run"), "{shell}");
    }
}

#[test]
fn standard_input_may_be_the_script() {
    for args in [&["run", "-"][..], &["run", "-f", "-"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sloth-runner"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let script = "#!/usr/bin/env sloth-runner\nprint(arg[0])\ntask('t'):command(function() error('so') end):build()\n";
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b"-\n"[..]), "{stderr}");
        assert!(stderr.contains("stdin: 1 task\n") && stderr.contains("stdin:3: so"), "{stderr}");
    }
}

#[test]
fn values_and_params_reach_the_script() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "script.sloth",
        "print(values.list and values.list[2], values.deep and values.deep.key, params.a, params.b)",
    );
    write("values.yaml", "list: [1, two]\ndeep: {key: yes please}\n");
    write("values.json", "{\"list\": [1, \"two\"]}");
    write("broken.yaml", "list: [");
    let run = |args: &[&str]| sloth(folder.path(), &[&["run", "-f", "script.sloth"], args].concat());
    assert_eq!(run(&["-v", "values.yaml", "-p", "a=1", "-p", "b=x=y"]).stdout, "two\tyes please\t1\tx=y\n");
    assert_eq!(run(&["--values", "values.json"]).stdout, "two\tnil\tnil\tnil\n");
    assert_eq!(run(&[]).stdout, "nil\tnil\tnil\tnil\n");
    let broken = run(&["-v", "broken.yaml"]);
    assert!(broken.status.code() == Some(2) && broken.stderr.contains("broken.yaml: "), "{broken:#?}");
}

#[test]
fn too_much_memory_is_an_error_at_home_and_in_goroutines() {
    let run = sloth_script(
        "local function eat() local t = {} for i = 1, 1e7 do t[i] = ('x'):rep(1000) .. i end end
        print(pcall(eat)) collectgarbage() print(goroutine.async(eat):await()) print('alive')",
        &["--memory-limit", "32M"],
    );
    assert!(run.status.success(), "{run:#?}");
    let lines: Vec<_> = run.stdout.lines().collect();
    assert!(
        lines[0].starts_with("false\tnot enough memory: the script may use ")
            && lines[1].starts_with("false\t"),
        "{run:#?}"
    );
    assert_eq!(lines.last(), Some(&"alive"), "{run:#?}");
}

#[test]
fn an_interrupt_cancels_unwinds_and_sums_up() {
    let (child, _folder, _stdout) = start(
        r#"
        local first = task("first"):command(function()
          local guard <close> = setmetatable({}, { __close = function() log.info("unwound") end })
          print("ready")
          goroutine.async(function() goroutine.sleep(60000) end):await()
        end):retries(3):build()
        local second = task("second"):command("true"):build()
        workflow.define("w"):tasks({ first, second })
        "#,
        &[],
    );
    let begin = Instant::now();
    signal(&child, "INT");
    let (code, stderr) = ended(child);
    assert_eq!(code, Some(130), "{stderr}");
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    assert!(stderr.contains("INFO  [first] unwound\n"), "{stderr}");
    let words = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("first cancelled 1") && words.contains("second cancelled 0"), "{stderr}");
}

#[test]
fn workflows_that_have_not_begun_are_cancelled_by_an_interrupt_without_an_error_of_ours() {
    let (child, _folder, _stdout) = start(
        r#"
        workflow.define("one"):tasks({ task("first"):command(function()
          print("ready")
          goroutine.channel():receive()
        end):build() })
        workflow.define("two", {
          tasks = { { name = "second", command = "true" } },
          on_start = function() print("begun") end,
          on_complete = function() print("complete") end,
        })
        "#,
        &[],
    );
    signal(&child, "INT");
    let (code, stderr) = ended(child);
    assert_eq!(code, Some(130), "{stderr}");
    let words = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("one: first cancelled 1") && words.contains("two: second cancelled 0"),
        "{stderr}"
    );
    assert!(!stderr.contains("traceback") && !stderr.contains("runner:"), "{stderr}");
}

#[test]
fn signals_that_come_together_are_one() {
    // On a busy machine the second may be heard of late.
    let unwinds = (0..5).any(|_| {
        let (child, _folder, mut stdout) = start(
            r#"
            task("waits"):command(function()
              local guard <close> = setmetatable({}, { __close = function() goroutine.sleep(300) print("unwound") end })
              print("ready")
              goroutine.channel():receive()
            end):build()
            "#,
            &[],
        );
        // Two that the system does not make one of.
        let both = format!("kill -TERM {0}; kill -INT {0}", child.id());
        assert!(Command::new("sh").args(["-c", &both]).status().unwrap().success());
        let (code, stderr) = ended(child);
        assert_eq!(code, Some(130), "{stderr}");
        let mut rest = String::new();
        stdout.read_line(&mut rest).unwrap();
        rest == "unwound\n"
    });
    assert!(unwinds);
}

#[test]
fn a_dump_of_one_that_is_stopped_says_that_it_does_not_answer() {
    let (mut child, _folder, _stdout) = start("print('ready') io.stdout:flush() goroutine.sleep(60000)", &[]);
    signal(&child, "STOP");
    let dump = sloth(&root(), &["dump", &child.id().to_string()]);
    assert!(dump.status.code() == Some(1) && dump.stderr.contains("it may be stopped"), "{dump:#?}");
    signal(&child, "KILL");
    child.wait().unwrap();
}

#[test]
fn an_interrupt_ends_shell_lines() {
    let (child, _folder, _stdout) = start(
        "workflow.define('w'):tasks({ task('long'):command('echo ready; sleep 60'):retries(5):build() })",
        &[],
    );
    let begin = Instant::now();
    signal(&child, "INT");
    let (code, stderr) = ended(child);
    assert_eq!(code, Some(130), "{stderr}");
    assert!(begin.elapsed() < Duration::from_secs(4) && stderr.contains("cancelled"), "{stderr}");
}

#[test]
fn a_second_interrupt_ends_at_once_and_the_first_is_bounded() {
    let script = "print('ready') io.stdout:flush() while true do end";
    let (child, _folder, _stdout) = start(script, &[]);
    let begin = Instant::now();
    signal(&child, "INT");
    assert_eq!(ended(child).0, Some(130));
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());

    let (child, _folder, _stdout) = start(script, &[]);
    let begin = Instant::now();
    signal(&child, "INT");
    std::thread::sleep(Duration::from_millis(200));
    signal(&child, "INT");
    assert_eq!(ended(child).0, Some(130));
    assert!(begin.elapsed() < Duration::from_millis(1500), "{:?}", begin.elapsed());
}

#[test]
fn what_goroutines_do_can_be_asked_for_from_outside() {
    let (mut child, _folder, _stdout) = start(
        "goroutine.async(function()
          goroutine.channel():receive()
        end)
        goroutine.sleep(50)
        print('ready') io.stdout:flush()
        goroutine.sleep(60000)",
        &[],
    );
    let dump = sloth(&root(), &["dump", &child.id().to_string()]);
    assert!(dump.status.success(), "{dump:#?}");
    assert!(dump.stdout.contains("(started at script.sloth:1): waiting in receive for"), "{dump:#?}");
    assert!(dump.stdout.contains("script.sloth:2: in function"), "{dump:#?}");

    signal(&child, "USR1");
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("(started at script.sloth:1): waiting in receive for"), "{line}");
    signal(&child, "KILL");
    child.wait().unwrap();

    let dump = sloth(&root(), &["dump", &child.id().to_string()]);
    assert!(dump.status.code() == Some(1) && dump.stderr.contains("no sloth-runner"), "{dump:#?}");

    // It could not remove its socket; the next one does.
    sloth_script("", &[]).printed();
    let above = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, std::path::PathBuf::from);
    let folder = above.join(format!("sloth-runner-{}", rustix::process::getuid().as_raw()));
    assert!(folder.is_dir() && !folder.join(format!("{}.socket", child.id())).exists());
}

#[test]
fn what_tasks_do_can_be_asked_for_from_outside() {
    let (mut child, _folder, _stdout) = start(
        "local function t(name, fn) return task(name):async(true):timeout(60):command(fn):build() end
        workflow.define('w'):tasks({
          t('receives', function()
            goroutine.channel():receive()
          end),
          t('runs', function() exec.run('sleep 60') end),
          t('shell', 'sleep 60'),
          t('begins', function()
            print('ready') io.stdout:flush()
            goroutine.channel():receive()
          end),
        })",
        &[],
    );
    let dump = sloth(&root(), &["dump", &child.id().to_string()]);
    let told = |what: &str| assert!(dump.stdout.contains(what), "{what} in {dump:#?}");
    told("'function of receives' (started at");
    told(": waiting in receive for");
    told("script.sloth:4: in ");
    told("'function of runs' (started at");
    told(": waiting in exec.run for");
    told("script.sloth:6: in ");
    told("'function of runs' (started at script.sloth:6): ");
    told("'task shell' (started at script.sloth:1): waiting in exec.run for");
    assert!(!dump.stdout.contains("[runner:"), "the engine's own frames are left out: {dump:#?}");
    signal(&child, "KILL");
    child.wait().unwrap();
}

#[test]
fn where_a_task_computes_can_be_asked_for() {
    let (mut child, _folder, _stdout) = start(
        "task('endless'):command(function()
          print('ready') io.stdout:flush()
          while true do end
        end):build()",
        &[],
    );
    let dump = sloth(&root(), &["dump", &child.id().to_string()]);
    assert!(dump.stdout.contains("running\n") && dump.stdout.contains("script.sloth:3: in "), "{dump:#?}");
    signal(&child, "KILL");
    child.wait().unwrap();
}

#[test]
fn goroutines_that_are_left_are_named() {
    let run = sloth_script("goroutine.async(function() goroutine.sleep(60000) end)\nprint('end')", &[]);
    assert_eq!(run.status.code(), Some(0), "{run:#?}");
    assert!(
        run.stderr.contains("(started at script.sloth:1) was waiting at the end, and is cancelled\n"),
        "{run:#?}"
    );
    let run = sloth_script(
        "for i = 1, 50 do goroutine.async(function() goroutine.sleep(60000) end) end
        for i = 1, 40 do goroutine.async(function() goroutine.sleep(60000) end) end",
        &[],
    );
    let more = ["30 more (started at script.sloth:1)", "40 more (started at script.sloth:2)"]
        .map(|more| format!("{more} had not ended at the end, and are cancelled\n"));
    assert!(run.stderr.ends_with(&more.concat()), "{run:#?}");
}

#[test]
fn nothing_but_lines_is_written_where_there_is_no_terminal() {
    let run = sloth_script(
        "workflow.define('w'):tasks({ task('a'):command('echo a; exit 1'):build(), task('b'):command(print):build() })",
        &[],
    );
    assert_eq!(run.status.code(), Some(1));
    assert!(
        !run.stdout.contains('\x1b') && !run.stderr.contains('\x1b') && !run.stderr.contains('\r'),
        "{run:#?}"
    );
}
