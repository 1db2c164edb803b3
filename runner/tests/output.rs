//! Nobody but those who print waits for who reads, and nothing of what is printed is lost.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Two tasks that print more than any pipe takes, and two with a time limit.
const STALLED: &str = r#"
local function lines() for i = 1, 40000 do print("line " .. i .. " " .. ("x"):rep(100)) end end
local in_task = task("in_task"):async(true):command(lines):build()
local in_goroutine = task("in_goroutine"):async(true):command(function()
  assert(goroutine.async(lines):await())
end):build()
local waits = task("waits"):async(true):timeout("100ms"):command(function() goroutine.sleep(3600000) end)
  :on_timeout(function() io.stderr:write("waits is over\n") end):build()
local prints = task("prints"):async(true):timeout("200ms"):command(function() while true do print("endless") end end)
  :on_timeout(function() io.stderr:write("prints is over\n") end):build()
local command = task("command"):async(true):timeout("200ms"):command("yes")
  :on_timeout(function() io.stderr:write("command is over\n") end):build()
workflow.define("w"):tasks({ in_task, in_goroutine, waits, prints, command })
"#;

fn start(folder: &tempfile::TempDir, script: &str, args: &[&str]) -> Child {
    std::fs::write(folder.path().join("script.sloth"), script).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sloth-runner"));
    command.args(["run", "script.sloth"]).args(args).current_dir(folder.path()).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Reads standard error up to lines that have all of these in them.
fn read_until(stderr: &mut impl std::io::BufRead, wanted: &[&str]) {
    let mut left = wanted.to_vec();
    while !left.is_empty() {
        let mut line = String::new();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended before it said {left:?}");
        left.retain(|text| !line.contains(text));
    }
}

#[test]
fn a_reader_who_stalls_holds_up_no_time_limit_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for args in [&[][..], &["-o", "json"]] {
        let mut child = start(&folder, STALLED, args);
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        read_until(&mut stderr, &["waits is over", "prints is over", "command is over"]);
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let rest = std::thread::spawn(move || stderr.read_to_end(&mut Vec::new()).is_ok());
        let mut counts = [0, 0];
        for line in stdout.by_ref().lines() {
            let mut line = line.unwrap();
            if !args.is_empty() {
                let event: serde_json::Value = serde_json::from_str(&line).unwrap();
                line = event["text"].as_str().unwrap_or_default().to_owned();
            }
            if let Some(text) = line.strip_prefix("line ") {
                assert_eq!(text.split_once(' ').unwrap().1, "x".repeat(100), "cut in half");
                counts[0] += 1;
            } else if line == "endless" {
                counts[1] += 1;
            }
        }
        assert_eq!(child.wait().unwrap().code(), Some(1));
        assert!(rest.join().unwrap());
        assert!(counts[0] == 80000 && counts[1] > 0, "{counts:?}");
    }
}

#[test]
fn what_was_printed_before_os_exit_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let script = "for i = 1, 20000 do print(('x'):rep(100)) end os.exit(7)";
    let child = start(&folder, script, &[]);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(7), 20000 * 101));
}

#[test]
fn ctrl_c_does_not_wait_for_who_does_not_read_and_says_what_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let script =
        "for i = 1, 100000 do print(('x'):rep(100)) if i == 600 then io.stderr:write('begun\\n') end end";
    let mut child = start(&folder, script, &[]);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    read_until(&mut stderr, &["begun"]);
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    read_until(&mut stderr, &["bytes of standard output were read by nobody, and are lost"]);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_script_whose_output_cannot_be_written_has_failed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("script.sloth"), "print(1)").unwrap();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sloth-runner"));
    let output =
        command.args(["run", "script.sloth"]).current_dir(folder.path()).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("sloth-runner: cannot write to standard output: No space left"), "{stderr}");
}

#[test]
fn commands_whose_output_cannot_be_written_have_failed() {
    for args in [
        &["--help"][..],
        &["--version"],
        &["help", "run"],
        &["run", "--help"],
        &["completions", "bash"],
        &["run", "-", "--dry-run"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sloth-runner"));
        let output = command.args(args).stdin(Stdio::null()).stdout(full).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
        let told = "sloth-runner: cannot write to standard output: No space left on device";
        assert!(stderr.starts_with(told), "{args:?}: {stderr}");
    }
}

#[test]
fn a_dump_that_cannot_be_written_has_failed() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(&folder, "io.stderr:write('begun\\n') goroutine.channel():receive(60000)", &[]);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    read_until(&mut stderr, &["begun"]);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sloth-runner"));
    let output = command.args(["dump", &child.id().to_string()]).stdout(full).output().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("sloth-runner: cannot write to standard output: No space"), "{stderr}");
}

#[test]
fn what_is_printed_comes_before_what_a_command_prints_that_is_started_then() {
    let script = "
        local function all()
          for i = 1, 50 do
            print(i) os.execute('echo ' .. i)
            local f = io.popen('cat', 'w') print(i) f:write(i, '\\n') f:close()
          end
        end
        all() goroutine.async(all):await()";
    let run = support::sloth_script(script, &[]);
    let wanted: String = (0..2).flat_map(|_| 1..=50).map(|i| format!("{i}\n").repeat(4)).collect();
    assert_eq!(run.printed(), wanted);
}

#[test]
fn finalizers_print_at_the_end() {
    let script = "
        local write = io.write
        kept = setmetatable({}, { __gc = function() print('one', 2) write('three\\n') io.stdout:write('four\\n') end })";
    assert_eq!(support::sloth_script(script, &[]).printed(), "one\t2\nthree\nfour\n");
    let events = support::sloth_script(script, &["-o", "json"]).printed();
    assert!(events.contains(r#""text":"one\t2""#) && events.contains(r#""text":"four""#), "{events}");
}

#[test]
fn a_command_that_writes_to_one_who_does_not_read_ends() {
    let run = support::sloth_script(
        r#"
        local endless = "while :; do echo y; done 2>/dev/null | head -n 1"
        local function all()
          assert(exec.run("yes | head -n 1").stderr == "", "it is killed, and says nothing")
          -- What does not read what it is given makes a signal for the runner, which keeps it from nobody else.
          assert(exec.run("exec <&-; sleep 0.1", { stdin = ("x"):rep(1 << 20) }).success)
          assert(exec.run(endless).stdout == "y\n" and os.execute(endless) and io.popen(endless):read("a") == "y\n")
          assert(exec.run("yes | head -n 1").stderr == "")
        end
        all()
        local ok, err = goroutine.async(all):await()
        assert(ok, err)
        task("a"):command(endless):build()
        "#,
        &[],
    );
    assert!(run.status.success() && run.stdout.ends_with("[a] y\n"), "{run:#?}");
}
