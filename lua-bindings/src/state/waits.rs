//! Waits: how a goroutine parks, how the home state blocks or yields to an executor, and what each gets.

use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use futures_lite::future;
use mlua::{IntoLuaMulti, Lua, MultiValue, Value};
use runtime_core::deadline;

use super::{Role, State, vital};
use crate::fault::Fault;
use crate::goroutine::{Reply, Wait};
use crate::local::Local;
use crate::object::Object;
use crate::system::{Ending, GRACE};
use crate::{packet, raw};

/// What is said where a wait would stop an embedder's runtime.
pub(crate) const MUST_NOT_BLOCK: &str = "a blocking call on the only thread of an async runtime, which would stand still: run the \
    script with call_async, and wait in no coroutine that it has made itself, or run it on a thread that may block (spawn_blocking)";

/// What is said to a finalizer that waits for too long.
const TOO_LATE: &str = "the script has ended, and its finalizers may wait for 2 s in all";

// What the first value of a primitive tells the Lua function around it. `lua/base.lua` has the same numbers.
/// Values follow.
pub(crate) const DONE: i64 = 0;
/// The goroutine has to park.
pub(crate) const PARK: i64 = 1;
/// A message follows, to be raised with the caller's position.
pub(crate) const WRONG: i64 = 2;
/// An error value follows, to be raised as it is.
const RAISE: i64 = 3;
/// Two functions follow, one of which is to be called: the first waits by yielding to the embedder's executor, the other by
/// blocking, where nothing can be yielded. They give what a primitive gives.
pub(crate) const AWAIT: i64 = 4;

const NOTHING: &str = "nothing is to be waited for";

impl State {
    /// The values of a primitive for its outcome.
    pub(crate) fn values(&self, lua: &Lua, outcome: Result<MultiValue, Fault>) -> mlua::Result<MultiValue> {
        match outcome {
            Ok(mut values) => {
                values.push_front(Value::Integer(DONE));
                Ok(values)
            }
            Err(Fault::Wrong(message)) => (WRONG, message).into_lua_multi(lua),
            Err(Fault::Raise(error)) => (RAISE, error).into_lua_multi(lua),
            Err(Fault::Cancelled) => self.reply_values(lua, Reply::Cancelled),
        }
    }

    /// Waits: parks the running goroutine; at home yields to the embedder's executor, if one runs the script, and blocks the
    /// thread otherwise. The values are those of a primitive. A `shielded` wait is not ended by cancelling: it sees to its own
    /// end then.
    pub(crate) fn wait(self: &Rc<Self>, lua: &Lua, wait: Wait, shielded: bool) -> mlua::Result<MultiValue> {
        match self.current() {
            Some(running) if !shielded && running.must_stop(|| self.now()) => {
                // Nothing interrupts a goroutine of the home state: one that catches the error again and again lets others run.
                // Its turn comes again at once. Lua 5.1 cannot park where the error is caught.
                if cfg!(not(feature = "lua51"))
                    && self.local().is_some()
                    && self.parking(|| raw::running(lua)).is_some()
                {
                    running.park(Box::pin(std::future::ready(Reply::Cancelled)), false);
                    return PARK.into_lua_multi(lua);
                }
                self.reply_values(lua, Reply::Cancelled)
            }
            Some(running) if self.parking(|| raw::running(lua)).is_none() => {
                self.wait_in_place(lua, &running, wait, shielded)
            }
            Some(running) => {
                running.park(wait, shielded);
                PARK.into_lua_multi(lua)
            }
            None if self.role == Role::Isolate => {
                let message = "a blocking call while a module is being loaded in a goroutine's isolate; load it without one";
                (WRONG, message).into_lua_multi(lua)
            }
            None if raw::is_polled_by_executor(lua) => {
                // Whether it can yield is not known here, where a C function calls.
                self.awaited.set(Some(wait));
                let vitals = &self.tables.vitals;
                let waits: (Value, Value) =
                    (vitals.raw_get(vital::AWAITING)?, vitals.raw_get(vital::BLOCKING)?);
                (AWAIT, waits.0, waits.1).into_lua_multi(lua)
            }
            None => self.block_at_home(lua, wait),
        }
    }

    /// Waits in the home state by blocking its thread.
    fn block_at_home(self: &Rc<Self>, lua: &Lua, wait: Wait) -> mlua::Result<MultiValue> {
        if !self.system.backend.may_block() {
            return (WRONG, MUST_NOT_BLOCK).into_lua_multi(lua);
        }
        let wait = self.unless_interrupted(self.served(wait));
        let reply = match self.last_wait(lua) {
            None => match self.block_unless_deadlocked(lua, wait) {
                Ok(reply) => reply,
                Err(deadlock) => return (WRONG, deadlock).into_lua_multi(lua),
            },
            Some(limit) => {
                let wait = deadline(&*self.system.backend, Some(limit), wait);
                match self.block(lua, wait) {
                    Some(reply) => reply,
                    None => return (WRONG, TOO_LATE).into_lua_multi(lua),
                }
            }
        };
        self.reply_at_home(lua, reply)
    }

