//! Prints one table: what starting, awaiting, pools, channels and sleeping cost here, beside what else is installed.
//!
//! `cargo run --release -p benches --bin table` runs everything; a word behind it runs the rows that have it in their name.
//! Each row says what was run, and gives the median of its rounds, with the least and the most.
//!
//! What may not end, or is about the memory of a process, runs in a process of its own, with a time limit.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use benches::{Home, resident};

/// The backends that are measured, ours first.
const BACKENDS: [&str; 3] = ["threads", "tokio", "smol"];
const ROUNDS: usize = 7;
/// How long a process of its own may take.
const LIMIT: Duration = Duration::from_secs(30);

/// What of a round is printed.
#[derive(Clone, Copy)]
enum Unit {
    /// Microseconds for each of so many.
    Each(u32),
    /// How many of so many in a second.
    PerSecond(u32),
}

/// A row that is measured from outside: Lua code that makes a function, which is called with how many.
struct Row {
    name: &'static str,
    what: &'static str,
    unit: Unit,
    isolates: usize,
    code: &'static str,
    /// The same for others: a name, and what gives a round in seconds.
    others: &'static [(&'static str, Other)],
}

/// How a round of another system is come by.
#[derive(Clone, Copy)]
enum Other {
    /// A script for `lua5.4`, which prints the seconds that its work took; with the module that it needs.
    Stock(&'static str, Option<&'static str>),
    /// A main package for `go run`, which prints the same.
    Go(&'static str),
    /// Seconds, measured here.
    Here(fn(u32) -> f64),
}

const ROWS: [Row; 7] = [
    Row {
        name: "start",
        what: "start + join of an empty function, 100,000",
        unit: Unit::Each(100_000),
        isolates: 2,
        code: "local function work() end
            return function(n) for _ = 1, n do goroutine.spawn(work) end goroutine.wait_all() end",
        others: &[
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
                    r#"package main
import ("fmt"; "sync"; "time")
func main() {
    n := 100000
    begin := time.Now()
    var group sync.WaitGroup
    group.Add(n)
    for i := 0; i < n; i++ { go func() { group.Done() }() }
    group.Wait()
    fmt.Println(time.Since(begin).Seconds())
}"#,
                ),
            ),
            ("tokio::spawn", Other::Here(tokio_spawn)),
        ],
    },
    Row {
        name: "start captured",
        what: "the same, a new closure with three captured numbers each time",
        unit: Unit::Each(100_000),
        isolates: 2,
        code: "local a, b = 1, 2
            return function(n)
                for i = 1, n do goroutine.spawn(function() return a + b + i end) end
                goroutine.wait_all()
            end",
        others: &[],
    },
    Row {
        name: "start local",
        what: "start + join of an empty function in the state itself (goroutine.local), 100,000",
        unit: Unit::Each(100_000),
        isolates: 2,
        code: "goroutine = require('goroutine.local') local function work() end
            return function(n) for _ = 1, n do goroutine.spawn(work) end goroutine.wait_all() end",
        others: &[],
    },
    Row {
        name: "await",
        what: "async + await of two values, 100,000",
        unit: Unit::Each(100_000),
        isolates: 2,
        code: "local function work(x) return x, x + 1 end
            return function(n)
                local all = {}
                for i = 1, n do all[i] = goroutine.async(work, i) end
                for i = 1, n do all[i]:await() end
            end",
        others: &[],
    },
    Row {
        name: "pool",
        what: "a pool of 2, its queue 1,024: 100,000 tiny tasks with a captured number",
        unit: Unit::PerSecond(100_000),
        isolates: 2,
        code: "goroutine.pool_create('table', { workers = 2, queue = 1024 })
            return function(n)
                for i = 1, n do goroutine.pool_submit('table', function() return i end) end
                goroutine.pool_wait('table')
            end",
        others: &[],
    },
    Row {
        name: "stream",
        what: "1,000,000 integers from one goroutine to another, through a channel of capacity 1,024",
        unit: Unit::PerSecond(1_000_000),
        isolates: 2,
        code: "return function(n)
                local channel = goroutine.channel(1024)
                goroutine.spawn(function() for i = 1, n do channel:send(i) end end)
                goroutine.async(function() for _ = 1, n do channel:receive() end end):await()
            end",
        others: &[],
    },
    Row {
        name: "ping-pong together",
        what: "100,000 times there and back between two goroutines of one isolate",
        unit: Unit::Each(100_000),
        isolates: 1,
        code: PING_PONG,
        others: &[
            (
                "lua5.4 coroutines (one state)",
                Other::Stock(
                    "local other = coroutine.create(function() while true do coroutine.yield() end end)
                    for _ = 1, N do coroutine.resume(other) end",
                    None,
                ),
            ),
            (
                "go",
                Other::Go(
                    r#"package main
import ("fmt"; "time")
func main() {
    there, back := make(chan int), make(chan int)
    go func() { for { back <- <-there } }()
    begin := time.Now()
    for i := 0; i < 100000; i++ { there <- i; <-back }
    fmt.Println(time.Since(begin).Seconds())
}"#,
                ),
            ),
        ],
    },
];

