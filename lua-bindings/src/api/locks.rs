//! What the faces of locks have in common.
//!
//! A lock is held by the goroutine that runs, or by the code outside goroutines of a state (see
//! [`State::as_holder`](crate::state::State::as_holder)). What a goroutine still holds when it ends is given back then.

use std::time::Instant;

use mlua::IntoLuaMulti;
use runtime_core::locks::{Holder, Lock, Locked, TryLockError, UnlockError};

use super::{Answer, Args, Context, Outcome, Primitives, barrier, cond, mutex, once, rw_mutex, semaphore};
use crate::fault::Fault;
use crate::goroutine::Reply;

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    mutex::add(prim)?;
    rw_mutex::add(prim)?;
    semaphore::add(prim)?;
    once::add(prim)?;
    cond::add(prim)?;
    barrier::add(prim)
}

/// What the next holder of a lock is told once, if the one before it has ended without unlocking.
pub(super) const ABANDONED: &str = "abandoned";

/// `true`, or `true, "abandoned"`.
pub(super) fn locked(context: &Context<'_>, locked: Locked) -> Outcome {
    match locked {
        Locked::InOrder => context.values(true),
        Locked::Abandoned => context.values((true, ABANDONED)),
    }
}

/// The same at the end of a wait.
pub(super) fn reply(locked: Locked) -> Reply {
    match locked {
        Locked::InOrder => Reply::True,
        Locked::Abandoned => Reply::make(|lua, _| Ok((true, ABANDONED).into_lua_multi(lua)?)),
    }
}

/// Raises in a goroutine that was asked to stop, as channels do, whether or not there is something to wait for: cleaning
/// up must not depend on nobody else having the lock.
pub(super) fn cancelled() -> Outcome {
    Ok(Answer::Wait(Box::pin(std::future::ready(Reply::Cancelled))))
}

/// A call that locks. `what` is the lock's name in messages.
pub(super) fn lock(
    context: &Context<'_>,
    limit: Option<Instant>,
    what: &str,
    try_lock: impl FnOnce(&Holder) -> Result<Locked, TryLockError>,
    lock: impl FnOnce(&Holder) -> Lock,
) -> Outcome {
    if context.state.must_stop() {
        return cancelled();
    }
    match context.state.as_holder(try_lock) {
        Ok(found) => locked(context, found),
        Err(TryLockError::HeldByCaller) => Err(held(what)),
        Err(TryLockError::Busy) => {
            let what = what.to_owned();
            context.wait(limit, context.state.as_holder(lock), move |found| match found {
                Ok(found) => reply(found),
                Err(_) => Reply::make(move |_, _| Err(held(&what))),
            })
        }
    }
}

/// The call waits for what its own goroutine holds.
pub(super) fn held(what: &str) -> Fault {
    Fault::Wrong(format!("the caller holds this {what} already: it would wait for itself"))
}

/// `true`, `true, "abandoned"`, or `false`.
pub(super) fn tried(context: &Context<'_>, found: Result<Locked, TryLockError>) -> Outcome {
    match found {
        Ok(found) => locked(context, found),
        Err(_) => context.values(false),
    }
}

/// The end of a call that unlocks.
pub(super) fn unlocked(context: &Context<'_>, what: &str, result: Result<(), UnlockError>) -> Outcome {
    match result {
        Ok(()) => context.values(()),
        Err(UnlockError::NotLocked) => Err(Fault::Wrong(format!("unlock of an unlocked {what}"))),
        Err(UnlockError::NotHeld) => {
            Err(Fault::Wrong(format!("unlock of a {what} that the caller does not hold")))
        }
    }
}

/// The limit of a call with a function before it.
pub(super) fn with_limit(context: &Context<'_>, args: &Args) -> Result<Option<Instant>, Fault> {
    args.check_function(1)?;
    limit(context, args, 2)
}

pub(super) fn limit(context: &Context<'_>, args: &Args, n: usize) -> Result<Option<Instant>, Fault> {
    args.deadline(n, context.state.system.backend.now())
}
