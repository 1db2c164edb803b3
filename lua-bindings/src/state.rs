//! [`State`]: what belongs to one Lua state, be it home or an isolate.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use futures_lite::future;
use mlua::{Function, IntoLuaMulti, Lua, MultiValue, Table, Value};
use runtime_core::{WaitGroup, block_on};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::api::CancelledObject;
use crate::code::{Code, CodeCache};
use crate::fault::Fault;
use crate::goroutine::{Reply, Running, Wait};
use crate::modules;
use crate::object::Object;
use crate::packet::{Definitions, Scratch};
use crate::place::LastPlace;
use crate::system::{Ending, System};

/// How many recently dumped closures a state remembers the code of.
const CODE_SLOTS: usize = 64;

/// Which state this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The one that called `require("goroutine")`. Its blocking calls block the thread.
    Home,
    /// One that runs goroutines. Their blocking calls park them.
    Isolate,
}

/// What belongs to one Lua state. Shared by all functions of the module in that state, and by its goroutines.
pub(crate) struct State {
    pub(crate) system: Arc<System>,
    pub(crate) role: Role,
    pub(crate) tables: Tables,
    /// The number of loaded modules when their names were last collected.
    pub(crate) modules_seen: Cell<usize>,
    /// The modules that this state has sent by name, whose fields it has noted.
    pub(crate) modules_noted: RefCell<FxHashSet<Box<[u8]>>>,
    codes: RefCell<CodeCache>,
    recent_codes: RefCell<Vec<Option<Arc<Code>>>>,
    sharing_modules: Cell<bool>,
    scratch: Cell<Option<Box<Scratch>>>,
    pub(crate) definitions: RefCell<Definitions>,
    pub(crate) last_place: RefCell<LastPlace>,
    /// The goroutine whose code is running.
    current: RefCell<Option<Rc<Running>>>,
    /// The goroutines that the home state has started.
    children: WaitGroup,
}

/// Lua tables and functions that shipping and scheduling use. They live in this state.
pub(crate) struct Tables {
    /// Modules and their functions to the name they travel by: `string`, `string\0format`, `_G\0print`. Also classes, to
    /// their ids. Weak.
    pub(crate) named: Table,
    /// The other way round.
    pub(crate) by_name: Table,
    /// Collects `named` anew.
    pub(crate) refresh_names: Function,
    /// Finds what has a name, loading its module if need be: value, or nil and a message.
    pub(crate) resolve: Function,
    /// Makes a module travel as a table.
    pub(crate) copy_module: Function,
    pub(crate) package_loaded: Table,
    /// Recently dumped closures, weakly.
    pub(crate) codes: Table,
    /// Functions without captured variables, by the number of their code.
    pub(crate) loaded: Table,
    /// Reference objects that are values of this state, weakly, by their key.
    pub(crate) objects: Table,
    /// The goroutines' coroutines, by slot.
    pub(crate) threads: Table,
    /// The goroutines' globals, by slot, for those that have some.
    pub(crate) environments: Table,
    /// The classes that each goroutine has, by id, weakly. By slot, for those that have some; at 0 those that the state has
    /// outside goroutines.
    pub(crate) classes: Table,
    /// Classes to the numbers of their definitions, weakly.
    pub(crate) defined: Table,
    /// The metatable of the globals of goroutines: what they lack is looked for among the standard globals.
    pub(crate) environment_metatable: Table,
    /// Makes such a table complete; gives it a metatable that raises for some names.
    pub(crate) complete: Function,
    pub(crate) poison: Function,
    /// Lua's own `xpcall`, which every goroutine's function is run by, and the error handler it gets. So `<close>`
    /// variables are closed within the coroutine, where they may still block, and the traceback is taken where the
    /// error is. Nil in Lua 5.1, whose `xpcall` cannot be yielded across.
    pub(crate) xpcall: Value,
    pub(crate) handler: RefCell<Value>,
}

// What the first value of a primitive tells the Lua function around it. `lua/base.lua` has the same numbers.
/// Values follow.
const DONE: i64 = 0;
/// The goroutine has to park.
const PARK: i64 = 1;
/// A message follows, to be raised with the caller's position.
const WRONG: i64 = 2;
/// An error value follows, to be raised as it is.
const RAISE: i64 = 3;

impl State {
    pub(crate) fn new(system: Arc<System>, role: Role, tables: Tables) -> Self {
        Self {
            system,
            role,
            tables,
            modules_seen: Cell::new(0),
            modules_noted: RefCell::default(),
            codes: RefCell::default(),
            recent_codes: RefCell::new(vec![None; CODE_SLOTS]),
            sharing_modules: Cell::new(false),
            scratch: Cell::new(None),
            definitions: RefCell::default(),
            last_place: RefCell::default(),
            current: RefCell::new(None),
            children: WaitGroup::new(),
        }
    }

    // Code.

    /// In which slot a closure at this address is remembered.
    pub(crate) fn code_slot(address: usize) -> usize {
        (address >> 5) % CODE_SLOTS
    }

    pub(crate) fn code_in_slot(&self, slot: usize) -> Option<Arc<Code>> {
        self.recent_codes.borrow().get(slot).cloned().flatten()
    }

    pub(crate) fn intern_code(&self, dump: &[u8], slot: usize) -> Arc<Code> {
        let code = self.codes.borrow_mut().intern(dump);
        if let Some(place) = self.recent_codes.borrow_mut().get_mut(slot) {
            *place = Some(Arc::clone(&code));
        }
        code
    }

