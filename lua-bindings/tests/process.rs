//! What scripts do to the process that they run in: its standard streams, its exit code, its end.
//!
//! Each test runs a script in a process of its own: this test binary again, which then runs only `child`.
#![cfg(test)]
#![cfg_attr(
    not(any(
        feature = "backend-async-std",
        feature = "backend-smol",
        feature = "backend-threads",
        feature = "backend-tokio"
    )),
    allow(dead_code, unused, unreachable_code, reason = "without a backend nothing runs")
)]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use goroutine::Goroutines;

#[macro_use]
#[path = "support/backends.rs"]
mod backends;

/// Where the child finds its script, and its backend's name.
const SCRIPT: &str = "GOROUTINE_TEST_SCRIPT";
const BACKEND: &str = "GOROUTINE_TEST_BACKEND";
/// What stands on standard output before what the script writes.
const BEGIN: &str = "-- the script begins\n";
/// Whether this Lua has `<close>`.
const CLOSES_VARIABLES: bool = cfg!(any(feature = "lua54", feature = "lua55"));
/// A child that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(30);

macro_rules! tests {
    ($backend:tt $($name:ident)+) => {
        $(#[test]
        fn $name() {
            super::$name($backend);
        })+
    };
}

each_backend! { tests! {
    print_writes_each_call_in_one_piece
    io_write_writes_each_call_in_one_piece
    an_error_that_nobody_awaits_is_told_on_stderr_once
    an_error_whose_handle_is_held_to_the_end_is_told_on_stderr
    an_error_that_is_awaited_is_not_told
    the_end_of_the_script_cancels_what_still_runs
    exit_at_home_ends_the_process_with_its_code
    exit_with_what_is_no_code_ends_nothing
    exit_in_a_goroutine_ends_the_process_with_its_code
    exit_in_a_goroutine_while_home_waits_for_another
    exit_unwinds_goroutines_first
    exit_does_not_wait_long_for_those_who_do_not_unwind
    exit_refuses_a_wrong_code
    input_is_waited_for_without_an_isolate
    a_goroutine_that_waits_for_input_does_not_hold_up_the_end
} }

#[test]
#[ignore = "run by the other tests, in a process of its own"]
fn child() {
    let script = std::env::var(SCRIPT).unwrap();
    let backend = backends::backend(&std::env::var(BACKEND).unwrap());
    std::io::stdout().write_all(BEGIN.as_bytes()).unwrap();
    let goroutines = Goroutines::builder().shared_backend(backend).isolates(4).build().unwrap();
    let lua = goroutine::new_state();
    lua.globals().set("goroutine", goroutines.module(&lua).unwrap()).unwrap();
    let outcome = lua.load(script).set_name("@script.lua").exec();
    drop(lua);
    drop(goroutines);
    if let Err(error) = &outcome {
        eprintln!("script failed: {error}");
    }
    // Before the test runner writes anything more.
    std::process::exit(if outcome.is_ok() { 0 } else { 99 });
}

/// What came of a script.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
    took: Duration,
}

impl Ended {
    fn assert(&self, condition: bool) {
        let Self { code, stdout, stderr, took } = self;
        assert!(condition, "exit code {code:?} after {took:?}\nstdout:\n{stdout}\nstderr:\n{stderr}");
    }
}

fn run(backend: &str, script: &str) -> Ended {
    run_fed(backend, script, None)
}

