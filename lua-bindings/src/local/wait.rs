//! Blocking calls of the home state, once goroutines run in it.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use futures_lite::future;
use mlua::{Function, IntoLuaMulti, Lua, MultiValue};
use runtime_core::block_on;

use crate::fault::Fault;
use crate::goroutine::{Reply, Running, Wait};
use crate::raw::{CANNOT_PARK, Coroutine};
use crate::state::{MUST_NOT_BLOCK, State, WRONG, vital};

/// How many calls may block in place, each inside the one before.
const DEEPEST: usize = 24;

const TOO_DEEP: &str =
    "too many goroutines wait inside coroutines that were resumed by an older reference to coroutine.resume";

const OLDER: &str = "warning: a goroutine of goroutine.local waits inside a coroutine that was resumed by an older reference \
    to coroutine.resume or wrap. Goroutines that run meanwhile hold it up. Load goroutine.local first, or take these \
    functions from the table 'coroutine' when they are called";

/// Added to what is said of a deadlock.
const HOLDS_UP: &str = "this goroutine waits inside a coroutine that was resumed by an older reference to coroutine.resume or wrap, and \
    holds up those that blocked before it, the script too, which can end its wait no more: load goroutine.local first";

impl State {
    /// Blocks the home state's thread, and runs its goroutines meanwhile.
    pub(crate) fn block<T>(self: &Rc<Self>, lua: &Lua, future: impl Future<Output = T>) -> T {
        let backend = &*self.system.backend;
        let block = || match self.local() {
            None => block_on(backend, future),
            Some(local) => block_on(backend, local.drive(lua, self, future)),
        };
        let done = match self.interrupts() {
            None => block(),
            Some(interrupts) => interrupts.paused(block),
        };
        if self.local().is_some() {
            self.renew_sentinel();
        }
        done
    }

    /// The script goes on, and may end. Finalizers are called for the youngest object first: so that goroutines are ended before the
    /// objects that they use, what ends them has to be younger than these.
    fn renew_sentinel(&self) {
        if self.made_objects.replace(false)
            && let Ok(Some(renew)) = self.tables.vitals.raw_get::<Option<Function>>(vital::RENEW)
        {
            // Without memory for it the old one does, later.
            let _ = renew.call::<()>(());
        }
    }

    /// The running goroutine, if its calls can park when they are made by this coroutine.
    pub(crate) fn parking(&self, coroutine: impl FnOnce() -> Coroutine) -> Option<Rc<Running>> {
        let running = self.current()?;
        match self.local() {
            Some(local) if local.chain.get() != Some(coroutine()) => None,
            _ => Some(running),
        }
    }

    /// Waits for a goroutine that cannot park: its own frames stay where they are, and others run on top of them. Woken as
    /// any wait is, by cancelling, and where what it waits for can never come: because it is held up by this very wait, mostly.
    pub(crate) fn wait_in_place(
        self: &Rc<Self>,
        lua: &Lua,
        running: &Rc<Running>,
        wait: Wait,
        shielded: bool,
    ) -> mlua::Result<MultiValue> {
        let Some(local) = self.local() else {
            return (WRONG, "a blocking call outside a goroutine").into_lua_multi(lua);
        };
        if local.closing.get() {
            return (WRONG, CANNOT_PARK).into_lua_multi(lua);
        }
        if !local.warned.replace(true) {
            (self.system.report)(OLDER);
        }
        if local.in_place.get() >= DEEPEST {
            return (WRONG, TOO_DEEP).into_lua_multi(lua);
        }
        if !self.system.backend.may_block() {
            return (WRONG, MUST_NOT_BLOCK).into_lua_multi(lua);
        }
        let backend = &*self.system.backend;
        let mut level = local.level(wait, Some(Rc::clone(running)));
        let waits = poll_fn(|cx| {
            local.poll_held_up(&level, cx);
            Pin::new(&mut level).poll(cx)
        });
        let cancelled = async {
            poll_fn(|cx| if shielded { Poll::Pending } else { running.completer.poll_cancelled(cx) }).await;
            match running.unwinds_until() {
                Some(until) => backend.sleep_until(until).await,
                None if shielded => pending().await,
                None => {}
            }
            Reply::Cancelled
        };
        let deadlocked = async {
            let system = &self.system;
            let Some(detector) = &system.detector else { return pending().await };
            let found = detector.found(system, self.waits_in.get(), || local.turns()).await;
            Reply::make(move |_, _| Err(Fault::Wrong(format!("{found}\n{HOLDS_UP}"))))
        };
        running.completer.waiting();
        local.in_place.set(local.in_place.get() + 1);
        let reply = self.block(lua, future::or(waits, future::or(cancelled, deadlocked)));
        local.in_place.set(local.in_place.get() - 1);
        local.wake_levels();
        running.completer.running();
        self.system.stay_if_exiting();
        self.reply_values(lua, reply)
    }
}
