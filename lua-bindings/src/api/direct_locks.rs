//! Locking and unlocking on the Lua stack itself (see [`crate::raw::closure`]), for the calls that need not wait.

use std::rc::Rc;

use runtime_core::locks::{Holder, Locked};

use super::Primitives;
use super::locks::ABANDONED;
use crate::object::Object;
use crate::raw::{Kind, Number, Primitive, Stack, Went};
use crate::state::{DONE, State};

/// Those that never wait, and are functions of the module as they are.
pub(super) const WHOLE: [(&str, Primitive); 8] = [
    ("mutex_unlock", unlock_mutex),
    ("rwmutex_unlock", unlock_writer),
    ("rwmutex_runlock", unlock_reader),
    ("mutex_try_lock", |stack, state| tried(stack, state, try_mutex)),
    ("rwmutex_try_lock", |stack, state| tried(stack, state, try_writer)),
    ("rwmutex_try_rlock", |stack, state| tried(stack, state, try_reader)),
    ("semaphore_release", |stack, _| match stack.object(1) {
        Some(Object::Semaphore(permits)) if permits.0.release().is_ok() => Went::Done(0),
        _ => Went::General,
    }),
    ("semaphore_try_acquire", |stack, state| tried(stack, state, |stack, _| try_permit(stack))),
];

/// Those that may have to wait, and are left to the general primitive then.
const AT_ONCE: [(&str, Primitive); 9] = [
    ("mutex_lock", |stack, state| lock(stack, state, try_mutex)),
    ("rwmutex_lock", |stack, state| lock(stack, state, try_writer)),
    ("rwmutex_rlock", |stack, state| lock(stack, state, try_reader)),
    ("semaphore_acquire", |stack, state| lock(stack, state, |stack, _| try_permit(stack))),
    ("semaphore_with", |stack, state| {
        lock(stack, state, |stack, state| match stack.object(1) {
            Some(Object::Semaphore(permits)) => {
                state.as_holder(|holder| permits.0.try_acquire_for(holder)).then_some(Locked::InOrder)
            }
            _ => None,
        })
    }),
    ("mutex_unlock", |stack, state| done(unlock_mutex(stack, state), stack)),
    ("rwmutex_unlock", |stack, state| done(unlock_writer(stack, state), stack)),
    ("rwmutex_runlock", |stack, state| done(unlock_reader(stack, state), stack)),
    ("semaphore_leave", |stack, state| {
        let left = unlock(stack, state, |object, holder| match object {
            Object::Semaphore(permits) => permits.0.release_for(holder).is_ok(),
            _ => false,
        });
        done(left, stack)
    }),
];

/// The same with a face: where that is a C function, a lock that is free costs one C call.
const FACED: [(&str, Primitive); 4] = [
    ("mutex_lock", |stack, state| faced(stack, state, try_mutex)),
    ("rwmutex_lock", |stack, state| faced(stack, state, try_writer)),
    ("rwmutex_rlock", |stack, state| faced(stack, state, try_reader)),
    ("semaphore_acquire", |stack, state| faced(stack, state, |stack, _| try_permit(stack))),
];

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    WHOLE.into_iter().try_for_each(|(key, primitive)| prim.direct(key, primitive, true))?;
    // The general ones are what both have behind them.
    AT_ONCE.into_iter().try_for_each(|(key, primitive)| prim.at_once(key, primitive))?;
    FACED.into_iter().try_for_each(|(key, primitive)| prim.direct(key, primitive, false))
}

fn try_mutex(stack: &Stack<'_>, state: &State) -> Option<Locked> {
    match stack.object(1) {
        Some(Object::Mutex(mutex)) => state.as_holder(|holder| mutex.0.try_lock(holder).ok()),
        _ => None,
    }
}

fn try_writer(stack: &Stack<'_>, state: &State) -> Option<Locked> {
    match stack.object(1) {
        Some(Object::RwMutex(lock)) => state.as_holder(|holder| lock.0.try_lock(holder).ok()),
        _ => None,
    }
}