/// The script's input is open, and gets these bytes, and its end, once the script has removed the file, whose name is its global `gate`.
fn run_fed(backend: &str, script: &str, input: Option<&'static [u8]>) -> Ended {
    let gate = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    let script = &format!("gate = {:?} {script}", gate.to_str().unwrap());
    let begun = Instant::now();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child", "--nocapture", "--test-threads=1"])
        .env(SCRIPT, script)
        .env(BACKEND, backend)
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let feeder = child.stdin.take().zip(input).map(|(mut to, input)| {
        let gate = gate.to_path_buf();
        thread::spawn(move || {
            while gate.exists() && begun.elapsed() < LIMIT {
                thread::sleep(Duration::from_millis(2));
            }
            let _ = to.write_all(input); // to one that has ended, perhaps
        })
    });
    let streams = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read = |mut stream: Box<dyn std::io::Read + Send>| {
        thread::spawn(move || {
            let mut text = Vec::new();
            stream.read_to_end(&mut text).map(|_| text)
        })
    };
    let (stdout, stderr) = (read(Box::new(streams.0)), read(Box::new(streams.1)));
    let mut killed = false;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > LIMIT && !killed {
            killed = true;
            child.kill().unwrap();
        }
        thread::sleep(Duration::from_millis(2));
    };
    let took = begun.elapsed();
    let _ = std::fs::remove_file(&gate);
    if let Some(feeder) = feeder {
        feeder.join().unwrap();
    }
    let output =
        Output { status, stdout: stdout.join().unwrap().unwrap(), stderr: stderr.join().unwrap().unwrap() };
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, stdout) = stdout.split_once(BEGIN).unwrap_or(("", "the child did not begin"));
    let ended = Ended {
        code: output.status.code(),
        stdout: stdout.to_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        took,
    };
    assert!(!killed, "hangs in:{script}\nstderr:\n{}", ended.stderr);
    ended
}

fn print_writes_each_call_in_one_piece(backend: &str) {
    let ended = run(
        backend,
        r#"
        goroutine.await_all(goroutine.spawn_many(8, function(id)
          for i = 1, 200 do
            print(id, ("x"):rep(300), i, nil, true, setmetatable({}, { __tostring = function() return "text" end }))
          end
        end))
        "#,
    );
    ended.assert(ended.code == Some(0) && ended.stderr.is_empty());
    let mut next = [1; 9];
    for line in ended.stdout.lines() {
        let fields: Vec<_> = line.split('\t').collect();
        ended.assert(fields.len() == 6 && fields[1].len() == 300 && fields[3..] == ["nil", "true", "text"]);
        let (id, i): (usize, usize) = (fields[0].parse().unwrap(), fields[2].parse().unwrap());
        ended.assert(next[id] == i);
        next[id] += 1;
    }
    ended.assert(next == [1, 201, 201, 201, 201, 201, 201, 201, 201]);
}

fn io_write_writes_each_call_in_one_piece(backend: &str) {
    let ended = run(
        backend,
        r#"
        for _, result in ipairs(goroutine.await_all(goroutine.spawn_many(8, function(id)
          for i = 1, 200 do
            assert(io.write("<", id, ";", i, ";", ("y"):rep(200), ">\n") == io.output())
          end
          assert(io.write() == io.output())
          assert(not pcall(io.write, {}))
        end))) do assert(result.success, result.error) end
        "#,
    );
    ended.assert(ended.code == Some(0) && ended.stderr.is_empty());
    let tail = format!("{}>", "y".repeat(200));
    let mut count = 0;
    for line in ended.stdout.lines() {
        let fields: Vec<_> = line.trim_start_matches('<').split(';').collect();
        ended.assert(line.starts_with('<') && fields.len() == 3 && fields[2] == tail);
        count += 1;
    }
    ended.assert(count == 1600);
}

fn an_error_that_nobody_awaits_is_told_on_stderr_once(backend: &str) {
    let ended = run(
        backend,
        r#"
        local handle = goroutine.spawn(function()
          error("told at once", 0)
        end)
        handle:await()
        goroutine.async(function() error("dropped", 0) end)
        goroutine.wait_all()
        print("the end")
        "#,
    );
    ended.assert(ended.code == Some(0) && ended.stdout == "the end\n");
    ended.assert(ended.stderr.matches("failed: told at once").count() == 1);
    ended.assert(ended.stderr.matches("failed: dropped").count() == 1);
    ended.assert(ended.stderr.matches("stack traceback").count() == 2);
    ended.assert(
        ended.stderr.contains("(started at script.lua:2)")
            && ended.stderr.contains("(started at script.lua:6)"),
    );
}

