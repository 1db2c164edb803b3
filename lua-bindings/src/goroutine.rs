//! A goroutine, before and while it runs.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use mlua::{Lua, MultiValue};
use runtime_core::locks::Holder;
use runtime_core::{Backend, Completer, Ended, Handle, Outcome, Sleep, Watch};

use crate::fault::Fault;
use crate::local::Parcel;
use crate::origin::{Children, Member};
use crate::packet::Packet;
use crate::packet::quick::{Carried, Quick};
use crate::pool::{LuaPool, Slot};
use crate::state::State;
use crate::system::ErrorReport;
use crate::task::failure_of_text;
use crate::ties::Ties;

/// The handle of a goroutine: its results, or its failure, as packets for whoever awaits.
pub(crate) type GoroutineHandle = Handle<Packet, Box<Failure>, Queued>;

/// One that looks in, without a part in it.
pub(crate) type GoroutineWatch = Watch<Packet, Box<Failure>, Queued>;

/// The side of the one who runs it.
pub(crate) type GoroutineCompleter = Completer<Packet, Box<Failure>, Queued>;

/// What is kept of an error.
pub(crate) struct Failure {
    /// The error value.
    pub(crate) error: Packet,
    /// Its text, for reports.
    pub(crate) message: String,
    /// Begins with `stack traceback`.
    pub(crate) traceback: String,
    pub(crate) id: u64,
    /// `file:line` of the call that started the goroutine.
    pub(crate) started_at: Arc<str>,
    /// Is told of it, if nobody awaits it.
    pub(crate) tell: ErrorReport,
}

impl Failure {
    /// Says that nobody will await it.
    #[allow(clippy::borrowed_box, reason = "it is called with what a handle keeps")]
    pub(crate) fn unhandled(this: &Box<Self>) {
        (this.tell)(&this.report());
    }

    /// The report of a failure that nobody will await.
    pub(crate) fn report(&self) -> String {
        let Self { id, started_at, message, traceback, .. } = self;
        format!("goroutine {id} (started at {started_at}) failed: {message}\n{traceback}")
    }
}

/// A goroutine on its way to an isolate.
pub(crate) struct Start {
    /// The function and its arguments.
    pub(crate) shipped: Shipped,
    pub(crate) completer: GoroutineCompleter,
    /// Where it comes from. Also what counts it as long as it lives: among the goroutines of the one who started it.
    pub(crate) member: Member,
    pub(crate) ties: Ties,
}

/// The function and the arguments of a goroutine that is to be started.
pub(crate) enum Shipped {
    /// The function's code is its origin's.
    Quick(Quick),
    Packet(Packet),
    /// They are in the home state, and it runs there.
    Here(Parcel),
}

impl Shipped {
    /// How many bytes it takes, about.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Quick(values) => values.iter().map(Carried::size).sum(),
            Self::Packet(packet) => packet.size(),
            Self::Here(_) => 0,
        }
    }
}

/// What a goroutine needs to run, while it stands in a queue. It lies with its handle: whoever cancels it then takes it from
/// there, and the goroutine has ended and holds nothing any more, wherever its place in the queue may be.
pub(crate) struct Queued {
    shipped: Shipped,
    ties: Ties,
    member: Member,
}

impl runtime_core::Queued for Queued {
    fn cancelled(self) {
        let Self { shipped, mut ties, member } = self;
        drop(shipped);
        if let Some((pool, key)) = ties.leave_queue() {
            // If it is not there, the pool finds out when it starts it.
            drop(pool.withdraw(key));
        }
        let slot = ties.slot();
        ties.end(slot, Ended::Cancelled);
        drop(member);
    }
}

/// The place of a goroutine in a queue.
pub(crate) struct Waiting(GoroutineCompleter);

impl Waiting {
    pub(crate) fn completer(&self) -> &GoroutineCompleter {
        &self.0
    }

    /// The goroutine, to be run by the caller. `None`: it was cancelled, and has ended.
    pub(crate) fn take(self) -> Option<Start> {
        let Queued { shipped, mut ties, member } = self.0.unqueue()?;
        drop(ties.leave_queue());
        Some(Start { shipped, completer: self.0, member, ties })
    }
}

impl Start {
    /// Its place in a queue, that of a pool if one is given. From now on cancelling ends it at once.
    pub(crate) fn queue(self, pool: Option<LuaPool>) -> Waiting {
        let Self { shipped, completer, member, mut ties } = self;
        if let Some(pool) = pool {
            ties.set_queue(pool, completer.id());
        }
        completer.queue(Queued { shipped, ties, member });
        Waiting(completer)
    }

    /// Ends it without having run it, for this reason.
    pub(crate) fn fail(self, why: &str) {
        let failure = failure_of_text(why, self.completer.id(), Some(&self.member));
        self.end(Outcome::Failed(Box::new(failure)));
    }

    /// Ends it without having run it.
    pub(crate) fn end(self, outcome: Outcome<Packet, Box<Failure>>) {
        let Self { completer, mut ties, member, .. } = self;
        let slot = ties.slot();
        tell_end(&completer, outcome, slot, ties, Some(member));
    }
}

