//! The rows with processes of their own: they are about the memory of a process, or may not end.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use benches::{BACKENDS, Home, resident};

use crate::figures::spread;

/// How long a process of its own may take.
const LIMIT: Duration = Duration::from_secs(90);

/// A row: its process prints the figures.
pub(crate) struct Apart {
    pub(crate) name: &'static str,
    what: &'static str,
    bar: &'static str,
    run: fn(&Home),
}

pub(crate) const APART: [Apart; 7] = [
    Apart {
        name: "ping-pong between",
        what: "100,000 times there and back between goroutines of two isolates",
        bar: "10 µs or less",
        run: between,
    },
    Apart {
        name: "sleepers",
        what: "100,000 goroutines asleep at once for 1 s, and the whole run",
        bar: "2,048 bytes each or less, 1.3 s or less",
        run: |home| sleepers(home, 100_000, 1000),
    },
    Apart {
        name: "million",
        what: "1,000,000 goroutines asleep at once for 20 s, and the whole run",
        bar: "2 GB or less",
        run: |home| sleepers(home, 1_000_000, 20_000),
    },
    Apart {
        name: "channels",
        what: "100,000 goroutines, each with a channel of its own, from which it receives and answers",
        bar: "works",
        run: |home| whole_run(home, CHANNELS),
    },
    Apart {
        name: "chain",
        what: "100,000 goroutines in a row, each of which passes a value on, after all have started",
        bar: "works",
        run: |home| whole_run(home, CHAIN),
    },
    Apart {
        name: "beside",
        what: "a goroutine that returns at once, started while 8 others loop for ever, 20 times at irregular intervals",
        bar: "a median of 50 ms or less",
        run: beside,
    },
    Apart {
        name: "timeout",
        what: "timeout(200) of an endless loop, 5 times; then what the processors do for 1 s",
        bar: "250 ms or less, then idle",
        run: timeout,
    },
];

