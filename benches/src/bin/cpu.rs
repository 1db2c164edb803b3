//! 8 x fib(32): as goroutines on 2 isolates, one after another in one goroutine, in the stock `lua5.4` if there is one, and
//! in two processes of that with half of the work each, which tells how much two cores of this machine can do. In turns,
//! so that all have the same machine; prints medians, seconds first, with the least and the most.

use std::process::Command;
use std::time::Instant;

use benches::Home;
use mlua::Function;

const FIB: &str = "local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end ";
const ROUNDS: usize = 9;

fn main() {
    let home = Home::new("tokio", 2);
    let parallel = home.function(&format!(
        r#"{FIB}
        local goroutine = require("goroutine")
        return function()
            for _, handle in ipairs(goroutine.spawn_many(8, function() return fib(32) end)) do handle:await() end
        end"#
    ));
    let serial = home.function(&format!(
        r#"{FIB}
        local goroutine = require("goroutine")
        return function()
            goroutine.await(goroutine.async(function() for _ = 1, 8 do fib(32) end end))
        end"#
    ));
    let rounds: Vec<Round> = (0..ROUNDS)
        .map(|_| Round {
            together: timed(|| call(&parallel)),
            alone: timed(|| call(&serial)),
            stock: stock(&[8]),
            two_stock: stock(&[4, 4]),
        })
        .collect();
    print("8 x fib(32), goroutines on 2 isolates", rounds.iter().map(|round| Some(round.together)));
    print("8 x fib(32), one goroutine", rounds.iter().map(|round| Some(round.alone)));
    print("8 x fib(32), one stock lua5.4", rounds.iter().map(|round| round.stock));
    print("8 x fib(32), two stock lua5.4 with half each", rounds.iter().map(|round| round.two_stock));
    println!("ratios of times of the same round:");
    print(
        "one goroutine / goroutines on 2 isolates",
        rounds.iter().map(|round| Some(round.alone / round.together)),
    );
    print(
        "one stock / goroutines on 2 isolates",
        rounds.iter().map(|round| Some(round.stock? / round.together)),
    );
    print(
        "one stock / two stock: what the machine has",
        rounds.iter().map(|round| Some(round.stock? / round.two_stock?)),
    );
    print("one goroutine / one stock", rounds.iter().map(|round| Some(round.alone / round.stock?)));
}

/// The times of one round, in seconds.
struct Round {
    together: f64,
    alone: f64,
    stock: Option<f64>,
    two_stock: Option<f64>,
}

fn call(function: &Function) {
    if let Err(error) = function.call::<()>(()) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn timed(work: impl FnOnce()) -> f64 {
    let begin = Instant::now();
    work();
    begin.elapsed().as_secs_f64()
}

/// So many times fib(32) in each of some processes of the stock interpreter, all at once.
fn stock(counts: &[usize]) -> Option<f64> {
    let begin = Instant::now();
    let start = |count| {
        let code = format!("{FIB} for _ = 1, {count} do fib(32) end");
        Command::new("lua5.4").args(["-e", &code]).spawn()
    };
    let processes: Vec<_> = counts.iter().map(start).collect::<Result<_, _>>().ok()?;
    let ended = processes.into_iter().all(|mut process| process.wait().is_ok_and(|status| status.success()));
    ended.then(|| begin.elapsed().as_secs_f64())
}

/// Prints the median of some figures, and the least and the most.
fn print(what: &str, figures: impl Iterator<Item = Option<f64>>) {
    let Some(mut figures) = figures.collect::<Option<Vec<f64>>>() else {
        println!("{what:<48} lua5.4 is not installed");
        return;
    };
    figures.sort_by(f64::total_cmp);
    let (least, median, most) = (figures[0], figures[figures.len() / 2], figures[figures.len() - 1]);
    println!("{what:<48} {median:.2} ({least:.2} to {most:.2})");
}