/// Tells the end of a goroutine to everybody.
fn tell_end(
    completer: &GoroutineCompleter,
    outcome: Outcome<Packet, Box<Failure>>,
    slot: Option<Slot>,
    ties: Ties,
    member: Option<Member>,
) {
    let ended = match &outcome {
        Outcome::Done(_) => Ended::Completed,
        Outcome::Failed(_) => Ended::Failed,
        Outcome::Cancelled(_) => Ended::Cancelled,
    };
    completer.complete_then(outcome, || {
        ties.end(slot, ended);
        drop(member);
    });
}

/// A wait of a goroutine, or of the home state: ready with what the call that waits returns.
pub(crate) type Wait = Pin<Box<dyn Future<Output = Reply>>>;

/// Makes values in the state that waited.
pub(crate) type MakeValues = Box<dyn FnOnce(&Lua, &State) -> Result<MultiValue, Fault>>;

/// What a wait came to.
pub(crate) enum Reply {
    /// No values.
    Nothing,
    /// `true`.
    True,
    /// `false, "timeout exceeded"`.
    TimedOut,
    /// What a receive gives: a value of a channel, or that it is closed and drained.
    Received(Option<Packet>),
    /// Values that are made in the state that waited.
    Make(MakeValues),
    /// The goroutine was cancelled while it waited.
    Cancelled,
}

impl Reply {
    pub(crate) fn make(make: impl FnOnce(&Lua, &State) -> Result<MultiValue, Fault> + 'static) -> Self {
        Self::Make(Box::new(make))
    }
}

/// A goroutine that has started. Its isolate's table of slots and its future share it.
pub(crate) struct Running {
    /// Also after its end. No handle, which would have to be counted.
    pub(crate) completer: GoroutineCompleter,
    pub(crate) slot: usize,
    /// The goroutine that the home state has started and that this one descends from: this one, if that was the home state's.
    pub(crate) root: u64,
    passed: Cell<Passed>,
    /// What few goroutines have.
    rare: OnceCell<Box<Rare>>,
    /// Whether Lua code has seen the coroutine itself: then it is not used again for another goroutine.
    pub(crate) exposed: Cell<bool>,
    pool_slot: Cell<Option<Box<Slot>>>,
    /// Whether it has a table of globals of its own.
    pub(crate) has_environment: Cell<bool>,
    /// Whether it has met classes, and so has a table of them.
    pub(crate) has_classes: Cell<bool>,
    /// Whether cancelling leaves its wait alone: the wait itself sees to an early end.
    pub(crate) shielded: Cell<bool>,
    /// Of a home state's: whether its turns come before those of others, also while one of those computes.
    pub(crate) ahead: Cell<bool>,
    /// Of a home state's: whether cancelling ends it while it computes, too.
    pub(crate) interruptible: Cell<bool>,
    pub(crate) stopping: Stopping,
    /// What it waits for, and since when, in nanoseconds of its [`System`](crate::system::System). Out of date while it does not wait.
    pub(crate) parked: Cell<Option<(&'static str, u64)>>,
}

/// What passes between a call that parks and the future that polls its wait. There is one call at a time, and so one of these.
#[derive(Default)]
enum Passed {
    #[default]
    Nothing,
    /// Left by the call that parks, taken by the future.
    Wait(Wait),
    /// Left by the future when the wait is over, taken by the call that parked.
    Reply(Reply),
}

/// A million of them may sleep: with the two counts of an `Rc`, one has 112 bytes, which allocators have a size for.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Running>() <= 96);

/// What few goroutines have: a million that sleep should not have room for it.
#[derive(Default)]
pub(crate) struct Rare {
    /// Set by the error handler, where the failing functions are still on the call stack.
    pub(crate) traceback: RefCell<Option<String>>,
    /// The goroutines that this one has started, once it has.
    pub(crate) children: OnceCell<Children>,
    /// What it holds of locks, once it has locked one.
    pub(crate) holder: OnceCell<Holder>,
    /// When it first got the error of a cancelled goroutine.
    raised_at: Cell<Option<Instant>>,
    /// Ends the time that it has to unwind after that.
    unwound: RefCell<Option<Sleep>>,
}

/// How far a goroutine that was cancelled has got.
#[derive(Default)]
pub(crate) struct Stopping {
    /// Whether the error is on its way through the goroutine's functions: nothing has caught it. What runs then is what
    /// closes `<close>` variables, which may wait like other code.
    unwinding: Cell<bool>,
    /// Whether it ends where it was interrupted.
    stopped: Cell<bool>,
}

/// How long a cancelled goroutine may take to unwind.
pub(crate) const UNWINDING: Duration = Duration::from_secs(1);

impl Running {
    /// One that is about to run in this slot.
    pub(crate) fn new(
        completer: GoroutineCompleter,
        member: &Member,
        slot: usize,
        pool_slot: Option<Slot>,
    ) -> Self {
        Self {
            slot,
            root: member.root.unwrap_or(completer.id()),
            completer,
            passed: Cell::default(),
            rare: OnceCell::new(),
            exposed: Cell::new(false),
            pool_slot: Cell::new(pool_slot.map(Box::new)),
            has_environment: Cell::new(false),
            has_classes: Cell::new(false),
            shielded: Cell::new(false),
            ahead: Cell::new(false),
            interruptible: Cell::new(false),
            stopping: Stopping::default(),
            parked: Cell::new(None),
        }
    }

