//! [`Local`]: the scheduler of the goroutines that run in a home state itself, those of `goroutine.local`.
//!
//! They are coroutines of the state. Nothing is copied when they start, and they share variables with each other and with
//! the script; nothing runs in parallel. A goroutine that is started goes into a queue ([`Post`]). When the script blocks,
//! its thread serves the queue until what the script waits for is there ([`Local::drive`]): each goroutine runs until its
//! first blocking call, which leaves its wait with it ([`goroutine`]); the wait's waker puts the goroutine into the queue
//! again, from whatever thread, and wakes the home state's thread. So the script is one of the goroutines: it has its turn
//! after all that are ready with it.
//!
//! **Where a call cannot park.** A goroutine parks by yielding through all coroutines between the call and the scheduler.
//! One that was resumed by another function than ours (an older reference to `coroutine.resume`, an embedder) would see
//! the yield. There the call blocks in place instead, and serves the queue itself: those that run meanwhile have to wait, or
//! end, before it goes on. If one of them in turn blocks in place, and waits for what only those below it on the stack could do
//! ([`level`]), that is a deadlock, and its call is told so, where deadlocks are looked for.
//!
//! **Interrupts.** Nothing interrupts a goroutine that computes, unless the embedder wants that ([`ahead`]).
//!
//! **Results** stay on the coroutine's stack ([`Kept`]), and whoever awaits the goroutine in this state gets these very
//! values. As soon as its handle goes to another state, a copy is made for those who await it there, at the end of the
//! goroutine or at once if it has ended.

mod ahead;
mod copies;
mod goroutine;
mod inbox;
mod kept;
mod level;
mod post;
mod stopping;
mod turns;
mod wait;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use mlua::{Function, Lua, MultiValue, Thread};
use runtime_core::{block_on, deadline};

use crate::goroutine::{GoroutineHandle, Running};
use crate::inquiry::{Answering, Inquiries};
use crate::raw::{Coroutine, Key, Stack, protected, protected_bare};
use crate::state::State;

pub(crate) use ahead::AtHome;
pub use ahead::StartedAs;
use goroutine::Goroutine;
use inbox::Inbox;
pub(crate) use inbox::Parcel;
pub(crate) use kept::Kept;
use level::Level;
pub(crate) use post::Post;
use post::{Freed, Turn};

/// Where goroutines run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// In isolates.
    #[default]
    Parallel,
    /// In the home state.
    Local,
}

/// What a pool of local goroutines has for a kind.
pub(crate) const POOL_KIND: u8 = 1;

/// What is said where they cannot be started.
pub(crate) const ONLY_AT_HOME: &str = "goroutine.local starts goroutines in the state that has loaded it, and not in an isolate: use require(\"goroutine\") here";

/// Where the results of a coroutine begin: what `xpcall` returns comes first, where goroutines are run by it.
const FIRST: i32 = if cfg!(feature = "lua51") { 1 } else { 2 };

/// The scheduler of one home state. It holds no reference that would keep the Lua state.
pub(crate) struct Local {
    post: Arc<Post>,
    /// Where the registry keeps the table of coroutines, by slot.
    threads: Key,
    inbox: RefCell<Inbox>,
    slots: RefCell<Slots>,
    /// What is being served: calls that block in place serve the same.
    turns: RefCell<VecDeque<Turn>>,
    /// Those that have started and wait, by slot.
    parked: RefCell<Vec<Option<Box<Goroutine>>>>,
    waiting: Cell<usize>,
    /// The innermost of the running coroutines through which a goroutine can park; see [`crate::raw::HomeSwitches`].
    chain: Cell<Option<Coroutine>>,
    /// The main coroutine of the goroutine that runs.
    main: Cell<Option<Coroutine>>,
    /// Whether a coroutine of the running goroutine's is being closed: then nothing waits.
    closing: Cell<bool>,
    /// How many calls of goroutines block in place.
    in_place: Cell<usize>,
    /// The waits of the calls that serve the goroutines.
    levels: RefCell<Vec<Rc<Level>>>,
    warned: Cell<bool>,
    /// How many turns there have been.
    turn_count: Cell<u64>,
    /// What holds for the goroutine that is started next.
    next_start: RefCell<Option<StartedAs>>,
    /// Whether turns are given within that of a goroutine that computes.
    within: Cell<bool>,
    /// Handles that go to another state while a copy is being made.
    to_copy: RefCell<Vec<GoroutineHandle>>,
    copying: Cell<bool>,
    /// Whether all were cancelled because the system is closing.
    cancelled: Cell<bool>,
    close_coroutine: Option<Function>,
    /// The last question that was answered; see [`crate::inquiry`].
    answered: Cell<u64>,
    _answering: Answering,
}

