//! `context()` and its methods.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mlua::Value;
use parking_lot::Mutex;
use runtime_core::{AtEnd, Channel, Context as Ends, channel::WeakChannel};

use super::channel::Direction;
use super::handle::await_or_stop;
use super::start::{Report, prepare, start};
use super::{Args, ChannelObject, HandleObject, Named, Primitives};
use crate::fault::Fault;
use crate::goroutine::GoroutineHandle;
use crate::local::Flavour;
use crate::object::Object;
use crate::packet::Packet;

/// A context as a Lua value.
#[derive(Clone)]
pub(crate) struct ContextObject(pub(crate) Arc<Shared>);

/// A context, and the channel that closes at its end.
pub(crate) struct Shared {
    context: Ends,
    /// Where the goroutines run that are started with it.
    flavour: Flavour,
    /// Once somebody has asked for it, as long as anybody has it. The channel keeps all of this: whoever has nothing else
    /// still sees it close.
    done: Mutex<Option<(WeakChannel<Packet>, AtEnd)>>,
}

/// A goroutine's place in its context. Dropped when it has ended, or was never started.
pub(crate) struct ContextMember {
    _at_end: AtEnd,
    /// Whose timer has to stay.
    _context: Ends,
}

impl Named for ContextObject {
    const NAME: &'static str = "context";
    const CLASS: &'static str = "context";

    fn from_object(object: Object) -> Option<Self> {
        match object {
            Object::Context(object) => Some(object),
            _ => None,
        }
    }
}

impl ContextObject {
    fn object(context: Ends, flavour: Flavour) -> Object {
        Object::Context(Self(Arc::new(Shared { context, flavour, done: Mutex::new(None) })))
    }

    pub(crate) fn context(&self) -> &Ends {
        &self.0.context
    }

    /// A channel that closes at the end; always the same, as long as somebody has it.
    fn done(&self) -> ChannelObject {
        let mut done = self.0.done.lock();
        let known = done.as_ref().and_then(|(channel, _)| channel.upgrade());
        let channel = known.unwrap_or_else(|| {
            let channel = Channel::keeping(0, Arc::clone(&self.0));
            let close = channel.downgrade();
            // By a weak reference: the channel keeps the context, and not the other way round.
            let at_end = self.context().at_end(move |_| {
                close.close();
            });
            *done = Some((channel.downgrade(), at_end));
            channel
        });
        ChannelObject { channel, direction: Direction::Receive }
    }
}

impl ContextMember {
    fn new(context: &Ends, handle: &GoroutineHandle) -> Self {
        let handle = handle.clone();
        let at_end = context.at_end(move |end| {
            handle.cancel(Some(&end.to_string()));
        });
        Self { _at_end: at_end, _context: context.clone() }
    }
}

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    let this = |args: &Args| -> Result<Ends, Fault> { Ok(args.this::<ContextObject>()?.context().clone()) };
    let flavour = |args: &Args| -> Result<Flavour, Fault> { Ok(args.this::<ContextObject>()?.0.flavour) };
    prim.function("context", |context, _| {
        context.values(context.object(ContextObject::object(Ends::new(), context.flavour))?)
    })?;
    prim.method("context", "with_cancel", move |context, args| {
        let made = this(&args)?.with_cancel();
        context.values(context.object(ContextObject::object(made, flavour(&args)?))?)
    })?;
    prim.method("context", "with_timeout", move |context, args| {
        let this = this(&args)?;
        let made = match args.duration(1)? {
            Some(time) => this.with_timeout(&context.state.system.backend, time),
            None => this.with_cancel(),
        };
        context.values(context.object(ContextObject::object(made, flavour(&args)?))?)
    })?;
    prim.method("context", "with_deadline", move |context, args| {
        let this = this(&args)?;
        let since = args.duration(1)?.map(nearest_microsecond);
        let made = match since.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since)) {
            Some(wall) => this.with_deadline(&context.state.system.backend, wall),
            None => this.with_cancel(),
        };
        context.values(context.object(ContextObject::object(made, flavour(&args)?))?)
    })?;
    prim.method("context", "is_cancelled", move |context, args| {
        context.values(this(&args)?.ended().is_some())
    })?;
    prim.method("context", "err", move |context, args| {
        context.values(this(&args)?.ended().map(|end| end.to_string()))
    })?;
    prim.method("context", "cancel", move |context, args| {
        this(&args)?.cancel();
        context.values(())
    })?;
    prim.method("context", "deadline", move |context, args| match this(&args)?.deadline() {
        Some(wall) => {
            let since = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            context.values((since.as_micros() as f64 / 1000.0, true))
        }
        None => context.values((Value::Nil, false)),
    })?;
    prim.method("context", "done", |context, args| {
        let done = args.this::<ContextObject>()?.done();
        context.values(context.object(Object::Channel(done))?)
    })?;
    prim.method("context", "run", move |context, args| {
        let this = this(&args)?;
        args.check_function(1)?;
        if let Some(end) = this.ended() {
            return context.values((false, end.to_string()));
        }
        let flavour = flavour(&args)?;
        let handle = start(&context.of(flavour), args.rest(1), Report::IfUnseen, None)?;
        await_or_stop(context, handle, async move { this.wait().await.to_string() })
    })?;
    prim.method("context", "spawn", move |context, args| {
        let this = this(&args)?;
        args.check_function(1)?;
        let flavour = flavour(&args)?;
        let (mut start, handle) = prepare(&context.of(flavour), args.rest(1), Report::AtOnce, None)?;
        start.ties.set_context(ContextMember::new(&this, &handle));
        context.state.system.submit(start).map_err(|error| Fault::Wrong(error.to_string()))?;
        context.values(context.object(Object::Handle(HandleObject(handle)))?)
    })
}

/// Times of day as Lua's numbers hold them: those of today to some ten thousandths of a millisecond.
fn nearest_microsecond(time: Duration) -> Duration {
    let micros = (time.as_nanos() + 500) / 1000;
    u64::try_from(micros).map_or(Duration::MAX, Duration::from_micros)
}
