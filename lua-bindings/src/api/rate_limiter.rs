//! `rate_limiter(options)` and its methods.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use mlua::Value;
use runtime_core::RateLimiter;

use super::locks::{cancelled, limit};
use super::options::Options;
use super::{Named, Primitives};
use crate::goroutine::Reply;
use crate::object::Object;

/// A rate limiter as a Lua value.
#[derive(Clone)]
pub(crate) struct RateLimiterObject(pub(crate) RateLimiter);

impl Named for RateLimiterObject {
    const NAME: &'static str = "rate limiter";
    const CLASS: &'static str = "rate_limiter";

    fn from_object(object: Object) -> Option<Self> {
        match object {
            Object::RateLimiter(object) => Some(object),
            _ => None,
        }
    }
}

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    prim.function("rate_limiter", |context, args| {
        if matches!(args.get(1), None | Some(Value::Nil)) {
            return Err(args.wrong(1, "table with the option 'rate'"));
        }
        let options = Options::read(&args, 1, &["rate", "per", "burst"])?;
        let Some(rate) = options.number("rate", f64::MIN_POSITIVE)? else {
            return Err(options.bad("rate", "number above 0 expected, got nil"));
        };
        let per = options.number("per", f64::MIN_POSITIVE)?.unwrap_or(1000.0);
        let burst = options.count("burst", 1, i64::from(u32::MAX))?.and_then(NonZeroUsize::new);
        // What is longer than any clock counts is a century.
        let interval = Duration::try_from_secs_f64(per / rate / 1000.0).unwrap_or(Duration::MAX);
        let interval = interval.min(Duration::from_secs(100 * 365 * 24 * 3600));
        let backend = Arc::clone(&context.state.system.backend);
        let limiter = RateLimiter::new(backend, interval, burst.unwrap_or(NonZeroUsize::MIN));
        context.values(context.object(Object::RateLimiter(RateLimiterObject(limiter)))?)
    })?;
    prim.method("rate_limiter", "wait", |context, args| {
        let this = args.this::<RateLimiterObject>()?.0;
        let limit = limit(context, &args, 1)?;
        if context.state.must_stop() {
            return cancelled();
        }
        if this.try_now() {
            return context.values(true);
        }
        context.wait(limit, this.wait(), |()| Reply::True)
    })?;
    prim.method("rate_limiter", "try", |context, args| {
        context.values(args.this::<RateLimiterObject>()?.0.try_now())
    })
}
