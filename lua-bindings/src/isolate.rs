//! Isolates: Lua states that run goroutines, each owned by one worker of the backend.
//!
//! An isolate's body waits for goroutines in the shared queue. It runs each up to its first blocking call at once; if
//! the goroutine parks, the rest of it becomes a future of the worker's own executor (see [`crate::task`]). So a
//! goroutine that never blocks costs no future, and an isolate takes a new goroutine only when it has nothing that is
//! ready to run.
//!
//! # Slots that are used again, and wake-ups that come late
//! A million goroutines come and go in the same few slots, and who wakes one of them may come when it has ended. What then
//! stands between the wake-up and the goroutine that has the slot now:
//!
//! | what is used again | what comes late | what tells them apart |
//! |---|---|---|
//! | a slot of an isolate, its coroutine and its globals | nothing: no waker knows a slot. They know the task, which has its own `Running` | |
//! | a task's place in a worker of `backend-threads` | a wake-up from anywhere | the ticket's serial number (`inbox.rs`) |
//! | a place of a goroutine of the home state | a bell that was rung | the bell itself (`local/mod.rs`) |
//! | a waiter's place at a channel or a lock | a claim, a withdrawal | the ticket's number; a token is claimed once (`runtime_core`'s `token.rs`) |
//! | a timer's entry | its end, its withdrawal | a number behind the instant (`timers.rs`); other backends count references |
//! | a place in a pool | the end of a task | the task's number (`SlotId`) |
//! | a function that is lent | a goroutine that gives it back | the number of the lending (`loaded.rs`) |
//! | the coroutine that a signal meant | the signal | the hook asks what runs now (`interrupt.rs`) |

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use event_listener::Event;
use futures_lite::future;
use mlua::{Function, Lua, Table, Thread};
use runtime_core::{LocalSpawn, WorkerBody};

use crate::api;
use crate::fault;
use crate::goroutine::{Running, Start, Waiting};
use crate::inquiry::Inquiries;
use crate::interrupt::Interrupts;
use crate::modules::{self, Modules};
use crate::packet;
use crate::parking::Seat;
use crate::raw::{self, Coroutine, protected};
use crate::state::{Role, State};
use crate::system::System;
use crate::task::Task;

/// How many goroutines an isolate starts before it lets those run that are ready again.
const STARTS_IN_A_ROW: usize = 32;

/// One isolate: the state, and the slots of its goroutines.
pub(crate) struct Isolate {
    pub(crate) lua: Lua,
    pub(crate) state: Rc<State>,
    slots: RefCell<Slots>,
    /// Notified when the last goroutine has ended, once somebody waits for that.
    idle: Event,
    idle_wanted: Cell<bool>,
    /// Notified when there is something to be collected.
    wanted: Event,
    /// The `package.path` and so on that are in force here.
    modules: RefCell<Arc<Modules>>,
    pub(crate) close_coroutine: Option<Function>,
    /// Where it waits for something to start.
    seat: Arc<Seat>,
    pub(crate) spawner: Rc<dyn LocalSpawn>,
    /// Whether there is something to be collected as soon as there is nothing else to do.
    collect: Cell<bool>,
    /// Whether a goroutine has just failed because its memory limit was reached.
    pub(crate) starved: Cell<bool>,
    /// How many goroutines here were interrupted and have more to compute.
    computing: Cell<usize>,
    /// The last question that was answered; see [`crate::inquiry`].
    pub(crate) answered: Cell<u64>,
}

#[derive(Default)]
struct Slots {
    slots: Vec<Slot>,
    /// Slots whose coroutine can be used again.
    free: Vec<usize>,
    /// Slots without a coroutine.
    bare: Vec<usize>,
    live: usize,
}

struct Slot {
    coroutine: Option<Coroutine>,
    running: Option<Rc<Running>>,
}

