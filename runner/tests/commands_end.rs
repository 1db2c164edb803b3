//! No command outlives the program, however that ends.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// Nothing here takes that long.
const LIMIT: Duration = Duration::from_secs(60);

/// Twenty tasks, half of them functions, whose commands say that they run, and have a pipe open for as long as they do.
const TASKS: &str = r#"
    for i = 1, 10 do
      task("line " .. i):async(true):command(params.command):build()
      task("function " .. i):async(true):command(function()
        if i % 2 == 0 then
          exec.run(params.command)
        else
          io.popen(params.command):read("a")
        end
      end):build()
    end
"#;

/// A task that never waits. It says that it runs as the commands do.
const BUSY: &str = r#"
    task("busy"):async(true):command(function()
      held = io.open("pipe", "w")
      held:write("x")
      held:flush()
      while held do end
    end):build()
"#;

/// Twenty goroutines that run such commands, half of them by `io.popen`.
const GOROUTINES: &str = r#"
    for i = 1, 20 do
      goroutine.spawn(function(command)
        if i % 2 == 0 then
          exec.run(command)
        else
          io.popen(command):read("a")
        end
      end, params.command)
    end
    -- Until they run: each has written a byte.
    local function all_run()
      return (fs.size(params.count) or 0) >= 20
    end
"#;

/// A program that runs a script, and the pipe that its commands have open.
struct Running {
    child: Child,
    bytes: Receiver<Option<u8>>,
    _folder: tempfile::TempDir,
}

impl Running {
    fn start(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::fs::write(folder.path().join("script.sloth"), script).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_sloth-runner"))
            .args(["run", "script.sloth", "-p", "count=count", "-p"])
            // Another process of the shell's, so that the shell's own end would not do.
            .arg("command=exec 9>pipe; printf x >&9; printf x >>count; sleep 600; :")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, bytes: bytes(&pipe), _folder: folder }
    }

    /// Waits until all commands run.
    fn all_run(self) -> Self {
        self.all_of(20)
    }

    /// Waits until so many have said that they run.
    fn all_of(self, count: usize) -> Self {
        for _ in 0..count {
            assert_eq!(self.bytes.recv_timeout(LIMIT), Ok(Some(b'x')));
        }
        self
    }

    fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits until it has said that.
    fn says(&mut self, what: &str) {
        let errors = self.child.stderr.as_mut().unwrap();
        let mut said = Vec::new();
        while !String::from_utf8_lossy(&said).contains(what) {
            let mut byte = [0];
            errors.read_exact(&mut byte).unwrap();
            said.extend(byte);
        }
    }

    /// Waits for its end, and for that of every command. Gives its exit code, and what it said.
    fn ended(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        let mut errors = self.child.stderr.take().unwrap();
        errors.read_to_string(&mut said).unwrap();
        let code = self.child.wait().unwrap().code();
        assert_eq!(self.bytes.recv_timeout(LIMIT), Ok(None), "a command goes on: {said}");
        (code, said)
    }
}

/// What is written into that pipe; at last `None`, when nobody has it open any more.
fn bytes(pipe: &Path) -> Receiver<Option<u8>> {
    let (tell, bytes) = channel();
    let pipe = pipe.to_owned();
    thread::spawn(move || {
        for byte in std::io::BufReader::new(std::fs::File::open(pipe).unwrap()).bytes() {
            let _ = tell.send(Some(byte.unwrap()));
        }
        let _ = tell.send(None);
    });
    bytes
}

#[test]
fn commands_end_with_an_interrupt() {
    let running = Running::start(TASKS).all_run();
    running.signal("INT");
    let (code, said) = running.ended();
    assert_eq!(code, Some(130), "{said}");
}

#[test]
fn commands_end_when_a_second_interrupt_ends_the_program_at_once() {
    let mut running = Running::start(&format!("{TASKS} {BUSY}")).all_of(21);
    running.signal("INT");
    running.says("interrupted");
    running.signal("INT");
    assert_eq!(running.ended().0, Some(130));
}

#[test]
fn commands_end_at_the_normal_end_of_a_script() {
    let running = Running::start(&format!("{GOROUTINES} while not all_run() do goroutine.sleep(10) end"));
    let (code, said) = running.all_run().ended();
    assert_eq!(code, Some(0), "{said}");
}

/// A command that ends, and leaves one in the background that has the pipe open.
const LEAVES: &str = "task('leaves'):command([[exec 9>pipe; printf x >&9; sleep 600 &]]):build()";