/// The coroutines, and which of their places are free.
#[derive(Default)]
struct Slots {
    slots: Vec<Option<Coroutine>>,
    /// Those whose coroutine has returned, and can run another function: its stack is empty, and no Lua code has seen the
    /// coroutine itself.
    reusable: Vec<usize>,
    /// Those without one.
    bare: Vec<usize>,
    /// What was freed, while it is looked through.
    freed: Vec<Freed>,
}

/// How many coroutines are kept for goroutines to come.
const REUSABLE: usize = 1000;

impl Local {
    pub(crate) fn new(lua: &Lua, state: &State) -> mlua::Result<Self> {
        let mut kept = None;
        protected(lua, &state.tables.threads, |stack| {
            let threads = stack.keep();
            stack.push_table(0, 0);
            kept = Some((threads, Inbox::new(stack.keep())));
        })?;
        let (threads, inbox) = kept.ok_or_else(|| mlua::Error::runtime("the Lua stack is full"))?;
        let close =
            crate::api::globals(lua)?.get::<mlua::Table>("coroutine")?.get::<Option<Function>>("close")?;
        Ok(Self {
            post: Arc::new(Post::new()),
            threads,
            inbox: RefCell::new(inbox),
            slots: RefCell::default(),
            turns: RefCell::default(),
            parked: RefCell::default(),
            waiting: Cell::new(0),
            chain: Cell::new(None),
            main: Cell::new(None),
            closing: Cell::new(false),
            in_place: Cell::new(0),
            levels: RefCell::default(),
            warned: Cell::new(false),
            turn_count: Cell::new(0),
            next_start: RefCell::default(),
            within: Cell::new(false),
            to_copy: RefCell::default(),
            copying: Cell::new(false),
            cancelled: Cell::new(false),
            close_coroutine: close,
            answered: Cell::new(0),
            _answering: Inquiries::begin_home(&state.system),
        })
    }

    pub(crate) fn post(&self) -> &Post {
        &self.post
    }

    pub(crate) fn chain(&self) -> &Cell<Option<Coroutine>> {
        &self.chain
    }

    pub(crate) fn main(&self) -> Option<Coroutine> {
        self.main.get()
    }

    // Values that stay here.

    /// Copies the function at the bottom of the stack, and the arguments above it, to the inbox: `count` values. `None`: there is no
    /// room on the stack.
    pub(crate) fn pack(&self, stack: &mut Stack<'_>, count: i32) -> Option<Parcel> {
        self.sweep(stack);
        if !stack.reserve(12) {
            return None;
        }
        let (table, at) = {
            let mut inbox = self.inbox.borrow_mut();
            (inbox.table(), inbox.take(count as usize))
        };
        // Not under a borrow: this may raise, and run finalizers.
        stack.push_kept(table);
        inbox::fill(stack, at, count);
        stack.pop(1);
        Some(Parcel { at, count: count as usize, post: Arc::clone(&self.post) })
    }

    /// The error handler of goroutines is there.
    pub(crate) fn set_runner(&self, lua: &Lua, state: &State) -> mlua::Result<()> {
        let table = self.inbox.borrow().table();
        protected(lua, (), |stack| {
            if stack.reserve(8) {
                stack.push_kept(table);
                inbox::set_runner(stack, state);
                stack.truncate(0);
            }
        })
        .map(drop)
    }