/// What the worker of an isolate runs. It tells by `ready` whether the state could be set up.
pub(crate) fn body(system: Arc<System>, ready: flume::Sender<Result<(), String>>) -> WorkerBody {
    Box::new(move |spawner| {
        Box::pin(async move {
            let isolate = match Isolate::new(&system, spawner) {
                Ok(isolate) => Rc::new(isolate),
                Err(error) => {
                    let _ = ready.send(Err(fault::text(&error)));
                    return;
                }
            };
            let answering = Inquiries::begin(&system);
            let _ = ready.send(Ok(()));
            drop(ready);
            isolate.accept(&system, None).await;
            drop(answering);
            isolate.wind_down().await;
        })
    })
}

/// Does what the script wants to be done in each isolate.
fn prepare(lua: &Lua, state: &Rc<State>) -> mlua::Result<()> {
    let settings = state.system.settings();
    if let Some(limit) = settings.memory_limit {
        lua.set_memory_limit(limit)
            .map_err(|_| mlua::Error::runtime("configure: this Lua cannot limit its memory"))?;
        raw::advise(lua, &settings.memory_advice())?;
    }
    if let Some(packet) = settings.on_start.clone() {
        drop(settings);
        let wrong = |error: String| mlua::Error::runtime(format!("on_start: {error}"));
        let decoded = packet::decode(lua, state, &packet).map_err(|error| wrong(error.to_string()))?;
        let Some(mlua::Value::Function(on_start)) = decoded.into_iter().next() else {
            return Err(wrong("no function has arrived".into()));
        };
        on_start.call::<()>(()).map_err(|error| wrong(fault::text(&error)))?;
    }
    Ok(())
}

impl Isolate {
    pub(crate) fn new(system: &Arc<System>, spawner: Rc<dyn LocalSpawn>) -> mlua::Result<Self> {
        let lua = raw::new_state();
        let state = api::install(&lua, Arc::clone(system), Role::Isolate)?;
        let close = lua.globals().get::<Table>("coroutine")?.get::<Option<Function>>("close")?;
        // From here on, the monitor knows this thread.
        let interrupts = Interrupts::begin(&system.monitor);
        let seat = Arc::new(Seat::new(Arc::clone(interrupts.pulse())));
        raw::prepare_interrupts(&lua, &state, interrupts.is_permanent()).map_err(mlua::Error::runtime)?;
        state.set_interrupts(interrupts);
        prepare(&lua, &state)?;
        Ok(Self {
            lua,
            state,
            slots: RefCell::default(),
            idle: Event::new(),
            idle_wanted: Cell::new(false),
            wanted: Event::new(),
            modules: RefCell::default(),
            close_coroutine: close,
            seat,
            spawner,
            collect: Cell::new(false),
            answered: Cell::new(0),
            starved: Cell::new(false),
            computing: Cell::new(0),
        })
    }

    /// Starts goroutines until everything is closed, or, if it is to stay for a bounded time only, there has been nothing to do
    /// for so long.
    pub(crate) async fn accept(self: &Rc<Self>, system: &Arc<System>, stay: Option<Duration>) {
        loop {
            let mut started = 0;
            while let Some(waiting) = system.queue.try_pop() {
                self.begin(waiting);
                started += 1;
                if started == STARTS_IN_A_ROW {
                    break;
                }
            }
            if system.is_closing() {
                return;
            }
            if started > 0 {
                future::yield_now().await;
                continue;
            }
            if self.computing.get() > 0 {
                // Those take what comes at each interrupt. Another isolate may be free, and is to be woken for it.
                let wanted = self.wanted.listen();
                if self.computing.get() > 0 && !system.is_closing() {
                    let closing = system.closing();
                    future::or(closing, future::or(wanted, self.is_asked())).await;
                    self.answer();
                }
                continue;
            }
            if self.collect.replace(false) {
                let _ = self.lua.gc_collect();
            }
            let mut left = false;
            let next = async { Some(system.queue.pop(&self.seat).await) };
            let closing = async {
                system.closing().await;
                None
            };
            let collect = async {
                self.wanted.listen().await;
                None
            };
            let asked = async {
                self.is_asked().await;
                None
            };
            let leaving = async {
                match stay {
                    Some(stay) => system.backend.sleep_until(system.backend.now() + stay).await,
                    None => future::pending().await,
                }
                left = true;
                None
            };
            let other = future::or(closing, future::or(collect, future::or(asked, leaving)));
            match future::or(other, next).await {
                Some(waiting) => self.begin(waiting),
                None if system.is_closing() => return,
                None if left && self.slots.borrow().live == 0 => return,
                None => {}
            }
            self.answer();
        }
    }

