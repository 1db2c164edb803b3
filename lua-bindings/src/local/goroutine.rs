//! [`Goroutine`]: one that has started in a home state.
//!
//! As a goroutine of an isolate ([`crate::task`]) it is resumed, leaves its wait when it parks, and is resumed again when
//! that is ready. But it is the state's own scheduler that polls it, its function and arguments are on its coroutine's
//! stack from the start, and nothing interrupts it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use mlua::thread::AsyncThread;
use mlua::{Lua, MultiValue, Value};
use runtime_core::Outcome;

use super::post::{Bell, Post};
use super::{FIRST, Kept, Local, Parcel, inbox};
use crate::deadlock::Pending;
use crate::fault;
use crate::goroutine::{Failure, Reply, Running, Shipped, Start, Wait};
use crate::origin::Member;
use crate::packet::{Packet, Plain};
use crate::raw::{Coroutine, Kind, Resumed, Stack, protected, protected_bare, unprotected};
use crate::state::State;
use crate::task::{Blame, failure_of_text, panic_text};
use crate::ties::Ties;

/// What is said where the arguments do not fit on a coroutine's stack.
const TOO_MANY: &str = "too many arguments for a goroutine";

/// A goroutine that has started.
pub(super) struct Goroutine {
    pub(super) running: Rc<Running>,
    /// Its function and arguments, until it first runs. Then there are none in it.
    parcel: Parcel,
    pub(super) coroutine: Coroutine,
    /// Whether its slot is its own still, and not somebody's who needs its results.
    has_slot: bool,
    /// Made when it first parks.
    bell: Option<(Arc<Bell>, Waker)>,
    wait: Option<Wait>,
    /// mlua's future, once the coroutine has waited in an async function of the embedder's.
    pub(super) driven: Option<Pin<Box<AsyncThread<MultiValue>>>>,
    /// Says that it is.
    pub(super) awaits_outside: Option<Pending>,
    finished: bool,
    /// How often it was told that it is cancelled, after its time to unwind was over.
    pub(super) told: u8,
    ties: Ties,
    /// Given back at the end: it counts the goroutine.
    member: Option<Member>,
}

/// What a goroutine came to, before it is told to anybody.
pub(super) enum End {
    Done(Packet),
    /// Its results are on its coroutine's stack.
    Kept,
    /// Its error is there.
    Raised,
    Failed(Failure),
    Cancelled,
}

/// What came of resuming it.
enum Came {
    Yielded {
        /// It waits in an async function of the embedder's.
        awaits_mlua: bool,
    },
    Ended(End),
    /// An error that not even `xpcall` has caught: its text, and the traceback.
    Failed(String, String),
}

impl Goroutine {
    /// A goroutine that is about to run on this coroutine.
    pub(super) fn new(start: Start, slot: usize, coroutine: Coroutine, post: &Arc<Post>) -> Self {
        let Start { shipped, completer, member, mut ties } = start;
        let parcel = match shipped {
            Shipped::Here(parcel) => parcel,
            _ => Parcel::nothing(post),
        };
        Self {
            running: Rc::new(Running::new(completer, &member, slot, ties.begin())),
            parcel,
            coroutine,
            has_slot: true,
            bell: None,
            wait: None,
            driven: None,
            awaits_outside: None,
            finished: false,
            told: 0,
            ties,
            member: Some(member),
        }
    }

    /// Says before it first runs whether it goes ahead of the others.
    pub(super) fn set_ahead(&self, ahead: bool) {
        self.running.ahead.set(ahead);
    }

    /// Whether it has this number.
    pub(super) fn is(&self, id: u64) -> bool {
        self.running.id() == id
    }

    /// Ends what it waits for, if it was cancelled; it hears of that when its turn comes.
    pub(super) fn end_wait(&mut self, local: &Local, state: &State) {
        let waker = self.waker(local);
        let mut cx = Context::from_waker(&waker);
        if self.wait.is_some()
            && self.driven.is_none()
            && !self.running.shielded.get()
            && self.running.is_cancelled()
            && self.running.poll_stop(&*state.system.backend, &mut cx).is_ready()
        {
            self.wait = None;
            self.running.answer(Reply::Cancelled);
            waker.wake_by_ref();
        }
    }

    pub(super) fn slot(&self) -> usize {
        self.running.slot
    }

    /// Whether this is its bell.
    pub(super) fn has(&self, bell: &Arc<Bell>) -> bool {
        self.bell.as_ref().is_some_and(|(own, _)| Arc::ptr_eq(own, bell))
    }

