//! [`State`]: what belongs to one Lua state, be it home or an isolate.

mod environment;
mod running;
mod shipping;
pub(crate) mod vital;
mod waits;

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use mlua::{Function, Lua, Table, WeakLua};
use runtime_core::locks::Holder;
use rustc_hash::FxHashSet;

use crate::api::{Printing, Submitting};
use crate::code::{CodeCache, Recent};
use crate::goroutine::{Running, Wait};
use crate::interrupt::Interrupts;
use crate::loaded::Loaded;
use crate::local::Local;
use crate::origin::Children;
use crate::packet::{Definitions, Scratch, Spare};
use crate::place::LastPlace;
use crate::places::Places;
use crate::pool::LuaPool;
use crate::raw::{Key, Prototypes, Stack};
use crate::registry::Meter;
use crate::system::System;

pub(crate) use running::Verdict;
#[cfg(any(feature = "lua53", feature = "lua54", feature = "lua55"))]
pub(crate) use waits::AWAIT;
pub(crate) use waits::{DONE, MUST_NOT_BLOCK, PARK, WRONG};

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
    pub(crate) closing_until: Cell<Option<Instant>>,
    /// Whether reference objects were made here since what is finalized first was made anew.
    pub(crate) made_objects: Cell<bool>,
    /// What the code outside goroutines holds of locks, once it has locked one.
    holder: OnceCell<Holder>,
    /// What tells the code outside goroutines from goroutines, once it had to be told.
    number: OnceCell<u64>,
    /// In isolates: how its goroutines are interrupted.
    interrupts: OnceCell<Interrupts>,
    /// What the home state waits in, or has waited in last.
    pub(crate) waits_in: Cell<&'static str>,
    /// A wait of the home state's, from the primitive that has it to the function that awaits it, which is called next.
    awaited: Cell<Option<Wait>>,
    /// Who takes what is printed.
    pub(crate) printing: Printing,
    /// The scheduler of the goroutines that run in the home state, once `goroutine.local` was loaded there.
    local: OnceCell<Local>,
    /// What it has sent.
    pub(crate) meter: Meter,
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
            made_objects: Cell::new(false),
            holder: OnceCell::new(),
            number: OnceCell::new(),
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
}
