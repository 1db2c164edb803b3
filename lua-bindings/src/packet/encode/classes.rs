//! What keeps its identity. [`crate::packet::classes`] tells how, and [`super::judge`] what it is.

use std::sync::Arc;

use mlua::{Lua, Table};
use runtime_core::next_id;
use rustc_hash::FxHashSet;

use super::judge::has_functions;
use super::{Encoder, Origin, Refusal, Roots, Scratch};
use crate::packet::classes::{Definition, class_id, push_class_id};
use crate::packet::likeness::Places;
use crate::packet::{Flat, Reference, References, tag};
use crate::raw::{Kind, Number, Stack, protected};
use crate::state::{State, vital};

/// How many places on the stack are used here, from [`Encoder::base_classes`] on.
pub(super) const PLACES: i32 = 10;
/// The texts `__index` and `__call`.
pub(super) const INDEX: i32 = 0;
pub(super) const CALL: i32 = 1;
/// The classes of the running goroutine, by id.
const REGISTRY: i32 = 2;
/// The classes that are still to be described.
const PENDING: i32 = 3;
/// The classes that the open definition describes, by id.
const MEMBERS: i32 = 4;
/// From classes to the numbers of their definitions.
const DEFINED: i32 = 5;

/// The text `__goroutine`, and from values to what is sent in their places.
pub(super) const GOROUTINE: i32 = 6;
pub(super) const REPLACED: i32 = 7;
/// From tables to what their keys were replaced by, as keys of a table.
pub(super) const KEYS: i32 = 8;
/// From echoes to their ids.
const ECHOES: i32 = 9;

/// What the encoder remembers of a packet's classes.
#[derive(Default)]
pub(super) struct Classes {
    /// Whether the value that comes next is a metatable.
    pub(super) as_metatable: bool,
    /// Whether the table that was judged last, and is no class, has a `__goroutine`.
    pub(super) replaceable: bool,
    pending: Vec<Pending>,
    /// What is being written, while a definition is written in its place.
    outer: Option<Box<Outer>>,
    live: FxHashSet<u64>,
}

/// A class that is yet to be described.
struct Pending {
    id: u64,
    /// Its place in the side list.
    reference: usize,
    /// Where it was found.
    path: String,
}

struct Outer {
    out: Vec<u8>,
    references: References,
    scratch: Box<Scratch>,
    later_done: usize,
    within_deferred: bool,
    origin: Origin,
    whole_globals: bool,
    needs_modules: bool,
}

impl Classes {
    pub(super) fn in_definition(&self) -> bool {
        self.outer.is_some()
    }

    /// Forgets what is pending: the global that it belongs to cannot travel.
    pub(super) fn global_failed(&mut self) {
        if !self.in_definition() {
            self.pending.clear();
        }
    }
}

/// Makes a table a class, for as long as it lives.
pub(crate) fn make_class(lua: &Lua, state: &State, table: Table) -> Result<(), Refusal> {
    let mut encoder = Encoder::new(lua, state, Roots::Start, 1);
    let mut outcome = Ok(());
    let done = protected(lua, table, |stack| {
        outcome = encoder.places(stack);
        if outcome.is_ok() {
            encoder.turns_out_a_class(stack, 1);
        }
        stack.truncate(0);
    });
    let scratch = encoder.scratch;
    state.keep_scratch(scratch);
    done.map_err(|error| Refusal::Lua("a class", crate::fault::text(&error)))?;
    outcome
}

