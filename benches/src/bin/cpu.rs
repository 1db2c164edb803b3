//! 8 x fib(32): as goroutines on 2 isolates, one after another in one goroutine, and in the stock `lua5.4` if there is
//! one. In turns, so that all have the same machine; prints medians and ratios.

use std::process::Command;
use std::time::{Duration, Instant};

use benches::Home;

const FIB: &str = "local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end ";
const ROUNDS: usize = 5;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

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
    let stock = || {
        let code = format!("{FIB} for _ = 1, 8 do fib(32) end");
        let begin = Instant::now();
        let ran = Command::new("lua5.4").args(["-e", &code]).status();
        ran.is_ok_and(|status| status.success()).then(|| begin.elapsed())
    };
    let (mut together, mut alone, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (function, times) in [(&parallel, &mut together), (&serial, &mut alone)] {
            let begin = Instant::now();
            if let Err(error) = function.call::<()>(()) {
                eprintln!("{error}");
                std::process::exit(1);
            }
            times.push(begin.elapsed());
        }
        plain.extend(stock());
    }
    let (together, alone) = (median(together), median(alone));
    println!("8 x fib(32), goroutines on 2 isolates   {together:.3?}");
    println!(
        "8 x fib(32), one goroutine              {alone:.3?}   {:.2} x",
        alone.as_secs_f64() / together.as_secs_f64()
    );
    if plain.is_empty() {
        println!("8 x fib(32), stock lua5.4               not installed");
    } else {
        let plain = median(plain);
        let (p, t, a) = (plain.as_secs_f64(), together.as_secs_f64(), alone.as_secs_f64());
        println!("8 x fib(32), stock lua5.4               {plain:.3?}   {:.2} x", p / t);
        println!("one goroutine against stock lua5.4: {:.2} x its time", a / p);
    }
}
