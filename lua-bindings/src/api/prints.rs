//! What scripts print, for embedders who take that themselves: [`print_to`], and [`pausing_function`] for functions of theirs that
//! print in other ways.
//!
//! Such a call has done its work when it has to wait, if it does, so that nothing is lost where it is cancelled then, or where it cannot
//! wait. What it waits for is the embedder's, who also wakes it.

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use mlua::{Function, Lua, MultiValue, Table};

use super::{FACE, chunk};
use crate::fault::{self, Fault};
use crate::goroutine::Reply;
use crate::raw::{self, Number, Refusals, Stack, Went};
use crate::state::{DONE, Role, State};

/// What somebody who has printed is to wait for.
pub type Pause = Pin<Box<dyn Future<Output = ()>>>;

/// What a script has printed.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Printed<'a> {
    /// The bytes, of one call.
    pub bytes: &'a [u8],
    /// Whether they are for standard error.
    pub is_error: bool,
    /// The number of the goroutine that prints; `None` at home.
    pub goroutine: Option<u64>,
    /// As [`root_id`](crate::root_id) has it.
    pub root: Option<u64>,
}

type Printer = Box<dyn Fn(Printed<'_>) -> Option<Pause>>;

/// Of one state.
#[derive(Default)]
pub(crate) struct Printing {
    printer: OnceCell<Printer>,
    /// From the call that has printed to the one that waits, which is next.
    pause: Cell<Option<Pause>>,
    /// Whether the function that has been called last may wait.
    may_pause: Cell<bool>,
}

impl fmt::Debug for Printing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Printing").finish_non_exhaustive()
    }
}

/// Gives `printer` what is printed in this state by `print`, `io.write`, and the method `write` of `io.stdout` and `io.stderr`: also by
/// finalizers while the state is being closed. It is called in the middle of things, and must call no Lua.
///
/// What it gives is waited for as in a [`waiting_function`](crate::waiting_function), by a goroutine that parks or the home state that
/// blocks. Where that cannot be, in functions that C functions have called and in finalizers, the call returns at once.
///
/// In isolates it has to be called by the builder's [`setup`](crate::Builder::setup), at home once the module is installed.
///
/// ```
/// # use std::cell::RefCell;
/// # use std::rc::Rc;
/// # use mlua::Lua;
/// let goroutines = goroutine::Goroutines::builder().isolates(1).build()?;
/// let lua = Lua::new();
/// goroutines.install(&lua)?;
/// let said = Rc::new(RefCell::new(Vec::new()));
/// let kept = Rc::clone(&said);
/// goroutine::print_to(&lua, move |printed| {
///     kept.borrow_mut().extend_from_slice(printed.bytes);
///     None
/// })?;
/// lua.load(r#"print("one", 2) io.write("three\n")"#).exec()?;
/// assert_eq!(*said.borrow(), b"one\t2\nthree\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the module is not installed in this state, or the state has a printer already.
pub fn print_to(lua: &Lua, printer: impl Fn(Printed<'_>) -> Option<Pause> + 'static) -> mlua::Result<()> {
    let state = super::state(lua).ok_or_else(super::embedded::not_installed)?;
    if state.printing.printer.set(Box::new(printer)).is_err() {
        return Err(mlua::Error::runtime("what this state prints goes elsewhere already"));
    }
    let general = {
        let state = Rc::clone(&state);
        lua.create_function(move |lua, _: MultiValue| match state.printing.pause.take() {
            Some(pause) => wait(lua, &state, "print", pause, MultiValue::new()),
            None => state.values(lua, Ok(MultiValue::new())),
        })?
    };
    let put = raw::closure(lua, &state, put, &general, false)?;
    let put: Function = lua.named_registry_value::<Function>(FACE)?.call(put)?;
    let made: Table = chunk(
        lua,
        "prints",
        include_str!("../lua/prints.lua"),
        (put, printed(lua)?, Refusals::new(lua)?.refuse),
    )?;
    let (print, write): (Function, Function) = (made.raw_get("print")?, made.raw_get("write")?);
    if state.role == Role::Home {
        // They are Lua functions, and travel as the isolates' own.
        state.tables.named.raw_set(&print, "_G\0print")?;
        state.tables.named.raw_set(&write, "io\0write")?;
        state.forget_named();
    }
    lua.globals().raw_set("print", print)?;
    super::globals(lua)?.raw_get::<Table>("io")?.raw_set("write", write)
}

/// What makes the text of a `print`.
pub(super) fn printed(lua: &Lua) -> mlua::Result<Function> {
    chunk(lua, "printed", include_str!("../lua/printed.lua"), Refusals::new(lua)?.refuse)
}

/// The primitive behind those: 1 or 2 for the stream, and the text.
fn put(stack: &mut Stack<'_>, state: &Rc<State>) -> Went {
    let running = state.current();
    let pause = state.printing.printer.get().and_then(|printer| {
        printer(Printed {
            bytes: stack.bytes(2),
            is_error: matches!(stack.number(1), Number::Integer(2)),
            goroutine: running.as_ref().map(|running| running.id()),
            root: running.as_ref().map(|running| running.root),
        })
    });
    match pause.filter(|_| may_pause(stack, state)) {
        None => {
            stack.push_number(Number::Integer(DONE));
            Went::Done(1)
        }
        pause => {
            state.printing.pause.set(pause);
            Went::General
        }
    }
}

/// What a call of a [`pausing_function`] comes to: its results, and what to wait for before it returns.
pub type Paused = (MultiValue, Option<Pause>);

/// A function that does its work at once, and may have to wait before it returns. It waits as with [`print_to`].
///
/// # Errors
/// When the module is not installed in this state.
pub fn pausing_function(
    lua: &Lua,
    name: &'static str,
    body: impl Fn(&Lua, MultiValue) -> mlua::Result<Paused> + 'static,
) -> mlua::Result<Function> {
    let state = super::state(lua).ok_or_else(super::embedded::not_installed)?;
    let general = {
        let state = Rc::clone(&state);
        lua.create_function(move |lua, values: MultiValue| {
            let Some(lua) = lua.weak().try_upgrade() else {
                return Err(super::being_closed());
            };
            let may_pause = state.printing.may_pause.get();
            match body(&lua, values) {
                Ok((values, Some(pause))) if may_pause => wait(&lua, &state, name, pause, values),
                Ok((values, _)) => state.values(&lua, Ok(values)),
                Err(error) => state.values(&lua, Err(Fault::Wrong(fault::text(&error)))),
            }
        })?
    };
    let note = |stack: &mut Stack<'_>, state: &Rc<State>| {
        state.printing.may_pause.set(may_pause(stack, state));
        Went::General
    };
    let guarded = raw::closure(lua, &state, note, &general, false)?;
    lua.named_registry_value::<Function>(FACE)?.call(guarded)
}

/// Whether the caller may wait: not in a state that is being closed, in a coroutine that cannot yield, or in a module that is being
/// loaded in an isolate.
fn may_pause(stack: &Stack<'_>, state: &State) -> bool {
    state.lua().is_some()
        && match state.current() {
            Some(_) => stack.can_yield(),
            None => state.role == Role::Home,
        }
}

/// Waits, and gives these values.
fn wait(
    lua: &Lua,
    state: &Rc<State>,
    name: &'static str,
    pause: Pause,
    values: MultiValue,
) -> mlua::Result<MultiValue> {
    state.will_wait(name);
    let outside = state.system.woken_from_outside();
    let wait = async move {
        pause.await;
        drop(outside);
        Reply::make(move |_, _: &State| Ok(values))
    };
    state.wait(lua, Box::pin(wait), false)
}
