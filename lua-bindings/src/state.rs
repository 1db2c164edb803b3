//! [`State`]: what belongs to one Lua state, be it home or an isolate.

mod environment;
mod waits;

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use mlua::{Function, IntoLuaMulti, Lua, MultiValue, Table, Value, WeakLua};
use runtime_core::locks::Holder;
use rustc_hash::FxHashSet;

use crate::api::{CancelledObject, Printing, Submitting};
use crate::code::{self, Code, CodeCache, Recent};
use crate::fault::Fault;
use crate::goroutine::{Reply, Running, Wait};
use crate::interrupt::Interrupts;
use crate::loaded::Loaded;
use crate::local::Local;
use crate::modules;
use crate::object::Object;
use crate::origin::Children;
use crate::packet::{Definitions, Scratch, Spare};
use crate::place::LastPlace;
use crate::places::Places;
use crate::pool::LuaPool;
use crate::raw::{Key, Prototypes, Stack};
use crate::registry::Meter;
use crate::system::System;

/// Which state this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The one that called `require("goroutine")`. Its blocking calls block the thread, or yield to the executor that runs them.
    Home,
    /// One that runs goroutines. Their blocking calls park them.
    Isolate,
}

/// What belongs to one Lua state. Shared by all functions of the module in that state, and by its goroutines.
pub(crate) struct State {
    pub(crate) system: Arc<System>,
    pub(crate) role: Role,
    /// Not counted: the state's own functions hold this structure.
    lua: WeakLua,
    vitals: Cell<Option<Key>>,
    pub(crate) tables: Tables,
    /// The number of loaded modules when their names were last collected.
    pub(crate) modules_seen: Cell<usize>,
    /// The modules that this state has sent by name, whose fields it has noted.
    pub(crate) modules_noted: RefCell<FxHashSet<Box<[u8]>>>,
    /// What home's strings have for methods and isolates' strings have not, as it was at the first start.
    own_methods: RefCell<Option<Vec<Vec<u8>>>>,
    codes: RefCell<CodeCache>,
    pub(crate) recent_codes: Recent,
    sharing_modules: Cell<bool>,
    scratch: Cell<Option<Box<Scratch>>>,
    bytes: Cell<Vec<u8>>,
    /// Memory for large packets, and how many usual ones may be made until it is given up.
    pub(crate) spare: Arc<Spare>,
    spare_kept: Cell<u32>,
    pub(crate) definitions: RefCell<Definitions>,
    loaded: Loaded,
    /// The addresses of what travels by name, and of classes. Those of classes that are gone may be others' by now.
    named: RefCell<Option<FxHashSet<usize>>>,
    /// The address of the module `goroutine`, once a start has sent it by name, with all that the first time takes; 0 until then.
    pub(crate) our_module: Cell<usize>,
    pub(crate) last_place: RefCell<LastPlace>,
    /// Of the handles in its list of objects.
    pub(crate) places: Rc<Places>,
    /// The pool that was submitted to last.
    pub(crate) recent_pool: RefCell<Option<LuaPool>>,
    /// A submit on its way from the direct primitive to the general one, which waits for it.
    pub(crate) submitting: Cell<Option<Submitting>>,
    /// Bytes that objects take outside Lua, of which its collector has not been told yet.
    outside: Cell<usize>,
    /// The goroutine whose code is running.
    current: RefCell<Option<Rc<Running>>>,
    /// The goroutines that the home state has started.
    children: Children,
    /// Once the home state is known to be closed: until when its finalizers may wait.
    closing_until: Cell<Option<Instant>>,
    /// What the code outside goroutines holds of locks, once it has locked one.
    holder: OnceCell<Holder>,
    /// In isolates: how its goroutines are interrupted.
    interrupts: OnceCell<Interrupts>,
    /// What the home state waits in, or has waited in last.
    waits_in: Cell<&'static str>,
    /// A wait of the home state's, from the primitive that has it to the function that awaits it, which is called next.
    awaited: Cell<Option<Wait>>,
    /// Who takes what is printed.
    pub(crate) printing: Printing,
    /// The scheduler of the goroutines that run in the home state, once `goroutine.local` was loaded there.
    local: OnceCell<Local>,
    /// What it has sent.
    pub(crate) meter: Meter,
}

/// What becomes of a goroutine that is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on: no goroutine runs.
    Nothing,
    /// Its neighbours have a turn.
    Yield,
    /// It gets the error of a cancelled goroutine.
    Raise,
    /// It has had that error, and the time to unwind: it ends here.
    Stop,
}

/// What is said where a wait would stop an embedder's runtime.
pub(crate) const MUST_NOT_BLOCK: &str = "a blocking call on the only thread of an async runtime, which would stand still: run the \
    script with call_async, and wait in no coroutine that it has made itself, or run it on a thread that may block (spawn_blocking)";