    /// Moves what is in the parcel to a coroutine, for it to be resumed with so many arguments. `None` if they are too many. This does
    /// not raise, and takes room for [`inbox::ROOM`] values.
    fn unpack(&self, stack: &mut Stack<'_>, parcel: &mut Parcel, coroutine: Coroutine) -> Option<i32> {
        let count = std::mem::take(&mut parcel.count);
        stack.push_kept(self.inbox.borrow().table());
        let fits = inbox::unpack(stack, parcel.at, count, coroutine);
        stack.pop(1);
        self.inbox.borrow_mut().give_back(parcel.at, count);
        fits.then(|| stack.values_of(coroutine) - 1)
    }

    /// A coroutine that runs nothing, and its slot.
    fn worker(&self, lua: &Lua) -> Result<(usize, Coroutine), String> {
        let reused = self.slots.borrow_mut().take_reusable();
        if let Some(reused) = reused {
            return Ok(reused);
        }
        let slot = self.slots.borrow_mut().take_bare();
        let mut made = None;
        let result = protected_bare(lua, &mut |stack| {
            if !stack.reserve(8) {
                return;
            }
            stack.push_kept(self.threads);
            made = Some(stack.push_coroutine());
            stack.raw_set_index(1, slot + 1);
        });
        match (result, made) {
            (Ok(()), Some(coroutine)) => {
                self.slots.borrow_mut().slots[slot] = Some(coroutine);
                Ok((slot, coroutine))
            }
            (result, _) => {
                self.slots.borrow_mut().bare.push(slot);
                Err(result.err().unwrap_or_else(|| "the Lua stack is full".into()))
            }
        }
    }

    /// The same for values of mlua's.
    ///
    /// # Errors
    /// When memory runs out, or they are too many.
    pub(crate) fn pack_values(&self, lua: &Lua, values: MultiValue) -> mlua::Result<Parcel> {
        let mut parcel = None;
        protected(lua, values, |stack| {
            parcel = self.pack(stack, stack.top());
            stack.truncate(0);
        })?;
        parcel.ok_or_else(|| mlua::Error::runtime("cannot send arguments to a goroutine: there are too many"))
    }

    /// Whether these values are in this state.
    pub(crate) fn has(&self, kept: &Kept) -> bool {
        Arc::ptr_eq(&self.post, &kept.post)
    }

    /// Pushes the results that are kept, or the error. Says how many; `None` if there is no room.
    pub(crate) fn push_kept(&self, stack: &mut Stack<'_>, kept: &Kept) -> Option<i32> {
        let coroutine = self.coroutine(kept.slot)?;
        stack.copy_from(coroutine, FIRST)
    }

    fn coroutine(&self, slot: usize) -> Option<Coroutine> {
        *self.slots.borrow().slots.get(slot)?
    }

    /// The coroutine of a slot as a value of mlua's, for what raw access cannot do.
    fn thread(&self, state: &State, slot: usize) -> mlua::Result<Thread> {
        state.tables.threads.raw_get(slot + 1)
    }

    /// The coroutine in this slot has returned, with nothing on its stack, and may be used again. False if there are enough
    /// of those.
    fn reuse(&self, slot: usize) -> bool {
        let mut slots = self.slots.borrow_mut();
        let room = slots.reusable.len() < REUSABLE;
        if room {
            slots.reusable.push(slot);
        }
        room
    }

    /// Takes back what nobody needs any more, and lets it go.
    pub(crate) fn sweep(&self, stack: &mut Stack<'_>) {
        if !self.post.has_freed() {
            return;
        }
        let mut freed = std::mem::take(&mut self.slots.borrow_mut().freed);
        if self.post.take_freed(&mut freed) {
            let top = stack.top();
            let has_room = stack.reserve(4);
            for freed in freed.drain(..) {
                match freed {
                    // These do not raise: the entries are there.
                    Freed::Slot(slot) => {
                        if has_room {
                            stack.push_kept(self.threads);
                            stack.push_nil();
                            stack.raw_set_index(top + 1, slot + 1);
                        }
                        self.slots.borrow_mut().free(slot);
                    }
                    Freed::Parcel { at, count } => {
                        if has_room {
                            stack.push_kept(self.inbox.borrow().table());
                            inbox::clear(stack, at, count);
                        }
                        self.inbox.borrow_mut().give_back(at, count);
                    }
                }
                stack.truncate(top);
            }
        }
        self.slots.borrow_mut().freed = freed;
    }

