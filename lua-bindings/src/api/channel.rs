//! `channel()`, its methods, and the functions `channel_send` and so on.

use std::sync::Arc;
use std::time::Instant;

use mlua::{IntoLuaMulti, Lua, MultiValue, Value};
use runtime_core::{Channel, TryReceiveError, TrySendError};

use super::{Answer, Args, Context, Named, Outcome, Primitives, ship};
use crate::fault::Fault;
use crate::goroutine::Reply;
use crate::object::Object;
use crate::packet::{self, Packet, Roots};
use crate::state::State;

/// What a view of a channel can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Both = 0,
    Send = 1,
    Receive = 2,
}

/// A channel, or a view of one, as a Lua value. What travels through it are packets.
#[derive(Clone)]
pub(crate) struct ChannelObject {
    pub(crate) channel: Channel<Packet>,
    pub(crate) direction: Direction,
}

impl Named for ChannelObject {
    const NAME: &'static str = "channel";
    const CLASS: &'static str = "channel";

    fn from_object(object: Object) -> Option<Self> {
        match object {
            Object::Channel(object) => Some(object),
            _ => None,
        }
    }
}

impl ChannelObject {
    fn view(&self, direction: Direction) -> Self {
        Self { channel: self.channel.clone(), direction }
    }

    pub(super) fn can_send(&self) -> Result<(), Fault> {
        match self.direction {
            Direction::Receive => Err(Fault::Wrong("cannot send on receive-only channel".into())),
            _ => Ok(()),
        }
    }

    pub(super) fn can_receive(&self) -> Result<(), Fault> {
        match self.direction {
            Direction::Send => Err(Fault::Wrong("cannot receive from send-only channel".into())),
            _ => Ok(()),
        }
    }
}

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    prim.function("channel", |context, args| {
        let capacity = match args.get(1) {
            None | Some(Value::Nil) => 0,
            Some(_) => args.count_between(1, 0, i64::MAX)?,
        };
        let direction = match args.optional_string(2)?.as_deref() {
            None | Some("bidirectional") => Direction::Both,
            Some("send") => Direction::Send,
            Some("receive") => Direction::Receive,
            Some(other) => {
                let why = format!("\"bidirectional\", \"send\" or \"receive\" expected, got \"{other}\"");
                return Err(args.bad(2, &why));
            }
        };
        let channel = ChannelObject { channel: Channel::new(capacity), direction };
        context.values(context.object(Object::Channel(channel))?)
    })?;
    // As methods the channel is the object; as functions it is argument 1.
    for (offset, function) in [(0, false), (1, true)] {
        let this = move |args: &Args| -> Result<ChannelObject, Fault> {
            if function { args.object(1) } else { args.this() }
        };
        type Body = fn(&Context<'_>, &Args, ChannelObject, usize) -> Outcome;
        let both: [(&'static str, &'static str, Body); 5] = [
            ("send", "channel_send", send),
            ("receive", "channel_receive", receive),
            ("close", "channel_close", close),
            ("len", "channel_len", |context, _, this, _| context.values(this.channel.len() as i64)),
            ("cap", "channel_cap", |context, _, this, _| {
                context.values(i64::try_from(this.channel.capacity()).unwrap_or(i64::MAX))
            }),
        ];
        for (method, full, body) in both {
            if function {
                prim.add(&format!("channel_function_{method}"), full, false, move |context, args| {
                    body(context, &args, this(&args)?, offset)
                })?;
            } else {
                prim.method("channel", method, move |context, args| {
                    body(context, &args, this(&args)?, offset)
                })?;
            }
        }
    }
    prim.method("channel", "try_send", |context, args| {
        let this = args.this::<ChannelObject>()?;
        this.can_send()?;
        let packet = value(context, &args, 1)?;
        match this.channel.try_send(packet) {
            Ok(()) => context.values(true),
            Err(TrySendError::Full(_)) => context.values(false),
            Err(TrySendError::Closed(_)) => context.values(closed()),
        }
    })?;
    prim.method("channel", "try_receive", |context, args| {
        let this = args.this::<ChannelObject>()?;
        this.can_receive()?;
        match this.channel.try_receive() {
            Ok(packet) => Ok(Answer::Values(received(context.lua, context.state, &packet)?)),
            Err(_) => context.values((Value::Nil, false)),
        }
    })?;
    prim.method("channel", "is_closed", |context, args| {
        context.values(args.this::<ChannelObject>()?.channel.is_closed())
    })?;
    prim.method("channel", "sender", |context, args| {
        let this = args.this::<ChannelObject>()?;
        this.can_send()?;
        context.values(context.object(Object::Channel(this.view(Direction::Send)))?)
    })?;
    prim.method("channel", "receiver", |context, args| {
        let this = args.this::<ChannelObject>()?;
        this.can_receive()?;
        context.values(context.object(Object::Channel(this.view(Direction::Receive)))?)
    })?;
    // For functions whose Lua part receives and calls its callback itself.
    prim.raw("channel_check_receive", |lua, _, (function, values): (String, MultiValue)| {
        let object = values.front().and_then(|value| super::args::object::<ChannelObject>(lua, value));
        let check = match object {
            Some(object) => object.can_receive(),
            None => {
                let got = values
                    .front()
                    .map_or_else(|| "no value".into(), |value| super::args::type_name(lua, value));
                Err(Fault::Wrong(format!(
                    "calling '{function}' on bad self (channel expected, got {got}): call it with a colon"
                )))
            }
        };
        Ok(match check {
            Ok(()) => (0, None),
            Err(Fault::Wrong(message)) => (2, Some(message)),
            Err(Fault::Raise(_) | Fault::Cancelled) => (2, None),
        })
    })
}