impl Encoder<'_> {
    /// Writes the metatable on top.
    pub(super) fn metatable(&mut self, stack: &mut Stack<'_>) -> Result<(), Refusal> {
        self.classes.as_metatable = true;
        self.value(stack)
    }

    /// The class on top: a packet of values refers to it, and it is popped. Else false: it is written where it stands.
    pub(super) fn class(&mut self, stack: &mut Stack<'_>, address: usize, id: u64) -> bool {
        if self.classes.in_definition() || !self.roots.refers_to_classes() {
            let next = self.scratch.order.len() as u32;
            self.mark(stack, next, id);
            return false;
        }
        let reference = self.references.len();
        match self.defined(stack) {
            Some(definition) => {
                self.needs_modules |= definition.needs_modules;
                self.references.push(Reference::Class(id, definition));
            }
            None => {
                let path = self.path(stack);
                self.references.push(Reference::Undefined);
                self.classes.pending.push(Pending { id, reference, path });
                let place = self.table_at(stack, PENDING);
                stack.push_copy(-1);
                stack.raw_set_index(place, self.classes.pending.len());
            }
        }
        self.out.push(tag::CLASS);
        self.enter(address);
        self.out.push(0);
        self.varint(reference as u64);
        stack.pop(1);
        true
    }

    /// The table at `at`, which is being written, has a field that metatables have.
    pub(super) fn turns_out_a_class(&mut self, stack: &mut Stack<'_>, at: i32) {
        stack.push_copy(at);
        if self.may_become_a_class(stack) {
            self.assign(stack);
        }
        stack.pop(1);
    }

    /// Whether the table on top has neither a name nor an id, or only looks like a class.
    pub(super) fn may_become_a_class(&mut self, stack: &mut Stack<'_>) -> bool {
        if !self.state.may_be_named(stack.address(-1)) {
            return true;
        }
        stack.push_copy(-1);
        stack.raw_get(self.named());
        let may = stack.kind(-1) == Kind::Nil || class_id(stack).is_some_and(|(_, looks)| looks);
        stack.pop(1);
        may
    }

    /// Makes the table on top a class.
    pub(super) fn assign(&mut self, stack: &mut Stack<'_>) -> Option<u64> {
        if !stack.reserve(12) {
            return None;
        }
        let id = self.give_id(stack, false);
        // And where its methods are, and so on.
        stack.push_copy(-1);
        loop {
            let class = stack.top();
            self.push_field(stack, class, INDEX);
            let methods = stack.kind(-1) == Kind::Table
                && !self.globals_at.contains(&stack.address(-1))
                && has_functions(stack, class + 1)
                && self.may_become_a_class(stack);
            if !methods {
                stack.pop(2);
                return Some(id);
            }
            self.give_id(stack, false);
            stack.remove(class);
        }
    }

    /// Gives an id to the table on top, which may have had one that says that it looks like a class.
    pub(super) fn give_id(&mut self, stack: &mut Stack<'_>, looks: bool) -> u64 {
        stack.push_copy(-1);
        stack.raw_get(self.named());
        let former = class_id(stack).map(|(id, _)| id);
        stack.pop(1);
        let id = former.unwrap_or_else(next_id);
        push_class_id(stack, id, false);
        stack.push_copy(-2);
        let registry = self.base_classes() + REGISTRY;
        if stack.kind(registry) == Kind::Nil && self.state.push_classes(stack, self.lua).is_ok() {
            stack.replace(registry);
        }
        stack.raw_set(registry);
        stack.push_copy(-1);
        push_class_id(stack, id, looks);
        stack.raw_set(self.named());
        // It may have been written before it was known as a class.
        let address = stack.address(-1);
        self.state.add_named(address);
        // A new id is in no mark yet.
        let known = former.is_some();
        if !(known && self.scratch.marks.is_class(id))
            && let Some(seen) = self.scratch.seen.get(&address)
        {
            let number = seen.number;
            self.mark(stack, number, id);
        }
        if let Some(outer) = &mut self.classes.outer
            && !(known && outer.scratch.marks.is_class(id))
            && let Some(seen) = outer.scratch.seen.get(&address)
        {
            outer.scratch.marks.add(seen.number, id, None);
        }
        id
    }

    /// The table on top looks like a class. It is written where it stands, and the receiver's own takes its place if that is alike.
    pub(super) fn looks(&mut self, stack: &mut Stack<'_>, id: u64) {
        let places = Places { named: self.named(), codes: self.codes(), globals: self.globals_at };
        let top = stack.top();
        if let Some(likeness) = self.scratch.likenesses.of(stack, self.state, &places, top) {
            let next = self.scratch.order.len() as u32;
            self.scratch.marks.add(next, id, Some(likeness));
        }
    }

    /// The table on top looks like a class. If it is an echo, it is that still, and has no id of its own.
    pub(super) fn echo(&mut self, stack: &mut Stack<'_>) -> bool {
        let id = self.number_in(stack, ECHOES, vital::ECHOES);
        if id == 0 {
            return false;
        }
        let places = Places { named: self.named(), codes: self.codes(), globals: self.globals_at };
        let top = stack.top();
        if let Some(likeness) = self.scratch.likenesses.of(stack, self.state, &places, top) {
            let next = self.scratch.order.len() as u32;
            self.scratch.marks.add_echo(next, id, likeness);
        }
        true
    }

    /// Notes that the table on top is a class, with this number in what is being written.
    fn mark(&mut self, stack: &mut Stack<'_>, number: u32, id: u64) {
        self.scratch.marks.add(number, id, None);
        if self.classes.in_definition() {
            let members = self.table_at(stack, MEMBERS);
            push_id(stack, id);
            stack.push_copy(-2);
            stack.raw_set(members);
        }
    }

    /// Describes the classes that the packet refers to, those that have not been described before.
    pub(super) fn definitions(&mut self, stack: &mut Stack<'_>) -> Result<(), Refusal> {
        if self.classes.in_definition() {
            return Ok(());
        }
        let mut done = 0;
        while done < self.classes.pending.len() {
            let pending = self.base_classes() + PENDING;
            stack.raw_get_index(pending, done + 1);
            if self.defined(stack).is_none() {
                self.define(stack, done)?;
            }
            if let Some(definition) = self.defined(stack) {
                let Pending { id, reference, .. } = self.classes.pending[done];
                self.needs_modules |= definition.needs_modules;
                self.references[reference] = Reference::Class(id, definition);
            }
            stack.pop(1);
            done += 1;
        }
        self.classes.pending.clear();
        Ok(())
    }

    /// Describes the class on top, which stays there, and what it reaches. The definition is written in the place of the
    /// packet, so that the encoder owns all of it.
    fn define(&mut self, stack: &mut Stack<'_>, pending: usize) -> Result<(), Refusal> {
        let path = std::mem::take(&mut self.classes.pending[pending].path);
        self.classes.outer = Some(Box::new(Outer {
            out: std::mem::take(&mut self.out),
            references: std::mem::take(&mut self.references),
            scratch: std::mem::take(&mut self.scratch),
            later_done: std::mem::take(&mut self.later_done),
            within_deferred: std::mem::take(&mut self.within_deferred),
            origin: std::mem::replace(&mut self.origin, Origin::Class(path)),
            whole_globals: std::mem::take(&mut self.whole_globals),
            needs_modules: std::mem::take(&mut self.needs_modules),
        }));
        let written = self.definition(stack);
        let mut needs_modules = self.needs_modules;
        if let Some(outer) = self.classes.outer.take() {
            let outer = *outer;
            let bytes = std::mem::replace(&mut self.out, outer.out);
            let references = std::mem::replace(&mut self.references, outer.references);
            let mut scratch = std::mem::replace(&mut self.scratch, outer.scratch);
            self.later_done = outer.later_done;
            self.within_deferred = outer.within_deferred;
            self.origin = outer.origin;
            self.whole_globals = outer.whole_globals;
            needs_modules |= std::mem::replace(&mut self.needs_modules, outer.needs_modules);
            written?;
            let flat = Flat { bytes: bytes.into(), references, marks: scratch.marks.take() };
            drop(scratch);
            let number = next_id();
            let definition = Arc::new(Definition { flat, needs_modules });
            self.state.definitions.borrow_mut().insert(number, definition);
            self.keep(stack, number);
        }
        Ok(())
    }

    fn definition(&mut self, stack: &mut Stack<'_>) -> Result<(), Refusal> {
        if !stack.reserve(16) {
            let is_limited = self.state.system.settings().memory_limit.is_some();
            return Err(Refusal::of_stack("classes", stack.top(), is_limited));
        }
        let (members, later) = (self.base_classes() + MEMBERS, self.later_table());
        for place in [members, later] {
            stack.push_nil();
            stack.replace(place);
        }
        self.out.push(0); // the place of the number of numbered strings
        self.varint(1);
        stack.push_copy(-1);
        self.whole(stack)?;
        self.records(stack)?;
        if self.whole_globals {
            self.out.push(tag::WHOLE);
        }
        self.out.push(tag::END);
        self.out[0] = self.scratch.strings.count();
        Ok(())
    }

    /// Notes the definition with all classes that it describes.
    fn keep(&mut self, stack: &mut Stack<'_>, number: u64) {
        let (members, defined) = (self.base_classes() + MEMBERS, self.base_classes() + DEFINED);
        for next in 0.. {
            // Not borrowed while Lua runs.
            let id = self.state.definitions.borrow().class(number, next);
            let Some(id) = id else { break };
            push_id(stack, id);
            stack.raw_get(members);
            push_id(stack, number);
            stack.raw_set(defined);
        }
        stack.push_nil();
        stack.replace(members);
        if self.state.definitions.borrow().is_full() {
            self.classes.live.clear();
            stack.push_nil();
            while stack.next(defined) {
                self.classes.live.insert(self::number(stack));
                stack.pop(1);
            }
            let gone = self.state.definitions.borrow_mut().sweep(&self.classes.live);
            drop(gone);
        }
    }

    /// The number of the value on top in a list of the state's, which is fetched to this place when it is first asked. 0: none.
    fn number_in(&self, stack: &mut Stack<'_>, place: i32, list: usize) -> u64 {
        let at = self.base_classes() + place;
        if stack.kind(at) == Kind::Nil {
            stack.raw_get_index(self.vitals(), list);
            stack.replace(at);
        }
        stack.push_copy(-1);
        stack.raw_get(at);
        let number = number(stack);
        stack.pop(1);
        number
    }

    /// The definition of the class on top, if there is one.
    fn defined(&mut self, stack: &mut Stack<'_>) -> Option<Arc<Definition>> {
        let number = self.number_in(stack, DEFINED, vital::DEFINED);
        if number == 0 { None } else { self.state.definitions.borrow().get(number) }
    }

    /// The index of a place with a table in it.
    pub(super) fn table_at(&mut self, stack: &mut Stack<'_>, place: i32) -> i32 {
        let at = self.base_classes() + place;
        if stack.kind(at) == Kind::Nil {
            stack.push_table(4, 0);
            stack.replace(at);
        }
        at
    }

    /// Pushes the field `__index`, `__call` or `__goroutine` of the table at `table`.
    pub(super) fn push_field(&mut self, stack: &mut Stack<'_>, table: i32, key: i32) {
        let at = self.base_classes() + key;
        if stack.kind(at) == Kind::Nil {
            stack.push_bytes(match key {
                INDEX => b"__index",
                CALL => b"__call",
                _ => b"__goroutine",
            });
            stack.replace(at);
        }
        stack.push_copy(at);
        stack.raw_get(table);
    }
}

impl Roots {
    /// Whether the packet refers to classes, and does not describe them itself.
    fn refers_to_classes(self) -> bool {
        match self {
            Self::Start => false,
            // Functions that load modules: what they share with classes stays shared. What leaves the process has no
            // receiver that could have a class already.
            Self::Values(noun) => !matches!(noun, Self::PRELOAD | Self::FOR_ANYBODY),
        }
    }
}

/// The number on top, which is from [`next_id`]; 0 if it is none.
pub(super) fn number(stack: &Stack<'_>) -> u64 {
    if stack.kind(-1) != Kind::Number {
        return 0;
    }
    match stack.number(-1) {
        Number::Integer(number) => number as u64,
        Number::Float(number) => number as u64,
    }
}

fn push_id(stack: &mut Stack<'_>, id: u64) {
    stack.push_number(Number::Integer(id as i64));
}