#[test]
fn what_a_command_has_left_in_the_background_ends_with_the_program_which_says_so() {
    let running = Running::start(LEAVES).all_of(1);
    let (code, said) = running.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("what 1 command has left in the background is killed\n"), "{said}");
}

#[test]
fn what_a_command_has_left_in_the_background_ends_with_an_interrupt() {
    let waits = "task('waits'):command('sleep 600'):build()";
    let mut running = Running::start(&format!("{LEAVES} {waits}")).all_of(1);
    running.says("waits: started");
    running.signal("INT");
    let (code, said) = running.ended();
    assert_eq!(code, Some(130), "{said}");
}

#[test]
fn commands_end_when_the_program_is_quit() {
    let running = Running::start(&format!("{TASKS} {BUSY}")).all_of(21);
    running.signal("QUIT");
    let (code, said) = running.ended();
    assert_eq!(code, Some(131), "{said}");
}

#[test]
fn an_interrupt_is_said_at_once_where_the_script_cannot_hear_of_it() {
    // A finalizer, which Lua lets nobody interrupt.
    let computes = "setmetatable({}, { __gc = function() while held do end end }) collectgarbage()";
    let script = format!("held = io.open('pipe', 'w') held:write('x') held:flush() {computes}");
    let mut running = Running::start(&script).all_of(1);
    running.signal("INT");
    running.says("interrupted: cancelling; again to end at once\n");
    running.signal("INT");
    assert_eq!(running.ended().0, Some(130));
}

#[test]
fn a_goroutine_of_the_scripts_own_state_that_computes_ends_with_an_interrupt() {
    let running = Running::start(
        "require('goroutine.local').async(function()
          local closed <close> = setmetatable({}, { __close = function() io.stderr:write('closed\\n') end })
          held = io.open('pipe', 'w') held:write('x') held:flush()
          while held do end
        end):await()",
    );
    let running = running.all_of(1);
    running.signal("INT");
    let (code, said) = running.ended();
    assert!(code == Some(130) && said.starts_with("closed\n"), "{said}");
}

#[test]
fn a_script_that_computes_ends_with_an_interrupt() {
    let computes = "while held do end";
    let script = format!(
        "held = io.open('pipe', 'w') held:write('x') held:flush()
        local closed <close> = setmetatable({{}}, {{ __close = function() io.stderr:write('closed\\n') end }})
        {computes}"
    );
    let running = Running::start(&script).all_of(1);
    running.signal("INT");
    let (code, said) = running.ended();
    assert!(code == Some(130) && said.starts_with("closed\n"), "{said}");
}

#[test]
fn commands_end_with_os_exit() {
    for exit in ["os.exit(3)", "goroutine.async(function() os.exit(3) end):await()"] {
        let running =
            Running::start(&format!("{GOROUTINES} while not all_run() do goroutine.sleep(10) end {exit}"));
        let (code, said) = running.all_run().ended();
        assert_eq!(code, Some(3), "{said}");
    }
}

#[test]
fn an_interrupt_while_a_function_computes_ends_commands_and_tells_of_all_tasks() {
    let script = format!(
        "{TASKS}
        {BUSY}
        task('after'):depends_on('busy'):command('true'):build()"
    );
    let running = Running::start(&script).all_of(21);
    running.signal("INT");
    let (code, said) = running.ended();
    assert_eq!(code, Some(130), "{said}");
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    for row in ["line 1 cancelled 1", "function 10 cancelled 1", "busy cancelled 1", "after cancelled 0"] {
        assert!(words.contains(row), "{row}: {said}");
    }
}

#[test]
fn commands_end_when_nobody_reads_what_the_program_prints() {
    let script = format!(
        "{GOROUTINES} while not all_run() do goroutine.sleep(10) end while true do print(('x'):rep(1000)) end"
    );
    let mut running = Running::start(&script).all_run();
    drop(running.child.stdout.take());
    let status = running.child.wait().unwrap();
    assert_eq!(status.signal(), Some(13), "{status}"); // SIGPIPE, as other filters
    running.ended();
}

#[test]
fn the_program_ends_when_nobody_reads_what_a_command_of_a_task_prints() {
    let mut running = Running::start(&format!("{TASKS} task('prints'):command('yes'):build()")).all_run();
    drop(running.child.stdout.take());
    let status = running.child.wait().unwrap();
    assert_eq!(status.signal(), Some(13), "{status}");
    running.ended();
}
