//! Waits: how a goroutine parks, how the home state blocks, and what either gets.

use std::future::Future;
use std::rc::Rc;
use std::time::Instant;

use futures_lite::future;
use mlua::{IntoLuaMulti, Lua, MultiValue, Value};
use runtime_core::deadline;

use super::{DONE, PARK, RAISE, Role, State, TOO_LATE, WRONG};
use crate::fault::Fault;
use crate::goroutine::{Reply, Wait};
use crate::local::Local;
use crate::object::Object;
use crate::system::{Ending, GRACE};
use crate::{packet, raw};

impl State {
    /// Waits: parks the running goroutine, or blocks the thread at home. The values are those of a primitive. A `shielded`
    /// wait is not ended by cancelling: it sees to its own end then.
    pub(crate) fn wait(self: &Rc<Self>, lua: &Lua, wait: Wait, shielded: bool) -> mlua::Result<MultiValue> {
        match self.current() {
            Some(running) if !shielded && running.must_stop(|| self.now()) => {
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
            None => {
                let closing = async {
                    self.system.interrupted().await;
                    None
                };
                let wait = async { Some(wait.await) };
                let reply = match self.last_wait(lua) {
                    None => match self.block_unless_deadlocked(lua, future::or(closing, wait)) {
                        Ok(reply) => reply,
                        Err(deadlock) => return (WRONG, deadlock).into_lua_multi(lua),
                    },
                    Some(limit) => {
                        let wait = deadline(&*self.system.backend, Some(limit), future::or(closing, wait));
                        match self.block(lua, wait) {
                            Some(reply) => reply,
                            None => return (WRONG, TOO_LATE).into_lua_multi(lua),
                        }
                    }
                };
                // The process ends here, if a goroutine has ended it: what was cancelled for that must not be taken for
                // the outcome of the wait.
                self.system.stay_if_exiting();
                match reply {
                    Some(reply) if self.system.ending() == Ending::None => self.reply_values(lua, reply),
                    _ => (WRONG, "interrupted").into_lua_multi(lua),
                }
            }
        }
    }

    /// Blocks the home state without a limit. The error describes a deadlock.
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
            Some(running) => running.parked.set(Some((what, self.now()))),
            None => self.waits_in.set(what),
        }
    }

    /// Drops the wait of a call that could not park.
    pub(crate) fn abandon_wait(&self) {
        if let Some(running) = self.current() {
            drop(running.wait.borrow_mut().take());
        }
    }

    /// What the call that parked returns, after the goroutine was resumed.
    pub(crate) fn resumed(self: &Rc<Self>, lua: &Lua) -> mlua::Result<MultiValue> {
        let reply = self.current.borrow().as_ref().and_then(|running| running.reply.borrow_mut().take());
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