    // Running.

    /// Does something as this goroutine, in whose main coroutine code is about to run.
    fn as_running<R>(
        &self,
        state: &State,
        running: &Rc<Running>,
        coroutine: Coroutine,
        act: impl FnOnce() -> R,
    ) -> R {
        let before = state.set_current(Some(Rc::clone(running)));
        let (chain, main) = (self.chain.replace(Some(coroutine)), self.main.replace(Some(coroutine)));
        let closing = self.closing.replace(false);
        let turn = state.interrupts().map(|interrupts| interrupts.begin_turn(coroutine.as_ptr()));
        let result = act();
        if let (Some(interrupts), Some(before)) = (state.interrupts(), turn) {
            interrupts.end_turn(before);
        }
        self.closing.set(closing);
        self.chain.set(chain);
        self.main.set(main);
        state.set_current(before);
        result
    }

    /// Closes a coroutine of the user's. Within a goroutine nothing waits meanwhile; the script itself blocks, as anywhere.
    pub(crate) fn closing(&self, close: impl FnOnce()) {
        if self.main.get().is_none() {
            return close();
        }
        let (chain, closing) = (self.chain.replace(None), self.closing.replace(true));
        close();
        self.chain.set(chain);
        self.closing.set(closing);
    }

    /// The goroutines that have started and wait, and the one that runs.
    pub(crate) fn living(&self, state: &State) -> Vec<(Rc<Running>, Coroutine)> {
        let mut living = self.parked();
        living.extend(self.blocked());
        let current = state.current().zip(self.main.get());
        living.extend(current.filter(|(current, _)| !living.iter().any(|(one, _)| Rc::ptr_eq(one, current))));
        living
    }

    fn parked(&self) -> Vec<(Rc<Running>, Coroutine)> {
        self.parked.borrow().iter().flatten().map(|one| one.living()).collect()
    }

    // Ending.

    /// Asks all that live to stop.
    fn cancel_all(&self) {
        let mut handles: Vec<_> =
            self.parked().into_iter().map(|(running, _)| running.completer.handle()).collect();
        {
            let mut turns = self.turns.borrow_mut();
            let mut more = VecDeque::new();
            self.post.take(&mut more);
            turns.append(&mut more);
            turns.extend(std::iter::from_fn(|| self.post.take_ahead()));
            handles.extend(turns.iter().filter_map(|turn| match turn {
                Turn::Start(waiting, _) => Some(waiting.completer().handle()),
                Turn::Woken(_) => None,
            }));
        }
        for handle in handles {
            handle.cancel(Some("shutdown"));
        }
    }

    /// The system is closing: asks all that live to stop, once.
    fn cancel_for_closing(&self) {
        if !self.cancelled.replace(true) {
            self.cancel_all();
        }
    }

    /// Cancels all that live, and runs them until they have ended, at most until `limit`.
    pub(crate) fn wind_down(&self, lua: &Lua, state: &Rc<State>, limit: Instant) {
        self.cancel_all();
        let ended = poll_fn(|_| match self.waiting.get() {
            // The scheduler polls this after each round.
            0 => Poll::Ready(()),
            _ => Poll::Pending,
        });
        let backend = &*state.system.backend;
        let ended = self.drive(lua, state, deadline(backend, Some(limit), ended));
        let _ = block_on(backend, ended);
    }
}

impl Slots {
    fn take_reusable(&mut self) -> Option<(usize, Coroutine)> {
        let index = self.reusable.pop()?;
        Some((index, self.slots[index]?))
    }

    fn take_bare(&mut self) -> usize {
        self.bare.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        })
    }

    /// Takes a slot back whose coroutine is let go.
    fn free(&mut self, index: usize) {
        self.slots[index] = None;
        self.bare.push(index);
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.post.close();
        // What they hold may start others, or free slots: nothing is borrowed then.
        let turns = self.turns.take();
        drop(turns);
        let parked = self.parked.take();
        drop(parked);
    }
}