/// What is said to a finalizer that waits for too long.
const TOO_LATE: &str = "the script has ended, and its finalizers may wait for 2 s in all";

/// Where shipping and scheduling find the Lua values they need: in a list that the state's registry keeps, so that they
/// are at hand on any stack of the state, without a reference of mlua's.
pub(crate) mod vital {
    /// Modules and their functions to the name they travel by: `string`, `string\0format`, `_G\0print`. Also classes, to
    /// their ids. Weak.
    pub(crate) const NAMED: usize = 1;
    /// The other way round.
    pub(crate) const BY_NAME: usize = 2;
    /// Collects `NAMED` anew.
    pub(crate) const REFRESH_NAMES: usize = 3;
    /// Finds what has a name, loading its module if need be: value, or nil and a message.
    pub(crate) const RESOLVE: usize = 4;
    pub(crate) const PACKAGE_LOADED: usize = 5;
    /// The witnesses of [`Recent`](super::Recent), weakly.
    pub(crate) const CODES: usize = 6;
    /// In `CODES`, behind those: the function that started a goroutine last.
    pub(crate) const LAST_CALLER: usize = super::code::RECENT + 1;
    /// See [`Loaded`].
    pub(crate) const LOADED: usize = 7;
    /// Reference objects that are values of this state, weakly, by their key; handles also by their place ([`Places`]).
    pub(crate) const OBJECTS: usize = 8;
    /// The goroutines' globals, by slot, for those that have some.
    pub(crate) const ENVIRONMENTS: usize = 9;
    /// Lua's own `xpcall`, which every goroutine's function is run by, and the error handler it gets. So `<close>`
    /// variables are closed within the coroutine, where they may still block, and the traceback is taken where the
    /// error is. Nil in Lua 5.1, whose `xpcall` cannot be yielded across.
    pub(crate) const XPCALL: usize = 10;
    pub(crate) const HANDLER: usize = 11;
    /// A table by which one value is handed from raw code to mlua, or back: as its entry 1.
    pub(crate) const TRANSFER: usize = 12;
    /// The classes that each goroutine has, by id, weakly. By slot + 1, for those that have some; at 0 those that the state has
    /// outside goroutines.
    pub(crate) const CLASSES: usize = 13;
    /// Classes to the numbers of their definitions, weakly.
    pub(crate) const DEFINED: usize = 14;
    /// At home: the functions that wait where an executor runs the script; see [`State::add_awaiting`](super::State::add_awaiting).
    pub(crate) const AWAITING: usize = 15;
    pub(crate) const BLOCKING: usize = 16;
    /// What looks like a class and came as a copy, since the receiver's own was another by then: to the id it came under. Weak.
    pub(crate) const ECHOES: usize = 17;
    /// The metatables of reference objects, in the order of their classes: this one and all that follow.
    pub(crate) const METATABLES: usize = 18;
}

/// Lua tables and functions that are used through mlua. They live in this state.
pub(crate) struct Tables {
    /// See [`vital`]; the tables that follow are in it, too.
    pub(crate) vitals: Table,
    pub(crate) named: Table,
    pub(crate) package_loaded: Table,
    pub(crate) objects: Table,
    pub(crate) transfer: Table,
    /// What keeps the foreign value of each userdata that stands for one; weak in its keys.
    pub(crate) foreign: Table,
    /// The goroutines' coroutines, by slot.
    pub(crate) threads: Table,
    /// The goroutines' globals, by slot, for those that have some.
    pub(crate) environments: Table,
    /// The metatable of such tables: what they lack is looked for among the standard globals.
    pub(crate) environment_metatable: Table,
    pub(crate) classes: Table,
    /// Makes a module travel as a table.
    pub(crate) copy_module: Function,
    /// Makes such a table complete; gives it a metatable that raises for some names.
    pub(crate) complete: Function,
    pub(crate) poison: Function,
}

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

impl State {
    pub(crate) fn new(lua: &Lua, system: Arc<System>, role: Role, tables: Tables) -> Self {
        let meter = Meter::new(&system.registry);
        Self {
            system,
            role,
            lua: lua.weak(),
            vitals: Cell::new(None),
            tables,
            modules_seen: Cell::new(0),
            modules_noted: RefCell::default(),
            own_methods: RefCell::default(),
            codes: RefCell::default(),
            recent_codes: Recent::new(Prototypes::of_state(lua)),
            sharing_modules: Cell::new(false),
            scratch: Cell::new(None),
            bytes: Cell::default(),
            spare: Arc::default(),
            spare_kept: Cell::new(0),
            definitions: RefCell::default(),
            loaded: Loaded::default(),
            named: RefCell::new(None),
            our_module: Cell::new(0),
            last_place: RefCell::default(),
            places: Rc::new(Places::new()),
            recent_pool: RefCell::default(),
            submitting: Cell::new(None),
            outside: Cell::new(0),
            current: RefCell::new(None),
            children: Children::default(),
            closing_until: Cell::new(None),
            holder: OnceCell::new(),
            interrupts: OnceCell::new(),
            waits_in: Cell::new("a blocking call"),
            awaited: Cell::new(None),
            printing: Printing::default(),
            local: OnceCell::new(),
            meter,
        }
    }