    pub(super) fn living(&self) -> (Rc<Running>, Coroutine) {
        (Rc::clone(&self.running), self.coroutine)
    }

    fn waker(&mut self, local: &Local) -> Waker {
        let slot = self.running.slot;
        let (_, waker) = self.bell.get_or_insert_with(|| {
            let bell = Arc::new(Bell::new(slot, self.running.ahead.get(), Arc::clone(&local.post)));
            (Arc::clone(&bell), Waker::from(bell))
        });
        waker.clone()
    }

    /// Resumes it. True if that was its end.
    pub(super) fn run(&mut self, local: &Local, lua: &Lua, state: &Rc<State>) -> bool {
        self.running.completer.running();
        let running = Rc::clone(&self.running);
        let end = local.as_running(state, &running, self.coroutine, || {
            catch_unwind(AssertUnwindSafe(|| self.resume(local, lua, state)))
        });
        match end.unwrap_or_else(|panic| Some(self.panicked(&*panic))) {
            Some(end) => {
                self.end(local, lua, state, end);
                true
            }
            None => false,
        }
    }

    /// Resumes the coroutine. `None` if it parked.
    fn resume(&mut self, local: &Local, lua: &Lua, state: &Rc<State>) -> Option<End> {
        let coroutine = self.coroutine;
        let parcel = &mut self.parcel;
        let mut came = Came::Failed(TOO_MANY.into(), String::from("stack traceback:"));
        // What needs a protected call is left for one that follows: most need none.
        let mut left = None;
        let resumed = unprotected(lua, inbox::ROOM, &mut |stack| {
            let arguments = match parcel.count {
                0 => Some(0),
                _ => local.unpack(stack, parcel, coroutine),
            };
            let Some(arguments) = arguments else { return };
            match stack.resume(coroutine, arguments) {
                Resumed::Yielded(count) => {
                    let awaits_mlua = count > 0 && stack.awaits_mlua(coroutine);
                    coroutine.clear();
                    came = Came::Yielded { awaits_mlua };
                }
                Resumed::Returned(count) if is_empty(stack, coroutine, count) => {
                    coroutine.clear();
                    came = Came::Ended(End::Done(Packet::Empty));
                }
                other => left = Some(other),
            }
        });
        let resumed = match left {
            None => resumed,
            Some(resumed) => protected_bare(lua, &mut |stack| {
                came = match resumed {
                    Resumed::Returned(count) => Came::Ended(results(stack, coroutine, count)),
                    _ => failed(stack, coroutine),
                };
            }),
        };
        if let Err(message) = resumed {
            return Some(self.failed_with(&fault::clean(&message)));
        }
        match came {
            Came::Ended(end) => Some(end),
            Came::Failed(message, traceback) => {
                *self.running.rare().traceback.borrow_mut() = Some(fault::traceback(&traceback));
                if cfg!(feature = "lua51") {
                    return Some(End::Raised);
                }
                Some(match self.failed_with(&message) {
                    End::Failed(failure) => {
                        End::Failed(Failure { traceback: fault::traceback(&traceback), ..failure })
                    }
                    end => end,
                })
            }
            Came::Yielded { awaits_mlua } => {
                self.wait = self.running.take_wait();
                if self.wait.is_some() {
                    return None;
                }
                if !awaits_mlua {
                    return Some(self.failed_with("attempt to yield from outside a coroutine"));
                }
                let thread = local.thread(state, self.running.slot);
                match thread.and_then(|thread| thread.into_async::<MultiValue>(())) {
                    Ok(driven) => {
                        self.driven = Some(Box::pin(driven));
                        self.awaits_outside = state.system.woken_from_outside();
                        None
                    }
                    Err(error) => Some(self.failed_with(&fault::text(&error))),
                }
            }
        }
    }