fn an_error_whose_handle_is_held_to_the_end_is_told_on_stderr(backend: &str) {
    for end in ["", "os.exit(0)"] {
        let source = format!(
            r#"
            held = goroutine.async(function() error("held", 0) end)
            while not held:done() do goroutine.sleep(0.1) end
            {end}
            "#
        );
        let ended = run(backend, &source);
        ended.assert(ended.code == Some(0));
        ended.assert(ended.stderr.matches("failed: held").count() == 1);
    }
}

fn an_error_that_is_awaited_is_not_told(backend: &str) {
    let ended = run(
        backend,
        r#"
        local handle = goroutine.async(function() error("seen", 0) end)
        print((select(2, handle:await())))
        goroutine.spawn(goroutine.sleep, 1e9):cancel()
        assert(goroutine.wait_all(20000))
        "#,
    );
    ended.assert(ended.code == Some(0) && ended.stdout == "seen\n" && ended.stderr.is_empty());
}

fn the_end_of_the_script_cancels_what_still_runs(backend: &str) {
    if !CLOSES_VARIABLES {
        return;
    }
    let ended = run(
        backend,
        r#"
        local ready = goroutine.channel()
        goroutine.spawn(function()
          local guard <close> = setmetatable({}, { __close = function() print("unwound") end })
          ready:send(true)
          goroutine.sleep(math.huge)
        end)
        ready:receive()
        print("the end")
        "#,
    );
    ended.assert(ended.code == Some(0) && ended.stderr.is_empty());
    ended.assert(ended.stdout == "the end\nunwound\n" && ended.took < Duration::from_secs(20));
}

fn exit_at_home_ends_the_process_with_its_code(backend: &str) {
    for (argument, code) in [("", 0), ("7", 7), ("true", 0), ("false", 1), ("3, true", 3)] {
        let source = format!(
            r#"
            goroutine.spawn(goroutine.sleep, 1e9)
            print("before")
            os.exit({argument})
            print("after")
            "#
        );
        let ended = run(backend, &source);
        ended.assert(ended.code == Some(code) && ended.stdout == "before\n" && ended.stderr.is_empty());
    }
}

fn exit_with_what_is_no_code_ends_nothing(backend: &str) {
    let ended = run(
        backend,
        r#"
        local go = goroutine.channel()
        local h = goroutine.async(function() return go:receive() end)
        print(select(2, pcall(function() os.exit({}) end)))
        print(pcall(os.exit, "soon"))
        go:send("still there")
        print(h:await())
        "#,
    );
    let number = "number expected, got";
    let lines: Vec<&str> = ended.stdout.lines().collect();
    ended.assert(lines.len() == 3 && lines[2] == "true\tstill there\ttrue");
    ended.assert(lines[0].ends_with(&format!(":4: bad argument #1 to 'exit' ({number} table)")));
    // Called by pcall itself, it has the name that plain Lua finds for it.
    ended.assert(lines[1].ends_with(&format!("bad argument #1 to 'os.exit' ({number} string)")));
}

fn exit_in_a_goroutine_ends_the_process_with_its_code(backend: &str) {
    for (argument, code) in [("", 0), ("7", 7), ("true", 0), ("false", 1), ("3, true", 3)] {
        let source = format!(
            r#"
            local ok, err = goroutine.await(goroutine.async(function()
              print("before")
              os.exit({argument})
              print("after")
            end))
            goroutine.sleep(1e9)
            "#
        );
        let ended = run(backend, &source);
        ended.assert(ended.code == Some(code) && ended.stdout == "before\n" && ended.stderr.is_empty());
    }
}

fn exit_in_a_goroutine_while_home_waits_for_another(backend: &str) {
    let ended = run(
        backend,
        r#"
        goroutine.spawn(function()
          local nested = coroutine.wrap(function() pcall(os.exit, 5) print("after") end)
          nested()
        end)
        goroutine.channel():receive()
        "#,
    );
    ended.assert(ended.code == Some(5));
}