    /// The state for mlua, unless it is being closed. Its calls may run on another stack than the one that a raw
    /// primitive was called on; nothing may be handed from the one to the other but in tables.
    pub(crate) fn lua(&self) -> Option<Lua> {
        self.lua.try_upgrade()
    }

    pub(crate) fn set_vitals(&self, key: Option<Key>) {
        self.vitals.set(key);
    }

    /// Pushes the list of what is [`vital`].
    pub(crate) fn push_vitals(&self, stack: &mut Stack<'_>) {
        match self.vitals.get() {
            Some(key) => stack.push_kept(key),
            None => stack.push_nil(),
        }
    }

    // Code.

    /// The code with these bytes, of the function that is now the witness of `key`.
    pub(crate) fn intern_code(&self, dump: &[u8], key: usize) -> Arc<Code> {
        let code = self.codes.borrow_mut().intern(dump);
        self.recent_codes.set(key, &code);
        code
    }

    /// The encoder's memory, left by the packet before.
    pub(crate) fn take_scratch(&self) -> Box<Scratch> {
        self.scratch.take().unwrap_or_default()
    }

    pub(crate) fn keep_scratch(&self, scratch: Box<Scratch>) {
        self.scratch.set(Some(scratch));
    }

    /// Memory for the bytes of a packet that is being made.
    pub(crate) fn take_bytes(&self) -> Vec<u8> {
        self.bytes.take()
    }

    pub(crate) fn keep_bytes(&self, bytes: Vec<u8>) {
        self.bytes.set(bytes);
    }

    /// The memory of the large packet before, if its receiver has given it back.
    pub(crate) fn take_spare(&self) -> Vec<u8> {
        /// After so many packets without a large one no more are expected.
        const PATIENCE: u32 = 1000;
        self.spare_kept.set(PATIENCE);
        self.spare.take()
    }

    pub(crate) fn made_usual_packet(&self) {
        match self.spare_kept.get() {
            0 => {}
            1 => {
                self.spare_kept.set(0);
                drop(self.spare.take());
            }
            more => self.spare_kept.set(more - 1),
        }
    }

    /// Whether something of this state that has a name, or is a class, has this address.
    pub(crate) fn may_be_named(&self, address: usize) -> bool {
        self.named.borrow().as_ref().is_none_or(|named| named.contains(&address))
    }

    /// The addresses of what travels by name, collected anew after [`State::forget_named`].
    pub(crate) fn has_named(&self) -> bool {
        self.named.borrow().is_some()
    }

    pub(crate) fn set_named(&self, named: FxHashSet<usize>) {
        *self.named.borrow_mut() = Some(named);
    }

    pub(crate) fn add_named(&self, address: usize) {
        if let Some(named) = &mut *self.named.borrow_mut() {
            named.insert(address);
        }
    }

    pub(crate) fn forget_named(&self) {
        *self.named.borrow_mut() = None;
        self.our_module.set(0);
    }

    pub(crate) fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// Tells the isolates where the home state finds its modules: a packet that is on its way may load some.
    pub(crate) fn share_modules(&self, lua: &Lua) -> mlua::Result<()> {
        // The functions of `package.preload` are shared as a packet of their own, which may need modules in its turn: these
        // are just being shared.
        if self.role != Role::Home || self.sharing_modules.replace(true) {
            return Ok(());
        }
        let shared = modules::share(self, lua);
        self.sharing_modules.set(false);
        shared
    }

    /// Notes, at the first start, the methods that strings have in this state alone.
    pub(crate) fn note_own_methods(&self) {
        if self.own_methods.borrow().is_none() && self.system.libraries().is_some() {
            *self.own_methods.borrow_mut() = Some(modules::own_methods(self).unwrap_or_default());
        }
    }

    /// Whether the code names one of those, so that it may call it.
    pub(crate) fn calls_own_method(&self, code: &Code) -> bool {
        let methods = self.own_methods.borrow();
        methods.as_ref().is_some_and(|methods| methods.iter().any(|name| code.mentions(name)))
    }

    // The running goroutine.

