//! `circuit_breaker(options)` and its methods.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use runtime_core::{Call, CircuitBreaker, Ending};

use super::locks::cancelled;
use super::options::Options;
use super::{Named, Primitives};
use crate::object::Object;

/// A circuit breaker as a Lua value.
#[derive(Clone)]
pub(crate) struct CircuitBreakerObject(pub(crate) CircuitBreaker);

impl Named for CircuitBreakerObject {
    const NAME: &'static str = "circuit breaker";
    const CLASS: &'static str = "circuit_breaker";

    fn from_object(object: Object) -> Option<Self> {
        match object {
            Object::CircuitBreaker(object) => Some(object),
            _ => None,
        }
    }
}

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    prim.function("circuit_breaker", |context, args| {
        let options = Options::read(&args, 1, &["threshold", "timeout", "half_open_max"])?;
        let count = |name, default| -> Result<NonZeroUsize, crate::fault::Fault> {
            let count = options.count(name, 1, i64::from(u32::MAX))?.unwrap_or(default);
            Ok(NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN))
        };
        let threshold = count("threshold", 5)?;
        let timeout = options.number("timeout", 0.0)?.unwrap_or(30_000.0);
        let timeout = Duration::try_from_secs_f64(timeout / 1000.0).unwrap_or(Duration::MAX);
        let half_open_max = count("half_open_max", 1)?;
        let backend = Arc::clone(&context.state.system.backend);
        let breaker = CircuitBreaker::new(backend, threshold, timeout, half_open_max);
        context.values(context.object(Object::CircuitBreaker(CircuitBreakerObject(breaker)))?)
    })?;
    // The first half of `call` (the rest is in `lua/on_top.lua`): the number of a call that may go through, or nothing.
    prim.method("circuit_breaker", "call", |context, args| {
        let this = args.this::<CircuitBreakerObject>()?.0;
        args.check_function(1)?;
        if context.state.must_stop() {
            return cancelled();
        }
        context.values(this.begin().map(|call| call.number() as i64))
    })?;
    // The second: gives true if the call was given up, because its goroutine was cancelled, which says nothing of what it
    // has called.
    prim.method("circuit_breaker", "end", |context, args| {
        let this = args.this::<CircuitBreakerObject>()?.0;
        let call = Call::from_number(args.integer(1)? as u64);
        let ending = match args.get(2) {
            Some(mlua::Value::Boolean(true)) => Ending::Success,
            _ if context.state.was_cancelled() => Ending::GivenUp,
            _ => Ending::Failure,
        };
        this.end(call, ending);
        context.values(ending == Ending::GivenUp)
    })?;
    prim.method("circuit_breaker", "state", |context, args| {
        context.values(args.this::<CircuitBreakerObject>()?.0.state().as_str())
    })
}
