//! The primitives that are called most, on the Lua stack itself (see [`crate::raw::closure`]).
//!
//! Each handles the calls that are right and need not wait, and leaves the rest to the general primitive of the same
//! key, which stands with its object in another file here and has the last word on what a call means.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use runtime_core::{Outcome as Ended, Sleep, TryReceiveError, TrySendError};

use super::channel::{Direction, reply_closed};
use super::pools::Gives;
use super::start::{Report, assemble};
use super::{ChannelObject, HandleObject, Primitives};
use super::{direct_locks, direct_pools};
use crate::goroutine::{GoroutineHandle, Reply, Running, Shipped, Start, Wait};
use crate::object::Object;
use crate::packet::{self, Packet, Plain, Refusal, Roots, quick};
use crate::raw::{Kind, Number, Primitive, Stack, Went};
use crate::state::{DONE, PARK, Role, State, WRONG, vital};
use crate::system::StartError;

/// Those that may have to wait, or raise: they answer with a number that says so, as the general primitives do, and a Lua
/// function around them sees to it.
const MAY_WAIT: [(&str, Primitive); 9] = [
    ("sleep", sleep),
    ("await", await_ended),
    ("handle_await", await_ended),
    ("channel_send", send),
    ("channel_receive", receive),
    ("channel_function_send", send),
    ("channel_function_receive", receive),
    ("pool_submit", |stack, state| direct_pools::submit(stack, state, Gives::TaskId)),
    ("pool_async", |stack, state| direct_pools::submit(stack, state, Gives::Handle)),
];

/// Those that never wait, and are functions of the module as they are.
const WHOLE: [(&str, Primitive); 8] = [
    ("spawn", |stack, state| start(stack, state, Report::AtOnce)),
    ("async", |stack, state| start(stack, state, Report::IfUnseen)),
    ("wait_group_add", |stack, _| add_to_group(stack)),
    ("wait_group_done", |stack, _| done_in_group(stack)),
    ("atomic_int_add", |stack, _| add_to_atomic(stack)),
    ("atomic_int_load", |stack, _| load_atomic(stack)),
    ("channel_try_send", try_send),
    ("channel_try_receive", try_receive),
];

/// Whether there is one for this key.
pub(super) fn exists(key: &str) -> bool {
    is_whole(key) || MAY_WAIT.iter().any(|(name, _)| *name == key)
}

/// Whether the one for this key is a function of the module as it is.
pub(super) fn is_whole(key: &str) -> bool {
    WHOLE.iter().chain(&direct_locks::WHOLE).any(|(name, _)| *name == key)
}

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    direct_locks::add(prim)?;
    MAY_WAIT.into_iter().try_for_each(|(key, primitive)| prim.direct(key, primitive, false))?;
    WHOLE.into_iter().try_for_each(|(key, primitive)| prim.direct(key, primitive, true))
}

/// Where the script is on the call stack: a whole primitive itself is 0.
pub(super) const WHOLE_CALLER: usize = 1;

/// The same for one that has a face: where that is a function in Lua, it stands between them.
pub(super) const FACED: usize =
    if cfg!(any(feature = "lua53", feature = "lua54", feature = "lua55")) { WHOLE_CALLER } else { 2 };

fn start(stack: &mut Stack<'_>, state: &Rc<State>, report: Report) -> Went {
    if stack.kind(1) != Kind::Function || !state.system.is_started() {
        return Went::General;
    }
    let (start, handle) = match prepare(stack, state, report, WHOLE_CALLER) {
        Ok(prepared) => prepared,
        Err(went) => return went,
    };
    match state.system.submit(start) {
        Ok(()) => {}
        Err(why @ StartError::Memory(_)) => return Went::Wrong(why.to_string()),
        Err(_) => return Went::General,
    }
    stack.truncate(0);
    Object::Handle(HandleObject(handle)).push_new(stack, state);
    Went::Done(1)
}

/// A goroutine of the function at the bottom of the stack, with what lies above it as its arguments. They are still there
/// afterwards.
pub(super) fn prepare(
    stack: &mut Stack<'_>,
    state: &Rc<State>,
    report: Report,
    caller: usize,
) -> Result<(Start, GoroutineHandle), Went> {
    let top = stack.top();
    state.push_vitals(stack);
    stack.raw_get_index(top + 1, vital::CODES);
    let quick = quick::ship(stack, state, top, top + 2);
    let started_at = place(stack, state, caller);
    stack.truncate(top);
    if let Some((code, values)) = quick {
        let prepared = assemble(state, Shipped::Quick(values), Some(code), &started_at, report);
        state.last_place.borrow_mut().give_back(started_at);
        return Ok(prepared);
    }
    match state.lua().map(|lua| packet::encode_stack(stack, &lua, state, Roots::Start)) {
        Some(Ok(packet)) => Ok(assemble(state, Shipped::Packet(packet), None, &started_at, report)),
        // Not left to the general primitive: what `__goroutine` did must not be done again.
        Some(Err(refusal)) => Err(refused(stack, state, &refusal)),
        None => Err(Went::General),
    }
}