pub(super) fn closed() -> (bool, &'static str) {
    (false, "send on closed channel")
}

/// What a send that waited gives when the channel is closed.
pub(super) fn reply_closed() -> Reply {
    Reply::make(|lua, _| Ok(closed().into_lua_multi(lua)?))
}

/// The value to be sent, as a packet. `nil` is a value; no argument at all is a wrong call.
fn value(context: &Context<'_>, args: &Args, n: usize) -> Result<Packet, Fault> {
    match args.get(n) {
        None => Err(args.wrong(n, "value")),
        Some(value) => Ok(ship(context, MultiValue::from_iter([value.clone()]), Roots::Values("value"))?),
    }
}

/// `value, true` for a packet that came out of a channel.
///
/// One that cannot be rebuilt here is used up, and the error raised: leaving it would block those behind it.
pub(super) fn received(lua: &Lua, state: &State, packet: &Packet) -> Result<MultiValue, Fault> {
    let mut values = packet::decode(lua, state, packet)?;
    values.push_back(Value::Boolean(true));
    Ok(values)
}

fn limit(context: &Context<'_>, args: &Args, n: usize) -> Result<Option<Instant>, Fault> {
    args.deadline(n, context.state.system.backend.now())
}

fn send(context: &Context<'_>, args: &Args, this: ChannelObject, offset: usize) -> Outcome {
    this.can_send()?;
    let packet = value(context, args, 1 + offset)?;
    let limit = limit(context, args, 2 + offset)?;
    if context.state.must_stop() {
        return Ok(Answer::Wait(Box::pin(std::future::ready(Reply::Cancelled))));
    }
    let packet = match this.channel.try_send(packet) {
        Ok(()) => return context.values(true),
        Err(TrySendError::Closed(_)) => return context.values(closed()),
        Err(TrySendError::Full(packet)) => packet,
    };
    let backend = Arc::clone(&context.state.system.backend);
    let mut send = this.channel.send(packet);
    Ok(Answer::Wait(Box::pin(async move {
        match runtime_core::deadline(&*backend, limit, &mut send).await {
            Some(Ok(())) => Reply::True,
            Some(Err(_)) => reply_closed(),
            // The value may have been taken since the last look: only what could be withdrawn was not sent.
            None if send.cancel().is_some() => Reply::TimedOut,
            None => Reply::True,
        }
    })))
}

fn receive(context: &Context<'_>, args: &Args, this: ChannelObject, offset: usize) -> Outcome {
    this.can_receive()?;
    let limit = limit(context, args, 1 + offset)?;
    if context.state.must_stop() {
        return Ok(Answer::Wait(Box::pin(std::future::ready(Reply::Cancelled))));
    }
    match this.channel.try_receive() {
        Ok(packet) => return Ok(Answer::Values(received(context.lua, context.state, &packet)?)),
        Err(TryReceiveError::Closed) => return context.values((Value::Nil, false)),
        Err(TryReceiveError::Empty) => {}
    }
    let backend = Arc::clone(&context.state.system.backend);
    let mut receive = this.channel.receive();
    Ok(Answer::Wait(Box::pin(async move {
        let packet = match runtime_core::deadline(&*backend, limit, &mut receive).await {
            Some(packet) => packet,
            // A value may have been handed over since the last look.
            None => match receive.cancel() {
                None => {
                    return Reply::make(|lua, _| {
                        Ok((Value::Nil, false, "timeout exceeded").into_lua_multi(lua)?)
                    });
                }
                handed => handed,
            },
        };
        Reply::Received(packet)
    })))
}

fn close(context: &Context<'_>, _: &Args, this: ChannelObject, _: usize) -> Outcome {
    if !this.channel.can_be_closed() {
        return Err(Fault::Wrong(
            "cannot close the channel of a context: it closes when the context ends".into(),
        ));
    }
    if this.channel.close() {
        context.values(true)
    } else {
        context.values((false, "channel already closed"))
    }
}