const PING_PONG: &str = "return function(n)
    local there, back = goroutine.channel(), goroutine.channel()
    local other = goroutine.async(function() for _ = 1, n do back:send((there:receive())) end end)
    goroutine.async(function() for i = 1, n do there:send(i) back:receive() end end):await()
    other:await()
end";

/// The rows with processes of their own: what they print are figures.
const APART: [(&str, &str, &str); 4] = [
    ("ping-pong between", "100,000 times there and back between goroutines of two isolates", "µs each"),
    ("sleepers", "100,000 goroutines asleep at once for 1 s, and the whole run", "bytes each; s"),
    ("beside", "a goroutine that returns at once, started while 8 others loop for ever, 20 times", "ms"),
    ("timeout", "timeout(200) of an endless loop, 5 times", "ms"),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["apart", row, backend] => apart(row, backend),
        words => {
            let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
            ROWS.iter().filter(|row| wanted(row.name)).for_each(measure);
            APART.iter().filter(|row| wanted(row.0)).for_each(measure_apart);
        }
    }
}

fn measure(row: &Row) {
    println!("{}: {}", row.name, row.what);
    let count = match row.unit {
        Unit::Each(count) | Unit::PerSecond(count) => count,
    };
    for backend in BACKENDS {
        let home = Home::new(backend, row.isolates);
        let function = home.function(&format!("local goroutine = require('goroutine') {}", row.code));
        let round = || {
            let begin = Instant::now();
            if let Err(error) = function.call::<()>(count) {
                return Err(error.to_string());
            }
            Ok(begin.elapsed().as_secs_f64())
        };
        print(backend, rounds(round), row.unit);
    }
    for (name, other) in row.others {
        let seconds = match *other {
            Other::Stock(_, Some(module)) if stock(&format!("require('{module}') print(0)")).is_err() => {
                Err(format!("{module} is not installed"))
            }
            Other::Stock(code, _) => {
                let code = format!(
                    "N, SCALE = {count}, 1 local clock = os.clock()
                    {code}
                    print((os.clock() - clock) * SCALE)"
                );
                rounds(|| stock(&code))
            }
            Other::Go(code) => go(code),
            Other::Here(work) => rounds(|| Ok(work(count))),
        };
        print(name, seconds, row.unit);
    }
}

fn rounds(mut round: impl FnMut() -> Result<f64, String>) -> Result<Vec<f64>, String> {
    round()?; // warms up
    (0..ROUNDS).map(|_| round()).collect()
}

/// Runs a script in the stock interpreter, which prints a number.
fn stock(code: &str) -> Result<f64, String> {
    number(Command::new("lua5.4").args(["-e", code]), "lua5.4")
}

fn go(code: &str) -> Result<Vec<f64>, String> {
    if Command::new("go").arg("version").output().is_err() {
        return Err("go is not installed".into());
    }
    let folder = std::env::temp_dir().join(format!("goroutine-table-{}", std::process::id()));
    let file = folder.join("main.go");
    std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&file, code)).map_err(|e| e.to_string())?;
    let measured = rounds(|| number(Command::new("go").arg("run").arg(&file), "go"));
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

fn print(column: &str, seconds: Result<Vec<f64>, String>, unit: Unit) {
    let figures = seconds.map(|rounds| {
        let mut figures: Vec<f64> = rounds
            .into_iter()
            .map(|seconds| match unit {
                Unit::Each(count) => seconds * 1e6 / f64::from(count),
                Unit::PerSecond(count) => f64::from(count) / seconds,
            })
            .collect();
        figures.sort_by(f64::total_cmp);
        figures
    });
    match (figures, unit) {
        (Err(why), _) => println!("    {column:<32} not measured: {why}"),
        (Ok(all), Unit::Each(_)) => {
            println!(
                "    {column:<32} {:.2} µs each ({:.2} to {:.2})",
                median(&all),
                all[0],
                all[all.len() - 1]
            );
        }
        (Ok(all), Unit::PerSecond(_)) => {
            println!(
                "    {column:<32} {:.0} per second ({:.0} to {:.0})",
                median(&all),
                all[0],
                all[all.len() - 1]
            );
        }
    }
}

