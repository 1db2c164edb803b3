//! The primitives that are called most, on the Lua stack itself (see [`crate::raw::closure`]).
//!
//! Each handles the calls that are right and need not wait, and leaves the rest to the general primitive of the same
//! key, which stands with its object in another file here and has the last word on what a call means.

use std::rc::Rc;

use runtime_core::Outcome as Ended;

use super::channel::Direction;
use super::start::{Report, assemble};
use super::{ChannelObject, HandleObject, Primitives};
use crate::object::Object;
use crate::packet::{self, Packet, Plain, Roots};
use crate::raw::{Kind, Number, Primitive, Stack, Went};
use crate::state::{DONE, State, WRONG};

const PRIMITIVES: [(&str, Primitive); 13] = [
    ("spawn", |stack, state| start(stack, state, Report::AtOnce)),
    ("async", |stack, state| start(stack, state, Report::IfUnseen)),
    ("await", await_ended),
    ("handle_await", await_ended),
    ("wait_group_add", |stack, _| add_to_group(stack, 1)),
    ("wait_group_done", |stack, _| done_in_group(stack)),
    ("atomic_int_add", |stack, _| add_to_atomic(stack)),
    ("atomic_int_load", |stack, _| load_atomic(stack)),
    ("channel_send", send),
    ("channel_receive", receive),
    ("channel_try_receive", receive),
    ("channel_function_send", send),
    ("channel_function_receive", receive),
];

/// Whether there is such a primitive for this key.
pub(super) fn exists(key: &str) -> bool {
    PRIMITIVES.iter().any(|(name, _)| *name == key)
}

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    PRIMITIVES.into_iter().try_for_each(|(key, primitive)| prim.direct(key, primitive))
}

/// Where the script is on the call stack: the primitive is 0, the function of ours that called it 1.
const CALLER: usize = 2;

/// Answers with no values.
fn nothing(stack: &mut Stack<'_>) -> Went {
    stack.push_number(Number::Integer(DONE));
    Went::Done(1)
}

/// Answers with what `push` pushes, which is one value.
fn one(stack: &mut Stack<'_>, push: impl FnOnce(&mut Stack<'_>)) -> Went {
    stack.push_number(Number::Integer(DONE));
    push(stack);
    Went::Done(2)
}

fn start(stack: &mut Stack<'_>, state: &Rc<State>, report: Report) -> Went {
    if stack.kind(1) != Kind::Function || !state.system.is_started() {
        return Went::General;
    }
    // A refusal is told by the general primitive.
    let Some(Ok(packet)) = state.lua().map(|lua| packet::encode_stack(stack, &lua, state, Roots::Start))
    else {
        return Went::General;
    };
    let started_at = state.last_place.borrow_mut().of(stack.position(CALLER));
    let (start, handle) = assemble(state, packet, started_at, report);
    if state.system.submit(start).is_err() {
        return Went::General;
    }
    stack.truncate(0);
    one(stack, |stack| Object::Handle(HandleObject(handle)).push_new(stack))
}

/// Awaits a goroutine that has ended well.
fn await_ended(stack: &mut Stack<'_>, state: &Rc<State>) -> Went {
    let Some(Object::Handle(HandleObject(handle))) = stack.object(1) else {
        return Went::General;
    };
    if !matches!(stack.kind(2), Kind::None | Kind::Nil) || !handle.status().is_ended() {
        return Went::General;
    }
    let handle = handle.clone();
    let (Some(Ended::Done(packet)), Some(lua)) = (handle.outcome(), state.lua()) else {
        return Went::General;
    };
    // The handle is put back where the general primitive expects it.
    let again = |stack: &mut Stack<'_>| {
        stack.truncate(0);
        Object::Handle(HandleObject(handle.clone())).push(stack);
        Went::General
    };
    stack.truncate(0);
    let Ok(count) = packet::decode_stack(stack, &lua, state, packet) else {
        return again(stack);
    };
    if !stack.reserve(8) {
        return again(stack);
    }
    stack.push_number(Number::Integer(DONE));
    stack.push_boolean(true);
    stack.insert_many(1, 2);
    Went::Done(count + 2)
}