    /// Makes the functions that wait in the home state where an executor runs the script, for what a primitive has left.
    ///
    /// The first is an async function of mlua's, within the coroutine that mlua polls. It is woken as any wait is, and when the
    /// system is interrupted: by the waker with which the executor polls the script. If the script's future is dropped
    /// meanwhile, mlua drops this one at once, and it withdraws from what it waits in.
    pub(crate) fn add_awaiting(lua: &Lua, state: &Rc<Self>) -> mlua::Result<()> {
        let of_state = Rc::clone(state);
        let yields = lua.create_async_function(move |lua, ()| {
            let state = Rc::clone(&of_state);
            let wait = state.awaited.take();
            async move {
                let Some(wait) = wait else {
                    return (WRONG, NOTHING).into_lua_multi(&lua);
                };
                let wait = state.unless_interrupted(state.served(wait));
                let reply = match state.local() {
                    None => wait.await,
                    Some(local) => local.drive(&lua, &state, wait).await,
                };
                state.reply_at_home(&lua, reply)
            }
        })?;
        state.tables.vitals.raw_set(vital::AWAITING, yields)?;
        let of_state = Rc::clone(state);
        let blocks = lua.create_function(move |lua, ()| match of_state.awaited.take() {
            Some(wait) => of_state.block_at_home(lua, wait),
            None => (WRONG, NOTHING).into_lua_multi(lua),
        })?;
        state.tables.vitals.raw_set(vital::BLOCKING, blocks)
    }

    /// A wait of the home state's. `None` once the system is interrupted.
    fn unless_interrupted(&self, wait: impl Future<Output = Reply>) -> impl Future<Output = Option<Reply>> {
        let interrupted = async {
            self.system.interrupted().await;
            None
        };
        future::or(interrupted, async { Some(wait.await) })
    }

    /// This wait, which may be held up where goroutines run in the home state.
    async fn served(&self, wait: Wait) -> Reply {
        match self.local() {
            None => wait.await,
            Some(local) => local.level(wait, None).await,
        }
    }

    /// The values of a primitive for the outcome of a wait of the home state's.
    fn reply_at_home(&self, lua: &Lua, reply: Option<Reply>) -> mlua::Result<MultiValue> {
        // The process ends here, if a goroutine has ended it: what was cancelled for that must not be taken for the outcome
        // of the wait.
        self.system.stay_if_exiting();
        match reply {
            Some(reply) if self.system.ending() == Ending::None => self.reply_values(lua, reply),
            _ => (WRONG, "interrupted").into_lua_multi(lua),
        }
    }

    /// Blocks the home state without a limit. The error describes a deadlock, or is `interrupted!`.
    fn block_unless_deadlocked<T>(
        self: &Rc<Self>,
        lua: &Lua,
        wait: impl Future<Output = T>,
    ) -> Result<T, String> {
        let system = &self.system;
        match &system.detector {
            None => Ok(self.block(lua, wait)),
            Some(detector) => {
                let turns = || self.local().map_or(0, Local::turns);
                let deadlock = async { Err(detector.found(system, self.waits_in.get(), turns).await) };
                let wait = async { Ok(wait.await) };
                // A stock interpreter notes Ctrl-C by a hook, which would be called when the wait is over. So it is looked for at each
                // poll, and the detector's looks see to it that there is one within half a second.
                let ctrl_c = raw::ctrl_c(lua);
                let interrupted = poll_fn(|_| match ctrl_c() {
                    true => Poll::Ready(Err("interrupted!".into())),
                    false => Poll::Pending,
                });
                let wait = future::or(interrupted, wait);
                self.block(lua, future::or(wait, deadlock))
            }
        }
    }

    /// Until when this wait of the home state's may take, if the state is being closed: what its finalizers wait for may never
    /// come, and nothing else could end them. All of them together have the time that goroutines have to unwind.
    fn last_wait(&self, lua: &Lua) -> Option<Instant> {
        if self.closing_until.get().is_none() && raw::is_being_closed(lua) {
            self.closing_until.set(Some(self.system.backend.now() + GRACE));
        }
        self.closing_until.get()
    }

    /// Notes what the running goroutine is about to wait for.
    pub(crate) fn will_wait(&self, what: &'static str) {
        match &*self.current.borrow() {
            Some(running) => running.parked.set(Some((what, self.system.nanoseconds()))),
            None => self.waits_in.set(what),
        }
    }

    /// Drops the wait of a call that could not park.
    pub(crate) fn abandon_wait(&self) {
        if let Some(running) = self.current() {
            drop(running.take_wait());
        }
    }

    /// A call that has parked in a coroutine cannot, since one further out is where nothing can be yielded: it raises.
    pub(crate) fn cannot_park(&self) {
        if let Some(running) = self.current() {
            drop(running.take_wait());
            let wrong = Reply::make(|_, _| Err(Fault::Wrong(raw::CANNOT_PARK.into())));
            running.answer(wrong);
        }
    }

    /// What the call that parked returns, after the goroutine was resumed.
    pub(crate) fn resumed(self: &Rc<Self>, lua: &Lua) -> mlua::Result<MultiValue> {
        let reply = self.current.borrow().as_ref().and_then(|running| running.take_reply());
        match reply {
            Some(reply) => self.reply_values(lua, reply),
            None => (WRONG, "a parked call was resumed by something else than its wait").into_lua_multi(lua),
        }
    }

    pub(crate) fn reply_values(&self, lua: &Lua, reply: Reply) -> mlua::Result<MultiValue> {
        match reply {
            Reply::Nothing => DONE.into_lua_multi(lua),
            Reply::True => (DONE, true).into_lua_multi(lua),
            Reply::TimedOut => (DONE, false, "timeout exceeded").into_lua_multi(lua),
            Reply::Received(Some(packet)) => {
                let received = packet::decode(lua, self, &packet).map_err(Fault::from).map(|mut values| {
                    values.push_back(Value::Boolean(true));
                    values
                });
                self.values(lua, received)
            }
            Reply::Received(None) => (DONE, Value::Nil, false).into_lua_multi(lua),
            Reply::Make(make) => self.values(lua, make(lua, self)),
            Reply::Cancelled => {
                let error = Object::Cancelled(self.cancelled_object()).to_value(lua, self)?;
                (RAISE, error).into_lua_multi(lua)
            }
        }
    }
}