    pub(crate) fn current(&self) -> Option<Rc<Running>> {
        self.current.borrow().clone()
    }

    /// Whether the running goroutine was asked to stop: then its blocking calls raise, also where they need not wait.
    pub(crate) fn must_stop(&self) -> bool {
        self.current.borrow().as_ref().is_some_and(|running| running.must_stop(|| self.now()))
    }

    /// Whether the running goroutine was asked to stop, also while it unwinds.
    pub(crate) fn was_cancelled(&self) -> bool {
        self.current.borrow().as_ref().is_some_and(|running| running.is_cancelled())
    }

    fn now(&self) -> Instant {
        self.system.backend.now()
    }

    /// How goroutines are interrupted here; `None` at home.
    pub(crate) fn interrupts(&self) -> Option<&Interrupts> {
        self.interrupts.get()
    }

    pub(crate) fn set_interrupts(&self, interrupts: Interrupts) {
        let _ = self.interrupts.set(interrupts);
    }

    /// The scheduler of the goroutines that run in this state, if it is home and has some.
    pub(crate) fn local(&self) -> Option<&Local> {
        self.local.get()
    }

    pub(crate) fn set_local(&self, local: Local) {
        let _ = self.local.set(local);
    }

    /// The running goroutine, if it is one of an isolate: those have globals and classes of their own.
    fn apart(&self) -> Option<Rc<Running>> {
        if self.role == Role::Home { None } else { self.current() }
    }

    /// An object was made that takes so many bytes outside Lua. Gives those that its collector is to be told of now: it would
    /// see a userdata of few bytes for each, and let a hundred megabytes of them pile up.
    pub(crate) fn allocated_outside(&self, bytes: usize) -> Option<usize> {
        /// Telling takes longer than making an object.
        const ENOUGH: usize = 1 << 16;
        let sum = self.outside.get() + bytes;
        let enough = sum >= ENOUGH;
        self.outside.set(if enough { 0 } else { sum });
        enough.then_some(sum)
    }

    /// What becomes of the running goroutine, which is being interrupted.
    pub(crate) fn interrupted(&self) -> Verdict {
        let current = self.current.borrow();
        match &*current {
            None => Verdict::Nothing,
            Some(running) if !running.is_cancelled() => Verdict::Yield,
            Some(running) if running.is_overdue(self.now()) => Verdict::Stop,
            Some(running) if running.must_stop(|| self.now()) => Verdict::Raise,
            Some(_) => Verdict::Yield,
        }
    }

    /// The running goroutine, which yields just now, does not go on.
    pub(crate) fn stop_running(&self) {
        if let Some(running) = &*self.current.borrow() {
            running.stop_here();
        }
    }

    /// Pushes the error of a cancelled goroutine, which is raised now.
    pub(crate) fn push_cancelled(&self, stack: &mut Stack<'_>) {
        Object::Cancelled(self.cancelled_object()).push(stack, self);
    }

    /// The error is raised again in the running goroutine, which had caught it on its way.
    pub(crate) fn raising_cancelled(&self) {
        if let Some(running) = &*self.current.borrow()
            && running.is_cancelled()
        {
            running.raising(self.now());
        }
    }

    /// The running goroutine has caught the error: it comes again at its next wait.
    pub(crate) fn caught_cancelled(&self) {
        if let Some(running) = &*self.current.borrow() {
            running.caught();
        }
    }

    /// Makes `running` the running goroutine, and returns the one that was.
    pub(crate) fn set_current(&self, running: Option<Rc<Running>>) -> Option<Rc<Running>> {
        self.current.replace(running)
    }

    /// What is known of the goroutines that the running goroutine, or the home state, has started.
    pub(crate) fn with_children<R>(&self, act: impl FnOnce(&Children) -> R) -> R {
        match &*self.current.borrow() {
            Some(running) => act(running.rare().children.get_or_init(|| Children::of(running.root))),
            None => act(&self.children),
        }
    }

    /// Does something as the one who holds what the running goroutine locks, or the code outside goroutines.
    pub(crate) fn as_holder<R>(&self, act: impl FnOnce(&Holder) -> R) -> R {
        // Not under the borrow: what is locked or unlocked here may wake and drop others.
        match self.current() {
            Some(running) => act(running.rare().holder.get_or_init(Holder::new)),
            None => act(self.holder.get_or_init(Holder::new)),
        }
    }

    // Globals.

    // Classes.

    // Waiting.

    /// The error that the running goroutine gets once it was cancelled. It is raised now.
    fn cancelled_object(&self) -> CancelledObject {
        match &*self.current.borrow() {
            Some(running) => {
                running.raising(self.now());
                CancelledObject::of(&running.handle)
            }
            None => CancelledObject::new(None),
        }
    }

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
}