const CHANNELS: &str = "
    local n = 100000
    local answers, all = goroutine.channel(1024), {}
    for i = 1, n do
        local channel = goroutine.channel()
        all[i] = channel
        goroutine.spawn(function() answers:send(channel:receive() + 1) end)
    end
    held()
    goroutine.spawn(function() for i = 1, #all do all[i]:send(i) end end)
    local sum = 0
    for _ = 1, n do sum = sum + answers:receive() end
    assert(sum == n * (n + 1) / 2 + n)";

const CHAIN: &str = "
    local n = 100000
    local first = goroutine.channel()
    local from = first
    for _ = 1, n do
        local source, to = from, goroutine.channel()
        goroutine.spawn(function() to:send(source:receive() + 1) end)
        from = to
    end
    held()
    first:send(0)
    assert(from:receive() == n)";

impl Apart {
    /// Measures it on every backend.
    pub(crate) fn measure(&self) {
        println!("{}: {} (bar: {})", self.name, self.what, self.bar);
        for backend in BACKENDS {
            match self.in_process(backend) {
                Ok(figures) => println!("    {backend:<32} {figures}"),
                Err(why) => println!("    {backend:<32} not measured: {why}"),
            }
        }
    }

    fn in_process(&self, backend: &str) -> Result<String, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut process = Command::new(program)
            .args(["apart", self.name, backend])
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
}

/// What such a process does. It ends without looking back: some goroutines never do.
pub(crate) fn run(row: &str, backend: &str) {
    if let Some(row) = APART.iter().find(|one| one.name == row) {
        (row.run)(&Home::new(backend, 2));
    }
    std::process::exit(0);
}

/// The figures of the rounds: what the function gives that `code` makes.
fn called(home: &Home, rounds: usize, code: &str) -> Option<[f64; 3]> {
    let function = home.function(&format!("local goroutine = require('goroutine') {code}"));
    let mut figures = Vec::new();
    for _ in 0..rounds {
        match function.call::<f64>(()) {
            Ok(figure) => figures.push(figure),
            Err(error) => {
                eprintln!("{error}");
                return None;
            }
        }
    }
    Some(spread(figures))
}

/// The intervals are not those of the time slices: one that is started as the one before ends could be taken up by an isolate
/// that is just then between two loops.
fn beside(home: &Home) {
    let figures = called(
        home,
        20,
        "for _ = 1, 8 do goroutine.spawn(function() while true do end end) end
        goroutine.sleep(500)
        return function()
            goroutine.sleep(5 + math.random() * 40)
            local begin = goroutine.now()
            goroutine.await(goroutine.async(function() end))
            return goroutine.now() - begin
        end",
    );
    if let Some([least, median, most]) = figures {
        println!("{median:.1} ms ({least:.1} to {most:.1})");
    }
}

fn timeout(home: &Home) {
    let figures = called(
        home,
        5,
        "return function()
            local begin = goroutine.now()
            goroutine.timeout(200, function() while true do end end)
            return goroutine.now() - begin
        end",
    );
    let Some([least, median, most]) = figures else { return };
    let before = computed();
    std::thread::sleep(Duration::from_secs(1));
    let busy = before.zip(computed()).map(|(before, after)| after - before);
    let busy = busy.map_or("an unknown part".into(), |busy| format!("{:.2} %", busy.as_secs_f64() * 100.0));
    println!("{median:.1} ms ({least:.1} to {most:.1}); then {busy} of one processor");
}

/// How long the threads of this process have been on a processor, where the system tells (Linux).
fn computed() -> Option<Duration> {
    let mut nanoseconds = 0;
    for thread in std::fs::read_dir("/proc/self/task").ok()? {
        let told = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        nanoseconds += told.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(nanoseconds))
}

/// Both goroutines compute until the other has begun, so that each isolate takes one. They tell where they were.
fn between(home: &Home) {
    let figures = called(
        home,
        7,
        "return function()
            local n = 100000
            local there, back = goroutine.channel(), goroutine.channel()
            local begun = goroutine.atomic_int()
            local function begin()
                begun:add(1)
                local limit = os.clock() + 1
                while begun:load() < 2 and os.clock() < limit do end
            end
            local other = goroutine.async(function()
                begin()
                for _ = 1, n do back:send((there:receive())) end
                return tostring(string) -- one table for each isolate
            end)
            local first = goroutine.async(function()
                begin()
                local begin = goroutine.now()
                for i = 1, n do there:send(i) back:receive() end
                return tostring(string), goroutine.now() - begin
            end)
            local _, here, took = assert(first:await())
            local _, there = assert(other:await())
            assert(here ~= there, 'the goroutines are in one isolate')
            return took / n * 1000
        end",
    );
    if let Some([least, median, most]) = figures {
        println!("{median:.2} µs each ({least:.2} to {most:.2})");
    }
}

fn sleepers(home: &Home, count: usize, milliseconds: u64) {
    home.run("local goroutine = require('goroutine') goroutine.await(goroutine.async(function() end))");
    let before = resident();
    let begin = Instant::now();
    home.run(&format!(
        "local goroutine = require('goroutine')
        local asleep = goroutine.wait_group()
        asleep:add({count})
        for _ = 1, {count} do
            goroutine.spawn(function() asleep:done() goroutine.sleep({milliseconds}) end)
        end
        asleep:wait()"
    ));
    // Who sleeps no more by now has given its memory back.
    let all_asleep = begin.elapsed() < Duration::from_millis(milliseconds);
    let each = before.zip(resident()).filter(|_| all_asleep);
    let each = each.map(|(before, now)| now.saturating_sub(before) as f64 / count as f64);
    let started = begin.elapsed().as_secs_f64();
    home.run("require('goroutine').wait_all()");
    let whole = begin.elapsed().as_secs_f64();
    match each {
        Some(each) => println!("{each:.0} bytes each; {whole:.2} s, of which starting {started:.2}"),
        None => println!("memory not known, as starting took longer than sleeping; {whole:.2} s"),
    }
}

/// Runs the code, in which `held()` says that everything is there.
fn whole_run(home: &Home, code: &str) {
    home.run("local goroutine = require('goroutine') goroutine.await(goroutine.async(function() end))");
    let before = resident().unwrap_or_default();
    let begin = Instant::now();
    let function = home.function(&format!(
        "local goroutine = require('goroutine')
        return function(held) {code} end"
    ));
    let memory = std::rc::Rc::new(std::cell::Cell::new(0));
    let seen = std::rc::Rc::clone(&memory);
    let held = home.callback(move || seen.set(resident().unwrap_or_default()));
    if let Err(error) = function.call::<()>(held) {
        return eprintln!("{error}");
    }
    let each = memory.get().saturating_sub(before) as f64 / 1e5;
    println!("{:.2} s; {each:.0} bytes each", begin.elapsed().as_secs_f64());
}
