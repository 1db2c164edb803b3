//! `broadcaster()` and its methods.

use mlua::{MultiValue, Value};
use runtime_core::{Broadcaster, TrySendError};

use super::channel::Direction;
use super::locks::{cancelled, limit};
use super::{ChannelObject, Named, Primitives, ship};
use crate::goroutine::Reply;
use crate::object::Object;
use crate::packet::{Packet, Roots};

/// What a subscriber's channel holds unless it says.
const CAPACITY: usize = 16;

/// A broadcaster as a Lua value.
#[derive(Clone)]
pub(crate) struct BroadcasterObject(pub(crate) Broadcaster<Packet>);

impl Named for BroadcasterObject {
    const NAME: &'static str = "broadcaster";
    const CLASS: &'static str = "broadcaster";

    fn from_object(object: Object) -> Option<Self> {
        match object {
            Object::Broadcaster(object) => Some(object),
            _ => None,
        }
    }
}

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    prim.function("broadcaster", |context, _| {
        context.values(context.object(Object::Broadcaster(BroadcasterObject(Broadcaster::new())))?)
    })?;
    prim.method("broadcaster", "subscribe", |context, args| {
        let this = args.this::<BroadcasterObject>()?.0;
        let capacity = match args.get(1) {
            None | Some(Value::Nil) => CAPACITY,
            Some(_) => args.count_between(1, 0, i64::MAX)?,
        };
        let channel = ChannelObject { channel: this.subscribe(capacity), direction: Direction::Receive };
        context.values(context.object(Object::Channel(channel))?)
    })?;
    prim.method("broadcaster", "broadcast", |context, args| {
        let this = args.this::<BroadcasterObject>()?.0;
        let Some(value) = args.get(1) else {
            return Err(args.wrong(1, "value"));
        };
        let packet = ship(context, MultiValue::from_iter([value.clone()]), Roots::Values("value"))?;
        let limit = limit(context, &args, 2)?;
        if context.state.must_stop() {
            return cancelled();
        }
        let Some(subscribers) = this.subscribers() else {
            return context.values((false, "broadcaster is closed"));
        };
        // Those that have room have it at once, whatever becomes of the wait for the others.
        let mut full = Vec::new();
        for subscriber in subscribers {
            if let Err(TrySendError::Full(packet)) = subscriber.try_send(packet.clone()) {
                full.push(subscriber.send(packet));
            }
        }
        if full.is_empty() {
            return context.values(true);
        }
        let all = async move {
            for send in full {
                // One who has left meanwhile does not want it.
                let _ = send.await;
            }
        };
        context.wait(limit, all, |()| Reply::True)
    })?;
    prim.method("broadcaster", "close", |context, args| {
        if args.this::<BroadcasterObject>()?.0.close() {
            context.values(true)
        } else {
            context.values((false, "broadcaster already closed"))
        }
    })
}