/// The whole number at `index`, or `default` where there is no value. `None`: something else.
fn integer(stack: &Stack<'_>, index: i32, default: i64) -> Option<i64> {
    match stack.kind(index) {
        Kind::None | Kind::Nil => Some(default),
        Kind::Number => match stack.number(index) {
            Number::Integer(value) => Some(value),
            Number::Float(_) => None,
        },
        _ => None,
    }
}

fn add_to_group(stack: &mut Stack<'_>, default: i64) -> Went {
    let added = match (stack.object(1), integer(stack, 2, default)) {
        (Some(Object::WaitGroup(group)), Some(n)) => group.0.add(n),
        _ => return Went::General,
    };
    if added.is_ok() { nothing(stack) } else { Went::General }
}

fn done_in_group(stack: &mut Stack<'_>) -> Went {
    match stack.object(1) {
        Some(Object::WaitGroup(group)) if group.0.done().is_ok() => nothing(stack),
        _ => Went::General,
    }
}

fn add_to_atomic(stack: &mut Stack<'_>) -> Went {
    let new = match (stack.object(1), integer(stack, 2, 1)) {
        (Some(Object::AtomicInt(value)), Some(n)) => value.0.add(n),
        _ => return Went::General,
    };
    one(stack, |stack| stack.push_number(Number::Integer(new)))
}

fn load_atomic(stack: &mut Stack<'_>) -> Went {
    match stack.object(1) {
        Some(Object::AtomicInt(value)) => {
            let value = value.0.load();
            one(stack, |stack| stack.push_number(Number::Integer(value)))
        }
        _ => Went::General,
    }
}

/// The channel at the bottom of the stack, for a call without a limit in a goroutine that nobody has cancelled.
fn channel(stack: &Stack<'_>, state: &State, limit: i32, not: Direction) -> Option<ChannelObject> {
    match stack.object(1) {
        Some(Object::Channel(channel))
            if channel.direction != not
                && matches!(stack.kind(limit), Kind::None | Kind::Nil)
                && !state.is_cancelled() =>
        {
            Some(channel.clone())
        }
        _ => None,
    }
}

fn send(stack: &mut Stack<'_>, state: &Rc<State>) -> Went {
    let Some(channel) = channel(stack, state, 3, Direction::Receive).filter(|_| stack.top() >= 2) else {
        return Went::General;
    };
    stack.truncate(2);
    let packet = match Plain::on_top(stack) {
        Some(value) => Packet::One(value),
        None => {
            // What would only be encoded again for the wait is left alone.
            if channel.channel.len() >= channel.channel.capacity() {
                return Went::General;
            }
            stack.remove(1);
            let packet =
                state.lua().map(|lua| packet::encode_stack(stack, &lua, state, Roots::Values("value")));
            Object::Channel(channel.clone()).push(stack);
            stack.insert(1);
            match packet {
                Some(Ok(packet)) => packet,
                _ => return Went::General,
            }
        }
    };
    match channel.channel.try_send(packet) {
        Ok(()) => one(stack, |stack| stack.push_boolean(true)),
        Err(_) => Went::General,
    }
}

fn receive(stack: &mut Stack<'_>, state: &Rc<State>) -> Went {
    let received = channel(stack, state, 2, Direction::Send).map(|channel| channel.channel.try_receive());
    let Some(Ok(packet)) = received else {
        return Went::General;
    };
    stack.truncate(0);
    let decoded = match &packet {
        Packet::One(value) => {
            value.push(stack);
            Ok(1)
        }
        packet => match state.lua() {
            Some(lua) => packet::decode_stack(stack, &lua, state, packet).map_err(|error| error.to_string()),
            None => Err("the Lua state is being closed".into()),
        },
    };
    match decoded {
        Ok(count) if stack.reserve(8) => {
            stack.push_boolean(true);
            stack.push_number(Number::Integer(DONE));
            stack.insert(1);
            Went::Done(count + 2)
        }
        // The value is used up: leaving it would block those behind it.
        failed => {
            let message = failed.err().unwrap_or_else(|| "the Lua stack is full".into());
            stack.truncate(0);
            stack.push_number(Number::Integer(WRONG));
            stack.push_bytes(message.as_bytes());
            Went::Done(2)
        }
    }
}
