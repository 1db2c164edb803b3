//! `after`, `ticker`, and the method `stop` of tickers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mlua::Value;
use runtime_core::Channel;

use super::channel::Direction;
use super::{Args, ChannelObject, Context, Primitives};
use crate::fault::Fault;
use crate::object::Object;
use crate::packet::{Packet, Plain};

/// The shortest time between ticks. Nobody can follow shorter ones, and none at all is a wrong call.
const SHORTEST: Duration = Duration::from_micros(1);

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    prim.function("after", |context, args| {
        let backend = Arc::clone(&context.state.system.backend);
        let deadline = args.duration(1)?.and_then(|time| backend.now().checked_add(time));
        let channel = Channel::after(backend, deadline, reading(context));
        context.values(receiver(context, channel)?)
    })?;
    prim.function("ticker", |context, args| {
        let backend = Arc::clone(&context.state.system.backend);
        let channel = match args.duration(1)? {
            Some(_) if !is_positive(&args) => {
                return Err(args.out_of_range(1, "number of milliseconds above 0"));
            }
            Some(every) => Channel::ticker(backend, every.max(SHORTEST), reading(context)),
            None => Channel::after(backend, None, reading(context)),
        };
        context.values(receiver(context, channel)?)
    })?;
    prim.method("channel", "stop", |context, args| {
        let channel = args.this::<ChannelObject>()?.channel;
        if !channel.is_timed() {
            return Err(Fault::Wrong("calling 'stop' on bad self (ticker expected, got channel)".into()));
        }
        channel.stop();
        context.values(())
    })
}

/// Whether the first argument is a number above 0, be it a time too short to be counted.
fn is_positive(args: &Args) -> bool {
    match args.get(1) {
        Some(Value::Integer(value)) => *value > 0,
        Some(Value::Number(value)) => *value > 0.0,
        _ => false,
    }
}

/// What is received: the time that was due, as `now` would have told it.
fn reading(context: &Context<'_>) -> impl Fn(Instant) -> Packet + Send + Sync + 'static {
    let epoch = context.state.system.epoch;
    move |at| Packet::One(Plain::Float(at.saturating_duration_since(epoch).as_secs_f64() * 1000.0))
}

/// Only the clock sends there.
fn receiver(context: &Context<'_>, channel: Channel<Packet>) -> Result<Value, Fault> {
    context.object(Object::Channel(ChannelObject { channel, direction: Direction::Receive }))
}