    /// What few goroutines have, made if need be.
    pub(crate) fn rare(&self) -> &Rare {
        self.rare.get_or_init(Box::default)
    }

    /// The traceback of its failure, if the error handler has set one.
    pub(crate) fn take_traceback(&self) -> Option<String> {
        self.rare.get().and_then(|rare| rare.traceback.borrow_mut().take())
    }

    /// Its number.
    pub(crate) fn id(&self) -> u64 {
        self.completer.id()
    }

    /// The reason for which it was cancelled, if it was and there is one.
    pub(crate) fn cancel_reason(&self) -> Option<Arc<str>> {
        self.completer.cancelled().flatten()
    }

    /// Leaves the wait of a call that parks.
    pub(crate) fn park(&self, wait: Wait, shielded: bool) {
        self.shielded.set(shielded);
        self.passed.set(Passed::Wait(wait));
    }

    /// The wait that a call has left, if one has.
    pub(crate) fn take_wait(&self) -> Option<Wait> {
        match self.passed.take() {
            Passed::Wait(wait) => Some(wait),
            other => {
                self.passed.set(other);
                None
            }
        }
    }

    /// Leaves what the wait came to.
    pub(crate) fn answer(&self, reply: Reply) {
        self.passed.set(Passed::Reply(reply));
    }

    /// What the wait came to, if it is over and nobody has taken that.
    pub(crate) fn take_reply(&self) -> Option<Reply> {
        match self.passed.take() {
            Passed::Reply(reply) => Some(reply),
            other => {
                self.passed.set(other);
                None
            }
        }
    }

    /// Whether the call that parked has not taken yet what its wait came to.
    pub(crate) fn is_answered(&self) -> bool {
        let passed = self.passed.take();
        let answered = matches!(passed, Passed::Reply(_));
        self.passed.set(passed);
        answered
    }

    /// Looks at its place in a pool, if it is a pool's task.
    pub(crate) fn in_pool<R>(&self, look: impl FnOnce(&Slot) -> R) -> Option<R> {
        let slot = self.pool_slot.take()?;
        let seen = look(&slot);
        self.pool_slot.set(Some(slot));
        Some(seen)
    }

    /// Whether it was asked to stop.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.completer.is_cancelled()
    }

    /// Whether its blocking calls raise: it was cancelled, and is not unwinding, or has been for too long.
    pub(crate) fn must_stop(&self, now: impl FnOnce() -> Instant) -> bool {
        self.is_cancelled() && (!self.stopping.unwinding.get() || self.is_overdue(now()))
    }

    /// Whether a cancelled goroutine gets the error now: at once, unless it is unwinding, and then when its time is over.
    pub(crate) fn poll_stop(&self, backend: &dyn Backend, cx: &mut Context<'_>) -> Poll<()> {
        let Some(until) = self.unwinds_until() else {
            return Poll::Ready(());
        };
        let mut unwound = self.rare().unwound.borrow_mut();
        unwound.get_or_insert_with(|| backend.sleep_until(until)).as_mut().poll(cx)
    }

    /// Tells its end to everybody.
    pub(crate) fn end(&self, outcome: Outcome<Packet, Box<Failure>>, ties: Ties, member: Option<Member>) {
        // Before anybody hears of the end: whoever has awaited it finds its locks free.
        if let Some(holder) = self.rare.get().and_then(|rare| rare.holder.get()) {
            holder.release_all();
        }
        let slot = self.pool_slot.take().map(|slot| *slot);
        tell_end(&self.completer, outcome, slot, ties, member);
    }

    /// Until when it may unwind, if it is unwinding.
    pub(crate) fn unwinds_until(&self) -> Option<Instant> {
        self.raised_at().filter(|_| self.stopping.unwinding.get()).map(|at| at + UNWINDING)
    }

    fn raised_at(&self) -> Option<Instant> {
        self.rare.get().and_then(|rare| rare.raised_at.get())
    }

    /// Whether it got the error so long ago that it must have unwound.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        self.raised_at().is_some_and(|at| now.saturating_duration_since(at) >= UNWINDING)
    }

    /// It gets the error of a cancelled goroutine.
    pub(crate) fn raising(&self, now: Instant) {
        if self.raised_at().is_none() {
            self.rare().raised_at.set(Some(now));
        }
        // Elsewhere there are no `<close>` variables: the error comes again at every blocking call.
        self.stopping.unwinding.set(cfg!(any(feature = "lua54", feature = "lua55")));
    }

    /// It has caught the error, which is raised again from now on.
    pub(crate) fn caught(&self) {
        self.stopping.unwinding.set(false);
    }

    /// It ends where it was interrupted just now.
    pub(crate) fn stop_here(&self) {
        self.stopping.stopped.set(true);
    }

    pub(crate) fn stops_here(&self) -> bool {
        self.stopping.stopped.get()
    }
}