    /// Goes on with a goroutine that was `woken`, or has just parked. True once it has ended.
    ///
    /// A wait that is ready as soon as it is there lets the neighbours have a turn all the same.
    pub(super) fn poll(&mut self, local: &Local, lua: &Lua, state: &Rc<State>, woken: bool) -> bool {
        let waker = self.waker(local);
        let mut cx = Context::from_waker(&waker);
        let mut woken = woken;
        loop {
            if self.driven.is_none() && self.running.is_answered() {
                if self.run(local, lua, state) {
                    return true;
                }
                woken = false;
            }
            let cancelled = self.running.completer.poll_cancelled(&mut cx).is_ready();
            if let Some(wait) = &mut self.wait {
                let reply = match wait.as_mut().poll(&mut cx) {
                    Poll::Ready(reply) => reply,
                    Poll::Pending
                        if cancelled
                            && !self.running.shielded.get()
                            && self.running.poll_stop(&*state.system.backend, &mut cx).is_ready() =>
                    {
                        Reply::Cancelled
                    }
                    Poll::Pending => {
                        self.running.completer.waiting();
                        return false;
                    }
                };
                self.wait = None;
                if self.goes_on_in_vain(state, &reply) {
                    let end = self.stop(local, state);
                    self.end(local, lua, state, end);
                    return true;
                }
                self.running.answer(reply);
                if self.driven.is_none() {
                    if !woken {
                        if cancelled {
                            // It waits for its turn, as those have to know who look whether it ends.
                            self.running.completer.waiting();
                        }
                        waker.wake_by_ref();
                        return false;
                    }
                    continue;
                }
            }
            let resumed = self.running.is_answered();
            self.running.completer.running();
            let end = match self.poll_driven(local, lua, state, &mut cx) {
                None if self.wait.is_none() && cancelled && !resumed => Some(self.stop_driven(local, state)),
                end => end,
            };
            if let Some(end) = end {
                self.end(local, lua, state, end);
                return true;
            }
            if self.wait.is_none() {
                self.running.completer.waiting();
                return false;
            }
        }
    }

    /// Polls mlua's future. `Some` once the goroutine has ended.
    fn poll_driven(
        &mut self,
        local: &Local,
        lua: &Lua,
        state: &Rc<State>,
        cx: &mut Context<'_>,
    ) -> Option<End> {
        let running = Rc::clone(&self.running);
        let driven = self.driven.as_mut()?;
        let polled = local.as_running(state, &running, self.coroutine, || {
            catch_unwind(AssertUnwindSafe(|| driven.as_mut().poll(cx)))
        });
        match polled {
            Err(panic) => Some(self.panicked(&*panic)),
            Ok(Poll::Pending) => {
                self.wait = self.running.take_wait();
                None
            }
            Ok(Poll::Ready(Ok(values))) => Some(self.returned(lua, values)),
            Ok(Poll::Ready(Err(error))) => Some(self.failed_with(&fault::text(&error))),
        }
    }

    /// Puts what mlua's future has given back on the coroutine's stack.
    fn returned(&self, lua: &Lua, values: MultiValue) -> End {
        let (coroutine, count) = (self.coroutine, values.len() as i32);
        let mut end = End::Kept;
        let put = protected(lua, values, |stack| {
            stack.move_to(coroutine, count);
            end = results(stack, coroutine, count);
            stack.truncate(0);
        });
        match put {
            Ok(_) => end,
            Err(error) => self.failed_with(&fault::text(&error)),
        }
    }

    fn panicked(&self, panic: &(dyn Any + Send)) -> End {
        self.failed_with(&panic_text(panic))
    }

    fn failed_with(&self, message: &str) -> End {
        End::Failed(failure_of_text(message, self.running.id(), self.member.as_deref()))
    }

    /// Tells what it came to.
    fn end(&mut self, local: &Local, lua: &Lua, state: &Rc<State>, end: End) {
        // A hook that was set in it would be the next goroutine's.
        let reusable = !self.running.exposed.get() && self.driven.is_none() && !self.coroutine.has_hook();
        if matches!(end, End::Done(_)) && reusable {
            self.has_slot = !local.reuse(self.running.slot);
        }
        let outcome = match end {
            End::Done(packet) => Outcome::Done(packet),
            End::Kept => {
                let kept = self.keep();
                if self.running.completer.is_shared() {
                    local.copy_results(lua, state, &kept);
                }
                Outcome::Done(Packet::Kept(kept))
            }
            End::Raised => match self.raised(local, lua, state) {
                Some(failure) => Outcome::Failed(Box::new(failure)),
                None => self.cancelled(),
            },
            End::Failed(failure) => Outcome::Failed(Box::new(failure)),
            End::Cancelled => self.cancelled(),
        };
        self.finish(outcome);
    }

    /// What is on the coroutine's stack, for whoever awaits.
    fn keep(&mut self) -> Arc<Kept> {
        self.has_slot = false;
        Arc::new(Kept::new(self.running.slot, Arc::clone(self.parcel.post())))
    }