/// Of figures in order.
fn median(figures: &[f64]) -> f64 {
    figures[figures.len() / 2]
}

fn measure_apart((name, what, unit): &(&str, &str, &str)) {
    println!("{name}: {what}");
    for backend in BACKENDS {
        match in_process(name, backend) {
            Ok(figures) => println!("    {backend:<32} {figures} ({unit})"),
            Err(why) => println!("    {backend:<32} not measured: {why}"),
        }
    }
}

/// Runs a row in a process of its own.
fn in_process(row: &str, backend: &str) -> Result<String, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut process = Command::new(program)
        .args(["apart", row, backend])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let until = Instant::now() + LIMIT;
    while Instant::now() < until {
        if process.try_wait().map_err(|error| error.to_string())?.is_some() {
            let output = process.wait_with_output().map_err(|error| error.to_string())?;
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            return if text.is_empty() { Err(format!("{}", output.status)) } else { Ok(text) };
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = process.kill();
    let _ = process.wait();
    Err(format!("it did not end within {} s", LIMIT.as_secs()))
}

/// What such a process does. It ends without looking back: some goroutines never do.
fn apart(row: &str, backend: &str) {
    let home = Home::new(backend, 2);
    match row {
        "ping-pong between" => between(&home),
        "sleepers" => sleepers(&home),
        "beside" => print_median_ms(
            &home,
            20,
            "for _ = 1, 8 do goroutine.spawn(function() while true do end end) end
            return function() goroutine.await(goroutine.async(function() end)) end",
        ),
        _ => print_median_ms(
            &home,
            5,
            "return function() goroutine.timeout(200, function() while true do end end) end",
        ),
    }
    std::process::exit(0);
}

fn print_median_ms(home: &Home, rounds: usize, code: &str) {
    let function = home.function(&format!("local goroutine = require('goroutine') {code}"));
    let mut figures = Vec::new();
    for _ in 0..rounds {
        let begin = Instant::now();
        if let Err(error) = function.call::<()>(()) {
            eprintln!("{error}");
            return;
        }
        figures.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    figures.sort_by(f64::total_cmp);
    println!("{:.1}", median(&figures));
}

/// Both goroutines compute until the other has begun, and so are in two isolates from then on.
fn between(home: &Home) {
    let function = home.function(
        "local goroutine = require('goroutine')
        return function(n)
            local there, back = goroutine.channel(), goroutine.channel()
            local begun = goroutine.atomic_int()
            local function begin()
                begun:add(1)
                local limit = os.clock() + 1
                while begun:load() < 2 and os.clock() < limit do end
                return begun:load() == 2
            end
            local other = goroutine.async(function()
                assert(begin(), 'the goroutines are in one isolate')
                for _ = 1, n do back:send((there:receive())) end
                return tostring(string) -- one table for each isolate
            end)
            local first = goroutine.async(function()
                assert(begin(), 'the goroutines are in one isolate')
                for i = 1, n do there:send(i) back:receive() end
                return tostring(string)
            end)
            local _, here = assert(first:await())
            local _, there = assert(other:await())
            assert(here ~= there, 'the goroutines are in one isolate')
        end",
    );
    let mut figures = Vec::new();
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        if let Err(error) = function.call::<()>(100_000) {
            eprintln!("{error}");
            return;
        }
        figures.push(begin.elapsed().as_secs_f64() * 10.0);
    }
    figures.sort_by(f64::total_cmp);
    println!("{:.2}", median(&figures));
}

fn sleepers(home: &Home) {
    home.run("local goroutine = require('goroutine') goroutine.await(goroutine.async(function() end))");
    let before = resident();
    let begin = Instant::now();
    home.run(
        "local goroutine = require('goroutine')
        local asleep = goroutine.wait_group()
        asleep:add(100000)
        for _ = 1, 100000 do
            goroutine.spawn(function() asleep:done() goroutine.sleep(1000) end)
        end
        asleep:wait()",
    );
    // Who sleeps no more by now has given its memory back.
    let all_asleep = begin.elapsed() < Duration::from_secs(1);
    let each = before.zip(resident()).filter(|_| all_asleep);
    let each = each.map(|(before, now)| now.saturating_sub(before) as f64 / 1e5);
    home.run("require('goroutine').wait_all()");
    let whole = begin.elapsed().as_secs_f64();
    match each {
        Some(each) => println!("{each:.0}; {whole:.2}"),
        None => println!("not known, as starting took longer than sleeping; {whole:.2}"),
    }
}