fn exit_unwinds_goroutines_first(backend: &str) {
    if !CLOSES_VARIABLES {
        return;
    }
    for exit in ["os.exit(4)", "goroutine.spawn(os.exit, 4) goroutine.sleep(1e9)"] {
        let source = format!(
            r#"
            local ready = goroutine.channel()
            for i = 1, 20 do
              goroutine.spawn(function()
                local guard <close> = setmetatable({{}}, {{ __close = function() print("unwound") end }})
                ready:send(true)
                goroutine.sleep(math.huge)
              end)
              ready:receive()
            end
            {exit}
            "#
        );
        let ended = run(backend, &source);
        ended.assert(ended.code == Some(4) && ended.stdout == "unwound\n".repeat(20));
    }
}

fn exit_does_not_wait_long_for_those_who_do_not_unwind(backend: &str) {
    let ended = run(
        backend,
        r#"
        local ready = goroutine.channel()
        goroutine.spawn(function()
          ready:send(true)
          while true do end
        end)
        ready:receive()
        os.exit(6)
        "#,
    );
    // 2 s, and room for a busy machine.
    ended.assert(ended.code == Some(6) && ended.took < Duration::from_secs(20));
}

fn exit_refuses_a_wrong_code(backend: &str) {
    let ended = run(
        backend,
        r#"
        for _, code in ipairs({ "text", {}, print }) do
          local ok, err = goroutine.await(goroutine.async(function() os.exit(code) end))
          assert(not ok and err:find("bad argument #1 to 'exit'", 1, true), tostring(err))
        end
        "#,
    );
    ended.assert(ended.code == Some(0));
}

fn input_is_waited_for_without_an_isolate(backend: &str) {
    // There a coroutine does not say whether it can yield.
    if cfg!(any(feature = "lua51", feature = "lua52")) {
        return;
    }
    let ended = run_fed(
        backend,
        r#"
        local readers = {}
        for i = 1, 20 do
            readers[i] = goroutine.async(function()
                if i == 20 then
                    for line in io.lines() do return line end
                end
                return io.read("*l")
            end)
        end
        for i = 1, 20 do
            while readers[i]:status() ~= "waiting" do goroutine.sleep(0.2) end
        end
        -- All isolates are free.
        for i = 1, 20 do assert(goroutine.async(function() return true end):await()) end
        os.remove(gate)
        local lines = {}
        for i = 1, 20 do lines[i] = tostring(select(2, readers[i]:await())) end
        table.sort(lines)
        print(table.concat(lines, " "))
        print(goroutine.async(function()
            local wrong = select(2, pcall(io.read, "*q"))
            return io.read("*n"), io.read(3), (io.read("*a")), (io.read("*l")), wrong
        end):await())
        "#,
        Some(b"a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn\no\np\nq\nr\ns\nt\n12 xy the\nrest\n"),
    );
    ended.assert(ended.code == Some(0));
    let (lines, rest) = ended.stdout.split_once('\n').unwrap_or_default();
    ended.assert(lines == "a b c d e f g h i j k l m n o p q r s t");
    ended.assert(rest.starts_with("true\t12\t xy\t the\nrest\n\tnil\t"));
    ended.assert(rest.contains("bad argument #1 to 'io.read' (invalid format)"));
}

fn a_goroutine_that_waits_for_input_does_not_hold_up_the_end(backend: &str) {
    let ended = run_fed(
        backend,
        r#"
        for i = 1, 3 do goroutine.spawn(function() io.read() end) end
        local sleeping = goroutine.async(goroutine.sleep, 20)
        sleeping:await()
        print("the end")
        os.exit(5)
        "#,
        Some(b""),
    );
    ended
        .assert(ended.code == Some(5) && ended.stdout == "the end\n" && ended.took < Duration::from_secs(20));
}