    /// The encoder's memory, left by the packet before.
    pub(crate) fn take_scratch(&self) -> Box<Scratch> {
        self.scratch.take().unwrap_or_default()
    }

    pub(crate) fn keep_scratch(&self, scratch: Box<Scratch>) {
        self.scratch.set(Some(scratch));
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

    // The running goroutine.

    pub(crate) fn current(&self) -> Option<Rc<Running>> {
        self.current.borrow().clone()
    }

    /// Whether the running goroutine was asked to stop: then its blocking calls raise, also where they need not wait.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.current.borrow().as_ref().is_some_and(|running| running.is_cancelled())
    }

    /// Makes `running` the running goroutine, and returns the one that was.
    pub(crate) fn set_current(&self, running: Option<Rc<Running>>) -> Option<Rc<Running>> {
        self.current.replace(running)
    }

    /// The count of goroutines that the running goroutine, or the home state, has started.
    pub(crate) fn children(&self) -> WaitGroup {
        match &*self.current.borrow() {
            Some(running) => running.children.clone(),
            None => self.children.clone(),
        }
    }

    // Globals.

    /// The globals of the running goroutine if it has some of its own, else nil for the state's.
    pub(crate) fn environment(&self) -> Value {
        match &*self.current.borrow() {
            Some(running) if running.has_environment.get() => {
                self.tables.environments.raw_get(running.slot).unwrap_or(Value::Nil)
            }
            _ => Value::Nil,
        }
    }

    /// The table that received functions get as their globals, if it exists: in a goroutine it is made when needed.
    pub(crate) fn environment_if_made(&self, lua: &Lua) -> Value {
        match &*self.current.borrow() {
            Some(_) => self.environment(),
            None => Value::Table(lua.globals()),
        }
    }

    /// The globals of the running goroutine, made if need be; those of the state outside a goroutine.
    pub(crate) fn make_environment(&self, lua: &Lua) -> mlua::Result<Table> {
        let Some(running) = self.current() else {
            return Ok(lua.globals());
        };
        if running.has_environment.get() {
            return self.tables.environments.raw_get(running.slot);
        }
        let made = lua.create_table()?;
        made.set_metatable(Some(self.tables.environment_metatable.clone()))?;
        self.tables.environments.raw_set(running.slot, &made)?;
        running.has_environment.set(true);
        Ok(made)
    }

    /// Copies the standard globals into those of the running goroutine: some of its code looks at the table itself.
    pub(crate) fn complete_environment(&self, lua: &Lua) -> mlua::Result<Table> {
        let environment = self.make_environment(lua)?;
        if self.current.borrow().is_some() {
            self.tables.complete.call::<()>(&environment)?;
        }
        Ok(environment)
    }

    /// Makes touching these globals raise: they could not travel.
    pub(crate) fn poison_globals(&self, lua: &Lua, poison: &FxHashMap<Vec<u8>, String>) -> mlua::Result<()> {
        if self.current.borrow().is_none() {
            return Ok(()); // home has these globals itself
        }
        let reasons = lua.create_table_with_capacity(0, poison.len())?;
        for (name, message) in poison {
            reasons.raw_set(lua.create_string(name)?, message.as_str())?;
        }
        self.tables.poison.call((self.make_environment(lua)?, reasons))
    }

    // Classes.

    /// The classes of the running goroutine, or of the state outside a goroutine, by id.
    pub(crate) fn classes(&self, lua: &Lua) -> mlua::Result<Table> {
        let running = self.current();
        let slot = running.as_ref().map_or(0, |running| running.slot + 1);
        if let Some(running) = &running
            && !running.has_classes.replace(true)
        {
            let made = lua.create_table()?;
            made.set_metatable(self.tables.objects.metatable())?; // weak, as that one
            self.tables.classes.raw_set(slot, &made)?;
            return Ok(made);
        }
        self.tables.classes.raw_get(slot)
    }

    // Waiting.

    /// Waits: parks the running goroutine, or blocks the thread at home. The values are those of a primitive. A `shielded`
    /// wait is not ended by cancelling: it sees to its own end then.
    pub(crate) fn wait(self: &Rc<Self>, lua: &Lua, wait: Wait, shielded: bool) -> mlua::Result<MultiValue> {
        match self.current() {
            Some(running) if running.is_cancelled() && !shielded => self.reply_values(lua, Reply::Cancelled),
            Some(running) => {
                running.shielded.set(shielded);
                *running.wait.borrow_mut() = Some(wait);
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
                let reply = block_on(&*self.system.backend, future::or(closing, wait));
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

    fn reply_values(&self, lua: &Lua, reply: Reply) -> mlua::Result<MultiValue> {
        match reply {
            Reply::Nothing => DONE.into_lua_multi(lua),
            Reply::True => (DONE, true).into_lua_multi(lua),
            Reply::TimedOut => (DONE, false, "timeout exceeded").into_lua_multi(lua),
            Reply::Make(make) => self.values(lua, make(lua, self)),
            Reply::Cancelled => {
                let error = self.cancelled_error(lua)?;
                (RAISE, error).into_lua_multi(lua)
            }
        }
    }

    /// The error that the running goroutine gets at its blocking calls once it was cancelled.
    fn cancelled_error(&self, lua: &Lua) -> mlua::Result<Value> {
        let running = self.current();
        let error = match &running {
            Some(running) => CancelledObject::of(&running.handle),
            None => CancelledObject::new(None),
        };
        Object::Cancelled(error).to_userdata(lua, self).map(Value::UserData)
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
        }
    }
}