fn try_reader(stack: &Stack<'_>, state: &State) -> Option<Locked> {
    match stack.object(1) {
        Some(Object::RwMutex(lock)) => state.as_holder(|holder| lock.0.try_rlock(holder).ok()),
        _ => None,
    }
}

fn try_permit(stack: &Stack<'_>) -> Option<Locked> {
    match stack.object(1) {
        Some(Object::Semaphore(permits)) => permits.0.try_acquire().then_some(Locked::InOrder),
        _ => None,
    }
}

fn tried(
    stack: &mut Stack<'_>,
    state: &Rc<State>,
    try_lock: impl FnOnce(&Stack<'_>, &State) -> Option<Locked>,
) -> Went {
    let locked = try_lock(stack, state);
    found(stack, locked, Went::General)
}

/// The values of a lock that was found free.
fn found(stack: &mut Stack<'_>, locked: Option<Locked>, otherwise: Went) -> Went {
    match locked {
        None => otherwise,
        Some(Locked::InOrder) => {
            stack.push_boolean(true);
            Went::Done(1)
        }
        Some(Locked::Abandoned) => {
            stack.push_boolean(true);
            stack.push_bytes(ABANDONED.as_bytes());
            Went::Done(2)
        }
    }
}

/// Locks, if the call is right, its goroutine was not cancelled, and the lock is free. A limit does not matter then.
fn lock(
    stack: &mut Stack<'_>,
    state: &Rc<State>,
    try_lock: impl FnOnce(&Stack<'_>, &State) -> Option<Locked>,
) -> Went {
    let limit_is_right = match stack.kind(2) {
        Kind::None | Kind::Nil => true,
        Kind::Number => !matches!(stack.number(2), Number::Float(limit) if limit.is_nan()),
        _ => false,
    };
    if !limit_is_right || state.must_stop() {
        return Went::Done(0);
    }
    let locked = try_lock(stack, state);
    found(stack, locked, Went::Done(0))
}

/// The same with the number in front that a face looks at.
fn faced(
    stack: &mut Stack<'_>,
    state: &Rc<State>,
    try_lock: impl FnOnce(&Stack<'_>, &State) -> Option<Locked>,
) -> Went {
    match lock(stack, state, try_lock) {
        Went::Done(0) => Went::General,
        Went::Done(count) => {
            stack.push_number(Number::Integer(DONE));
            stack.insert(stack.top() - count);
            Went::Done(count + 1)
        }
        went => went,
    }
}

fn unlock_mutex(stack: &mut Stack<'_>, state: &Rc<State>) -> Went {
    unlock(stack, state, |object, holder| match object {
        Object::Mutex(mutex) => mutex.0.unlock(holder).is_ok(),
        _ => false,
    })
}

fn unlock_writer(stack: &mut Stack<'_>, state: &Rc<State>) -> Went {
    unlock(stack, state, |object, holder| match object {
        Object::RwMutex(lock) => lock.0.unlock(holder).is_ok(),
        _ => false,
    })
}

fn unlock_reader(stack: &mut Stack<'_>, state: &Rc<State>) -> Went {
    unlock(stack, state, |object, holder| match object {
        Object::RwMutex(lock) => lock.0.runlock(holder).is_ok(),
        _ => false,
    })
}

/// `true` if that is done, for our own Lua code; nothing if the general primitive has to say why not.
fn done(went: Went, stack: &mut Stack<'_>) -> Went {
    match went {
        Went::Done(_) => {
            stack.push_boolean(true);
            Went::Done(1)
        }
        _ => Went::Done(0),
    }
}

fn unlock(stack: &Stack<'_>, state: &State, unlock: impl FnOnce(&Object, &Holder) -> bool) -> Went {
    match stack.object(1) {
        Some(object) if state.as_holder(|holder| unlock(object, holder)) => Went::Done(0),
        _ => Went::General,
    }
}
