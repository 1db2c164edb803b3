//! The options of `retry`, and how long it waits; the rest of it is Lua (`lua/on_top.lua`).

use std::time::Duration;

use runtime_core::Backoff;

use super::Primitives;
use super::locks::cancelled;
use super::options::Options;

/// The most attempts: as many as anybody will see.
const MOST: i64 = 1 << 31;

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    prim.function("retry", |context, args| {
        let known = ["max_attempts", "initial_delay", "max_delay", "multiplier", "jitter"];
        let options = Options::read(&args, 1, &known)?;
        let attempts = options.count("max_attempts", 1, MOST)?.unwrap_or(5);
        let initial = options.number("initial_delay", 0.0)?.unwrap_or(100.0);
        let max = options.number("max_delay", 0.0)?.unwrap_or(10_000.0);
        let multiplier = options.number("multiplier", 1.0)?.unwrap_or(2.0);
        let jitter = options.boolean("jitter")?.unwrap_or(true);
        args.check_function(2)?;
        if context.state.must_stop() {
            return cancelled();
        }
        context.values((attempts, initial, max, multiplier, jitter))
    })?;
    // Whether the goroutine itself was cancelled: its error then is not the function's.
    prim.raw("retry_over", |_, state, ()| Ok(state.was_cancelled()))?;
    prim.raw(
        "retry_delay",
        |_, _, (attempt, initial, max, multiplier, jitter): (u32, f64, f64, f64, bool)| {
            let time =
                |ms: f64| Duration::try_from_secs_f64(ms / 1000.0).unwrap_or(Duration::from_secs(u64::MAX));
            let backoff = Backoff { initial: time(initial), max: time(max), multiplier, jitter };
            Ok(backoff.delay(attempt).as_secs_f64() * 1000.0)
        },
    )
}
