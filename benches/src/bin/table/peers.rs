//! What else is installed, and does the same: measured beside, or left out with a word.

use std::process::Command;
use std::time::Instant;

use crate::figures::rounds;

/// How a round of another system is come by.
#[derive(Clone, Copy)]
pub(crate) enum Other {
    /// A script for `lua5.4`, with the module that it needs: does the work for `N` of it, and sets `SCALE` if it does
    /// only that part of it.
    Stock(&'static str, Option<&'static str>),
    /// What a main package for `go run` does for `n`.
    Go(&'static str),
    /// Seconds, measured here.
    Here(fn(u32) -> f64),
}

pub(crate) const START: &[(&str, Other)] = &[
    (
        "lua5.4 coroutines (one core)",
        Other::Stock(
            "local function work() end
            for _ = 1, N do coroutine.resume(coroutine.create(work)) end",
            None,
        ),
    ),
    (
        "luv work queue",
        Other::Stock(
            "local uv = require('luv') local work = uv.new_work(function() end, function() end)
            for _ = 1, N do work:queue() end uv.run()",
            Some("luv"),
        ),
    ),
    (
        "cqueues (one core)",
        Other::Stock(
            "local loop = require('cqueues').new()
            for _ = 1, N do loop:wrap(function() end) end
            assert(loop:loop())",
            Some("cqueues"),
        ),
    ),
    (
        "lanes (1,000)",
        Other::Stock(
            "local lanes = require('lanes').configure() local all, make = {}, lanes.gen(function() end)
            for i = 1, N // 100 do all[i] = make() end
            for i = 1, N // 100 do all[i]:join() end SCALE = 100",
            Some("lanes"),
        ),
    ),
    (
        "effil (1,000)",
        Other::Stock(
            "local effil = require('effil') local all, make = {}, effil.thread(function() end)
            for i = 1, N // 100 do all[i] = make() end
            for i = 1, N // 100 do all[i]:wait() end SCALE = 100",
            Some("effil"),
        ),
    ),
    (
        "go",
        Other::Go(
            "var group sync.WaitGroup
            group.Add(n)
            for i := 0; i < n; i++ { go func() { group.Done() }() }
            group.Wait()",
        ),
    ),
    ("tokio::spawn", Other::Here(tokio_spawn)),
];

pub(crate) const AWAIT: &[(&str, Other)] = &[(
    "luv work queue",
    Other::Stock(
        "local uv, sum = require('luv'), 0
        local work = uv.new_work(function(x) return x, x + 1 end, function(a, b) sum = sum + b - a end)
        for i = 1, N do work:queue(i) end uv.run() assert(sum == N)",
        Some("luv"),
    ),
)];

pub(crate) const STREAM: &[(&str, Other)] = &[(
    "go",
    Other::Go(
        "var group sync.WaitGroup
        group.Add(1)
        stream := make(chan int, 1024)
        go func() { for i := 0; i < n; i++ { stream <- i } }()
        go func() { for i := 0; i < n; i++ { <-stream }; group.Done() }()
        group.Wait()",
    ),
)];

pub(crate) const PING_PONG: &[(&str, Other)] = &[
    (
        "lua5.4 coroutines (one state)",
        Other::Stock(
            "local other = coroutine.create(function() while true do coroutine.yield() end end)
            for _ = 1, N do coroutine.resume(other) end",
            None,
        ),
    ),
    (
        "cqueues conditions (one state)",
        Other::Stock(
            "local cqueues, condition = require('cqueues'), require('cqueues.condition')
            local loop, there, back, turn = cqueues.new(), condition.new(), condition.new(), 1
            loop:wrap(function() for _ = 1, N do turn = 2 there:signal() while turn == 2 do back:wait() end end end)
            loop:wrap(function() for _ = 1, N do while turn == 1 do there:wait() end turn = 1 back:signal() end end)
            assert(loop:loop())",
            Some("cqueues"),
        ),
    ),
    (
        "go",
        Other::Go(
            "there, back := make(chan int), make(chan int)
            var group sync.WaitGroup
            group.Add(1)
            go func() { for i := 0; i < n; i++ { back <- <-there }; group.Done() }()
            for i := 0; i < n; i++ { there <- i; <-back }
            group.Wait()",
        ),
    ),
];

impl Other {
    /// The seconds of the rounds.
    pub(crate) fn measure(self, count: u32) -> Result<Vec<f64>, String> {
        match self {
            Self::Stock(_, Some(module)) if stock(&format!("require('{module}') print(0)")).is_err() => {
                Err(format!("{module} is not installed"))
            }
            Self::Stock(code, module) => {
                // Where threads work, by the clock on the wall: Lua has none with parts of a second.
                let clock = match module {
                    Some(_) => "function() return tonumber((io.popen('date +%s.%N'):read())) end",
                    None => "os.clock",
                };
                let code = format!(
                    "N, SCALE = {count}, 1
                    local clock = {clock}
                    local begin = clock()
                    {code}
                    print((clock() - begin) * SCALE)"
                );
                rounds(|| stock(&code))
            }
            Self::Go(code) => go(code, count),
            Self::Here(work) => rounds(|| Ok(work(count))),
        }
    }
}

/// Runs a script in the stock interpreter, which prints a number.
fn stock(code: &str) -> Result<f64, String> {
    number(Command::new("lua5.4").args(["-e", code]), "lua5.4")
}

fn go(code: &str, count: u32) -> Result<Vec<f64>, String> {
    if Command::new("go").arg("version").output().is_err() {
        return Err("go is not installed".into());
    }
    let folder = std::env::temp_dir().join(format!("goroutine-table-{}", std::process::id()));
    let (file, program) = (folder.join("main.go"), folder.join("main"));
    let code = format!(
        "package main
        import (\"fmt\"; \"sync\"; \"time\")
        func work(n int) {{
            {code}
        }}
        var _ sync.WaitGroup
        func main() {{
            begin := time.Now()
            work({count})
            fmt.Println(time.Since(begin).Seconds())
        }}"
    );
    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&file, code));
    let measured = written.map_err(|error| error.to_string()).and_then(|()| {
        let built = Command::new("go").args(["build", "-o"]).arg(&program).arg(&file).output();
        match built {
            Ok(built) if built.status.success() => rounds(|| number(&mut Command::new(&program), "go")),
            Ok(built) => Err(format!("go failed: {}", String::from_utf8_lossy(&built.stderr).trim())),
            Err(error) => Err(error.to_string()),
        }
    });
    let _ = std::fs::remove_dir_all(&folder);
    measured
}

fn number(command: &mut Command, name: &str) -> Result<f64, String> {
    let output = command.output().map_err(|_| format!("{name} is not installed"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .map_err(|_| format!("{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

fn tokio_spawn(count: u32) -> f64 {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build();
    let Ok(runtime) = runtime else { return f64::NAN };
    runtime.block_on(async {
        let begin = Instant::now();
        let tasks: Vec<_> = (0..count).map(|_| tokio::spawn(async {})).collect();
        for task in tasks {
            let _ = task.await;
        }
        begin.elapsed().as_secs_f64()
    })
}