    /// The failure of one that has raised what is on its stack. `None`: that was the error of a cancelled goroutine.
    fn raised(&mut self, local: &Local, lua: &Lua, state: &Rc<State>) -> Option<Failure> {
        let coroutine = self.coroutine;
        let error = protected(lua, (), |stack| {
            let _ = stack.copy_from(coroutine, FIRST);
        });
        let error = error.ok().and_then(|mut values| values.pop_front()).unwrap_or(Value::Nil);
        if self.running.is_cancelled() && crate::api::is_cancelled(lua, &error) {
            return None;
        }
        // Its `__tostring` may do anything that the goroutine may, but wait.
        let running = Rc::clone(&self.running);
        let message = local.as_running(state, &running, coroutine, || {
            state.on_this_stack(lua, || fault::error_text(&error))
        });
        let traceback = self.running.take_traceback();
        let Blame { started_at, tell } = Blame::of(self.member.as_deref());
        let error = self.keep();
        if self.running.completer.is_shared() {
            local.copy_error(lua, state, &error);
        }
        Some(Failure {
            error: Packet::Kept(error),
            message,
            traceback: traceback.unwrap_or_else(|| String::from("stack traceback:\n\t[not known]")),
            id: self.running.id(),
            started_at,
            tell,
        })
    }

    fn cancelled(&self) -> Outcome<Packet, Box<Failure>> {
        Outcome::Cancelled(self.running.cancel_reason())
    }

    /// Tells the end to everybody. What it needs to run is let go.
    fn finish(&mut self, outcome: Outcome<Packet, Box<Failure>>) {
        self.finished = true;
        self.wait = None;
        self.driven = None;
        self.awaits_outside = None;
        self.parcel.let_go();
        if std::mem::take(&mut self.has_slot) {
            self.parcel.post().free_slot(self.running.slot);
        }
        self.running.end(outcome, std::mem::take(&mut self.ties), self.member.take());
    }
}

impl Drop for Goroutine {
    /// One that is dropped before its end belonged to a Lua state that is being closed.
    fn drop(&mut self) {
        if !self.finished {
            self.finish(self.cancelled());
        }
    }
}

/// Whether a coroutine that has returned so many values has ended well, with none of the function's.
fn is_empty(stack: &Stack<'_>, coroutine: Coroutine, count: i32) -> bool {
    count == FIRST - 1 && (count == 0 || stack.returned_true(coroutine))
}

/// Looks at the values that a coroutine has returned. They stay on its stack unless they can be had without it.
fn results(stack: &mut Stack<'_>, coroutine: Coroutine, count: i32) -> End {
    if is_empty(stack, coroutine, count) {
        coroutine.clear();
        return End::Done(Packet::Empty);
    }
    if !stack.take_from(coroutine, count) {
        return End::Kept;
    }
    for index in 1..=count {
        if stack.kind(index) == Kind::Userdata && stack.push_failure_text(index) {
            stack.replace(index);
        }
    }
    let raised = FIRST > 1 && !stack.boolean(1);
    let end = match count - (FIRST - 1) {
        _ if raised => End::Raised,
        0 => End::Done(Packet::Empty),
        1 => Plain::on_top(stack).map_or(End::Kept, |value| End::Done(Packet::One(value))),
        _ => End::Kept,
    };
    if !matches!(end, End::Done(_)) {
        stack.move_to(coroutine, count);
    }
    end
}

/// Looks at an error that nothing has caught. In Lua 5.1 it stays alone on the coroutine's stack.
fn failed(stack: &mut Stack<'_>, coroutine: Coroutine) -> Came {
    if !stack.reserve(8) {
        return Came::Failed("the Lua stack is full".into(), "stack traceback:\n\t[not known]".into());
    }
    stack.push_traceback(coroutine, 0);
    let traceback = String::from_utf8_lossy(stack.bytes(1)).into_owned();
    stack.truncate(0);
    let mut message = String::from("an error that is no text");
    if stack.take_from(coroutine, 1) {
        if stack.kind(1) == Kind::Userdata && stack.push_failure_text(1) {
            stack.replace(1);
        }
        if stack.kind(1) == Kind::String {
            message = String::from_utf8_lossy(stack.bytes(1)).into_owned();
        }
        if cfg!(feature = "lua51") {
            coroutine.clear();
            stack.move_to(coroutine, 1);
        }
    }
    stack.truncate(0);
    Came::Failed(message, traceback)
}