/// What a call comes to whose values cannot be sent.
fn refused(stack: &mut Stack<'_>, state: &State, refusal: &Refusal) -> Went {
    match refusal {
        Refusal::Cancelled => {
            state.push_cancelled(stack);
            Went::Raise
        }
        refusal => Went::Wrong(refusal.to_string()),
    }
}

/// Where the script stands; to be given back. A loop starts its goroutines from one line, so the place of the last start is mostly this one.
/// On top are the vitals, and the table of closures that they have.
pub(super) fn place(stack: &mut Stack<'_>, state: &State, caller: usize) -> Arc<str> {
    let at = stack.top() - 1;
    let Some(line) = stack.push_caller(caller) else {
        return Arc::from("?");
    };
    // The function of the last start lies in the weak list of closures, behind those: a new one cannot be taken for it.
    stack.raw_get_index(at + 1, vital::LAST_CALLER);
    let last =
        if stack.same(at + 2, at + 3) { state.last_place.borrow_mut().lend_on_line(line) } else { None };
    last.unwrap_or_else(|| {
        stack.truncate(at + 2);
        stack.raw_set_index(at + 1, vital::LAST_CALLER);
        state.last_place.borrow_mut().lend(stack.position(caller))
    })
}

/// Awaits a goroutine that has ended well.
fn await_ended(stack: &mut Stack<'_>, state: &Rc<State>) -> Went {
    let Some(Object::Handle(HandleObject(handle))) = stack.object(1) else {
        return Went::General;
    };
    if !matches!(stack.kind(2), Kind::None | Kind::Nil) || !handle.is_settled() || state.must_stop() {
        return Went::General;
    }
    let handle = handle.clone();
    let (Some(Ended::Done(packet)), Some(lua)) = (handle.outcome(), state.lua()) else {
        return Went::General;
    };
    // The handle is put back where the general primitive expects it.
    let again = |stack: &mut Stack<'_>| {
        stack.truncate(0);
        Object::Handle(HandleObject(handle.clone())).push(stack, state);
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

fn add_to_group(stack: &mut Stack<'_>) -> Went {
    let added = match (stack.object(1), integer(stack, 2, 1)) {
        (Some(Object::WaitGroup(group)), Some(n)) => group.0.add(n),
        _ => return Went::General,
    };
    if added.is_ok() { Went::Done(0) } else { Went::General }
}

fn done_in_group(stack: &mut Stack<'_>) -> Went {
    match stack.object(1) {
        Some(Object::WaitGroup(group)) if group.0.done().is_ok() => Went::Done(0),
        _ => Went::General,
    }
}

fn add_to_atomic(stack: &mut Stack<'_>) -> Went {
    let new = match (stack.object(1), integer(stack, 2, 1)) {
        (Some(Object::AtomicInt(value)), Some(n)) => value.0.add(n),
        _ => return Went::General,
    };
    stack.push_number(Number::Integer(new));
    Went::Done(1)
}

fn load_atomic(stack: &mut Stack<'_>) -> Went {
    match stack.object(1) {
        Some(Object::AtomicInt(value)) => {
            let value = value.0.load();
            stack.push_number(Number::Integer(value));
            Went::Done(1)
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
                && !state.must_stop() =>
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
    let packet = match to_send(stack, state, &channel, state.role == Role::Home) {
        Ok(packet) => packet,
        Err(went) => return went,
    };
    match (channel.channel.try_send(packet), state.parking(|| stack.coroutine())) {
        (Ok(()), _) => {
            stack.push_number(Number::Integer(DONE));
            stack.push_boolean(true);
            Went::Done(2)
        }
        (Err(TrySendError::Full(packet)), Some(running)) => {
            let send = channel.channel.send(packet);
            let sent = async move {
                match send.await {
                    Ok(()) => Reply::True,
                    Err(_) => reply_closed(),
                }
            };
            park(stack, state, &running, "send", Box::pin(sent))
        }
        _ => Went::General,
    }
}

/// Does not wait, and tells.
fn try_send(stack: &mut Stack<'_>, state: &Rc<State>) -> Went {
    let Some(channel) = channel(stack, state, 3, Direction::Receive).filter(|_| stack.top() >= 2) else {
        return Went::General;
    };
    let sent = match to_send(stack, state, &channel, false) {
        Ok(packet) => channel.channel.try_send(packet),
        Err(went) => return went,
    };
    match sent {
        Err(TrySendError::Closed(_)) => Went::General,
        sent => {
            stack.push_boolean(sent.is_ok());
            Went::Done(1)
        }
    }
}

/// The packet of the value behind the channel, which are on the stack still, or again. `if_room`: only if the channel has room.
fn to_send(
    stack: &mut Stack<'_>,
    state: &Rc<State>,
    channel: &ChannelObject,
    if_room: bool,
) -> Result<Packet, Went> {
    stack.truncate(2);
    if let Some(value) = Plain::on_top(stack) {
        return Ok(Packet::One(value));
    }
    // What would only be encoded again for the wait is left alone.
    if if_room && channel.channel.len() >= channel.channel.capacity() {
        return Err(Went::General);
    }
    stack.remove(1);
    let packet = state.lua().map(|lua| packet::encode_stack(stack, &lua, state, Roots::Values("value")));
    Object::Channel(channel.clone()).push(stack, state);
    stack.insert(1);
    match packet {
        Some(Ok(packet)) => Ok(packet),
        Some(Err(refusal)) => Err(refused(stack, state, &refusal)),
        None => Err(Went::General),
    }
}

/// A sleep as a wait: an async block would keep it twice, and a million of them may sleep.
struct Slept(Sleep);

impl Future for Slept {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        self.0.as_mut().poll(cx).map(|()| Reply::Nothing)
    }
}

fn sleep(stack: &mut Stack<'_>, state: &Rc<State>) -> Went {
    if stack.kind(1) != Kind::Number || state.must_stop() {
        return Went::General;
    }
    let milliseconds = match stack.number(1) {
        Number::Integer(value) => value as f64,
        Number::Float(value) => value,
    };
    // Anything else is for ever, or a wrong call.
    let until = Duration::try_from_secs_f64(milliseconds / 1000.0).ok();
    let backend = &state.system.backend;
    let until = until.and_then(|duration| backend.now().checked_add(duration));
    match (until, state.parking(|| stack.coroutine())) {
        (Some(until), Some(running)) => {
            let slept = Slept(backend.sleep_until(until));
            park(stack, state, &running, "sleep", Box::pin(slept))
        }
        _ => Went::General,
    }
}

fn park(stack: &mut Stack<'_>, state: &State, running: &Running, what: &'static str, wait: Wait) -> Went {
    state.will_wait(what);
    running.park(wait, false);
    stack.push_number(Number::Integer(PARK));
    Went::Done(1)
}

/// What the call that parked returns.
pub(super) fn resumed(stack: &mut Stack<'_>, state: &Rc<State>) -> Went {
    let reply = state.current().and_then(|running| running.take_reply());
    match reply {
        Some(Reply::Nothing) => {
            stack.push_number(Number::Integer(DONE));
            Went::Done(1)
        }
        Some(Reply::True) => {
            stack.push_number(Number::Integer(DONE));
            stack.push_boolean(true);
            Went::Done(2)
        }
        Some(Reply::Received(Some(packet))) => received(stack, state, &packet),
        reply => {
            if let (Some(running), Some(reply)) = (state.current(), reply) {
                running.answer(reply);
            }
            Went::General
        }
    }
}

fn receive(stack: &mut Stack<'_>, state: &Rc<State>) -> Went {
    let Some(channel) = channel(stack, state, 2, Direction::Send) else {
        return Went::General;
    };
    match (channel.channel.try_receive(), state.parking(|| stack.coroutine())) {
        (Ok(packet), _) => received(stack, state, &packet),
        (Err(TryReceiveError::Empty), Some(running)) => {
            let receive = channel.channel.receive();
            park(stack, state, &running, "receive", Box::pin(async move { Reply::Received(receive.await) }))
        }
        _ => Went::General,
    }
}

/// Does not wait, and tells.
fn try_receive(stack: &mut Stack<'_>, state: &Rc<State>) -> Went {
    let Some(channel) = channel(stack, state, 2, Direction::Send) else {
        return Went::General;
    };
    match channel.channel.try_receive() {
        Ok(packet) => match value_of(stack, state, &packet) {
            Ok(count) => {
                stack.push_boolean(true);
                Went::Done(count + 1)
            }
            Err(message) => Went::Wrong(message),
        },
        Err(TryReceiveError::Empty) => {
            stack.push_nil();
            stack.push_boolean(false);
            Went::Done(2)
        }
        Err(_) => Went::General,
    }
}

/// The values of a receive for what it received.
fn received(stack: &mut Stack<'_>, state: &State, packet: &Packet) -> Went {
    match value_of(stack, state, packet) {
        Ok(count) => {
            stack.push_boolean(true);
            stack.push_number(Number::Integer(DONE));
            stack.insert(1);
            Went::Done(count + 2)
        }
        Err(message) => {
            stack.push_number(Number::Integer(WRONG));
            stack.push_bytes(message.as_bytes());
            Went::Done(2)
        }
    }
}

/// Pushes the value of a packet that was received, alone on the stack. Where that fails the value is used up all the same:
/// leaving it would block those behind it.
fn value_of(stack: &mut Stack<'_>, state: &State, packet: &Packet) -> Result<i32, String> {
    stack.truncate(0);
    if let Packet::One(value) = packet {
        value.push(stack);
        return Ok(1);
    }
    let decoded = match state.lua() {
        Some(lua) => packet::decode_stack(stack, &lua, state, packet).map_err(|error| error.to_string()),
        None => Err("the Lua state is being closed".into()),
    };
    if decoded.is_ok() && stack.reserve(8) {
        return decoded;
    }
    stack.truncate(0);
    Err(decoded.err().unwrap_or_else(|| "the Lua stack is full".into()))
}