    /// Cancels what still runs, and waits for it. Whoever joins the worker bounds this.
    pub(crate) async fn wind_down(&self) {
        let live: Vec<Rc<Running>> =
            self.slots.borrow().slots.iter().filter_map(|slot| slot.running.clone()).collect();
        for running in live {
            running.completer.handle().cancel(Some("shutdown"));
        }
        self.has_ended_all().await;
    }

    /// Ready when no goroutine is left here.
    pub(crate) async fn has_ended_all(&self) {
        self.idle_wanted.set(true);
        loop {
            let idle = self.idle.listen();
            if self.slots.borrow().live == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Starts the next goroutine that waits for a free isolate, if one does.
    pub(crate) fn begin_next(self: &Rc<Self>) {
        if !self.state.system.is_closing()
            && let Some(waiting) = self.state.system.queue.try_pop()
        {
            self.begin(waiting);
        }
    }

    /// One of its goroutines has a turn: what waits for something to start does not run meanwhile.
    pub(crate) fn has_a_turn(&self) {
        self.state.system.queue.has_a_turn(&self.seat);
    }

    /// Counts those that were interrupted and have more to compute. While there are some, the isolate is not among those
    /// that are woken for what is to be started.
    pub(crate) fn count_computing(&self, more: isize) {
        let before = self.computing.get();
        let now = before.saturating_add_signed(more);
        self.computing.set(now);
        if (before == 0) != (now == 0) {
            self.wanted.notify(1);
        }
    }

    /// Starts a goroutine from a queue, if it has not been cancelled there.
    fn begin(self: &Rc<Self>, waiting: Waiting) {
        if let Some(start) = waiting.take() {
            self.start(start);
        }
    }

    /// Starts a goroutine, and runs it until it parks for the first time.
    pub(crate) fn start(self: &Rc<Self>, start: Start) {
        if start.completer.cancelled().is_some() {
            return Task::never_started(start);
        }
        self.follow_modules();
        let (slot, coroutine) = match self.take_slot() {
            Ok(taken) => taken,
            Err(error) => {
                let why = fault::text(&error);
                return start.fail(self.out_of_memory(&why).as_deref().unwrap_or(&why));
            }
        };
        let (mut task, shipped) = Task::new(self, start, slot, coroutine);
        if !self.state.system.room.begin(|| task.begin(shipped)) {
            task.computes();
            self.spawner.spawn_local(Box::pin(task));
        }
    }

    /// If this error says that memory has run out, and there is a limit: one that names it. What the goroutine held is
    /// collected when it has ended.
    pub(crate) fn out_of_memory(&self, message: &str) -> Option<String> {
        // A position may stand in front of it, or what could not be sent; one that was caught names the limit already.
        if !message.contains("not enough memory") {
            return None;
        }
        let settings = self.state.system.settings();
        settings.memory_limit?;
        let advice = settings.memory_advice();
        drop(settings);
        self.starved.set(true);
        self.state.system.room.starve();
        message.ends_with("not enough memory").then(|| format!("{message}: {advice}"))
    }

    /// A slot with a coroutine that is ready to be given a function.
    fn take_slot(&self) -> mlua::Result<(usize, Coroutine)> {
        let mut slots = self.slots.borrow_mut();
        slots.live += 1;
        if let Some(index) = slots.free.pop()
            && let Some(coroutine) = slots.slots[index].coroutine
        {
            return Ok((index, coroutine));
        }
        let index = slots.bare.pop().unwrap_or(slots.slots.len());
        let mut coroutine = None;
        let made = protected(&self.lua, &self.state.tables.threads, |stack| {
            if stack.reserve(4) {
                let made = stack.push_coroutine();
                // Anchored here for as long as the slot has it.
                stack.raw_set_index(1, index + 1);
                coroutine = Some(made);
            }
            let top = stack.top();
            stack.pop(top);
        });
        let made = made.and_then(|_| coroutine.ok_or_else(|| mlua::Error::runtime("the Lua stack is full")));
        let coroutine = match made {
            Ok(coroutine) => coroutine,
            Err(error) => {
                slots.live -= 1;
                if index < slots.slots.len() {
                    slots.bare.push(index);
                }
                return Err(error);
            }
        };
        let slot = Slot { coroutine: Some(coroutine), running: None };
        match slots.slots.get_mut(index) {
            Some(place) => *place = slot,
            None => slots.slots.push(slot),
        }
        Ok((index, coroutine))
    }

    /// Collects garbage once there is no goroutine to be started: something of the embedder's is held by Lua in vain.
    pub(crate) fn collect_when_idle(&self) {
        if !self.collect.replace(true) {
            self.wanted.notify(1);
        }
    }

    /// Notes who runs in a slot, so that it can be cancelled when the isolate winds down.
    pub(crate) fn occupy(&self, slot: usize, running: &Rc<Running>) {
        self.slots.borrow_mut().slots[slot].running = Some(Rc::clone(running));
    }

    /// Gives a slot back. `reusable`: its coroutine has returned and nobody else knows it.
    pub(crate) fn release(&self, slot: usize, reusable: bool) {
        let mut slots = self.slots.borrow_mut();
        let running = slots.slots[slot].running.take();
        if let (Some(running), Some(interrupts)) = (&running, self.state.interrupts()) {
            interrupts.ended(|| running.id());
        }
        slots.live -= 1;
        if reusable {
            slots.free.push(slot);
        } else {
            slots.slots[slot].coroutine = None;
            let _ = self.state.tables.threads.raw_set(slot + 1, mlua::Nil);
            slots.bare.push(slot);
        }
        let tables = &self.state.tables;
        if running.as_ref().is_some_and(|running| running.has_environment.get()) {
            let _ = tables.environments.raw_set(slot, mlua::Nil);
        }
        if running.is_some_and(|running| running.has_classes.get()) {
            let _ = tables.classes.raw_set(slot + 1, mlua::Nil);
        }
        if slots.live == 0 && self.idle_wanted.get() {
            self.idle.notify(usize::MAX);
        }
    }

    /// The goroutines that have started here and not ended.
    pub(crate) fn living(&self) -> Vec<(Rc<Running>, Coroutine)> {
        let slots = self.slots.borrow();
        slots.slots.iter().filter_map(|slot| Some((slot.running.clone()?, slot.coroutine?))).collect()
    }

    /// The coroutine of a slot as a value of mlua's, for what raw access cannot do.
    pub(crate) fn thread(&self, slot: usize) -> mlua::Result<Thread> {
        self.state.tables.threads.raw_get(slot + 1)
    }

    /// Takes over where the home state finds its modules, if that has changed.
    fn follow_modules(&self) {
        let wanted = Arc::clone(&self.state.system.modules.read());
        if Arc::ptr_eq(&wanted, &self.modules.borrow()) {
            return;
        }
        if let Err(error) = modules::follow(&self.state, &self.lua, &wanted) {
            (self.state.system.report)(&format!(
                "cannot take over the home state's modules: {}",
                fault::text(&error)
            ));
        }
        *self.modules.borrow_mut() = wanted;
    }
}
