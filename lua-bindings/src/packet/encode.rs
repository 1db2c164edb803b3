//! Lua values to packets.
//!
//! [`Encoder`] walks the values with a list of open objects instead of recursion. The files beside this one hold what it
//! remembers (`scratch`), what it knows of globals and names (`globals`), what keeps its identity (`classes`), what
//! is sent in the place of values (`replaced`), what has no contents (`plain`), functions and userdata, and how it says no (`refusal`).

mod classes;
mod functions;
mod globals;
mod judge;
mod objects;
mod plain;
mod refusal;
mod replaced;
mod scratch;
mod userdata;

use mlua::{Lua, MultiValue};

use super::{Bytes, Flat, MAX_DEPTH, Packet, Plain, References, flag, tag};
use crate::raw::{Kind, Number, Stack, protected};
use crate::state::{State, vital};

use classes::Classes;
pub(crate) use classes::make_class;
pub(super) use functions::code_on_top;
use globals::Known;
use judge::Event;
pub(crate) use refusal::{Refusal, push_key};
pub(crate) use scratch::Scratch;
use scratch::{Frame, Origin, Phase};

/// What the values given to [`encode`] are, which decides what is checked and how a refusal names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Roots {
    /// A function to be started, and its arguments.
    Start,
    /// Values, called by this word: `result`, `value`.
    Values(&'static str),
}

impl Roots {
    /// What the values are called that go into a packet for anybody, within the process or not.
    pub(crate) const FOR_ANYBODY: &'static str = "value for anybody";

    /// What the functions that load modules are called.
    pub(crate) const PRELOAD: &'static str = "package.preload";

    /// What the function is called that every isolate runs first.
    pub(crate) const ON_START: &'static str = "on_start";

    /// Whether the values go out of a goroutine that has ended, and not to one.
    fn leave(self) -> bool {
        matches!(self, Self::Values("result" | "error"))
    }

    /// Whether there is a function among the values that is to run elsewhere, and was not sent for its own sake.
    fn start_a_function(self) -> bool {
        matches!(self, Self::Start | Self::Values(Self::ON_START))
    }

    /// What messages call the values.
    fn noun(self) -> &'static str {
        match self {
            Self::Start => "arguments",
            Self::Values(Self::FOR_ANYBODY) => "value",
            Self::Values(noun) => noun,
        }
    }
}

/// Copies `values` into a packet.
///
/// # Errors
/// When one of them, or something they reach, cannot travel; nothing has run then.
pub(crate) fn encode(lua: &Lua, state: &State, values: MultiValue, roots: Roots) -> Result<Packet, Refusal> {
    if let (Roots::Values(_), Some(packet)) = (roots, Packet::direct(&values)) {
        return Ok(packet);
    }
    let noun = roots.noun();
    let mut encoder = Encoder::new(lua, state, roots, values.len());
    let mut outcome = Ok(());
    let done = protected(lua, values, |stack| {
        outcome = encoder.run(stack);
        stack.truncate(0);
    });
    match done {
        Ok(_) => encoder.finish(outcome),
        Err(error) => encoder.finish(Err(Refusal::Lua(noun, crate::fault::text(&error)))),
    }
}

/// Copies the values on a stack into a packet. They are still there afterwards, and nothing else is.
///
/// # Errors
/// As [`encode`].
pub(crate) fn encode_stack(
    stack: &mut Stack<'_>,
    lua: &Lua,
    state: &State,
    roots: Roots,
) -> Result<Packet, Refusal> {
    let count = stack.top();
    if matches!(roots, Roots::Values(_))
        && count == 1
        && let Some(value) = Plain::on_top(stack)
    {
        return Ok(Packet::One(value));
    }
    let mut encoder = Encoder::new(lua, state, roots, count as usize);
    let outcome = encoder.run(stack);
    stack.truncate(count);
    encoder.finish(outcome)
}

/// The stack that a packet takes: what lies below the open objects, up to four values for each of them (twice: a class may
/// be described in the middle), and what is pushed for a moment.
const ROOM: i32 = 16 + classes::PLACES + 8 * MAX_DEPTH as i32 + 40;

/// The size up to which a packet's bytes are copied once more, in bytes.
const USUAL: usize = 1 << 16;

/// The encoder's memory of one packet. It owns everything that is allocated while the Lua stack is in use.
struct Encoder<'a> {
    lua: &'a Lua,
    state: &'a State,
    roots: Roots,
    /// How many root values there are.
    count: i32,
    /// Which of them is the function that is to run elsewhere; 0 if none is.
    started: i32,
    out: Vec<u8>,
    references: References,
    scratch: Box<Scratch>,
    /// How many of the deferred objects have been written.
    later_done: usize,
    /// Whether what is being written lies within one of them.
    within_deferred: bool,
    /// The word for the root or global that is being encoded.
    origin: Origin,
    /// The addresses of the globals: the goroutine's, if it has some of its own, and the state's.
    globals_at: [usize; 2],
    refreshed: bool,
    counted: bool,
    /// Whether the receiver's globals have to be a complete table, not one that falls back on the standard ones.
    whole_globals: bool,
    /// Whether the packet may make its receiver load a module.
    needs_modules: bool,
    /// The modules that are sent by name for the first time, and the standard libraries.
    new_modules: Vec<Box<[u8]>>,
    new_libraries: Vec<&'static [u8]>,
    classes: Classes,
    /// Whether the value that comes next stands in the place of another.
    replacement: bool,
    /// How many objects were open around the replacement that is being written, the outermost if it lies in others.
    replaced_from: Option<usize>,
    /// How many values within replacements were replaced.
    replaced_within: u32,
    /// Which field of metatables the key that was written last is the name of.
    event: Event,
}

impl<'a> Encoder<'a> {
    fn new(lua: &'a Lua, state: &'a State, roots: Roots, count: usize) -> Self {
        Self {
            lua,
            state,
            roots,
            count: i32::try_from(count).unwrap_or(i32::MAX),
            started: 0,
            out: state.take_bytes(),
            references: References::new(),
            scratch: state.take_scratch(),
            later_done: 0,
            within_deferred: false,
            origin: Origin::Root(1),
            globals_at: [0; 2],
            refreshed: false,
            counted: false,
            whole_globals: false,
            needs_modules: false,
            new_modules: Vec::new(),
            new_libraries: Vec::new(),
            classes: Classes::default(),
            replacement: false,
            replaced_from: None,
            replaced_within: 0,
            event: Event::None,
        }
    }

    /// The packet, if all went well. What was needed to make it is kept for the next one.
    fn finish(self, outcome: Result<(), Refusal>) -> Result<Packet, Refusal> {
        let Self {
            lua,
            state,
            mut out,
            references,
            mut scratch,
            needs_modules,
            new_modules,
            new_libraries,
            ..
        } = self;
        let marks = scratch.marks.take();
        scratch.clear();
        state.keep_scratch(scratch);
        state.meter.add(out.len());
        // A packet of usual size is copied out of the memory that is used again; a large one takes it along.
        let bytes = if out.len() <= USUAL {
            let bytes = Bytes::from(&out[..]);
            out.clear();
            state.keep_bytes(out);
            state.made_usual_packet();
            bytes
        } else {
            Bytes::from_vec(out, &state.spare)
        };
        outcome?;
        if !new_libraries.is_empty() {
            crate::modules::compare_libraries(state, new_libraries)
                .map_err(|error| Refusal::Lua("the libraries", crate::fault::text(&error)))?;
        }
        if needs_modules {
            crate::modules::note(state, new_modules)
                .and_then(|()| state.share_modules(lua))
                .map_err(|error| Refusal::Lua("package.path", crate::fault::text(&error)))?;
        }
        Ok(Packet::Flat(Box::new(Flat { bytes, references, marks })))
    }

    // What lies above the roots, in this order; the table of deferred objects is nil until there are some.
    fn vitals(&self) -> i32 {
        self.count + 1
    }
    fn named(&self) -> i32 {
        self.count + 2
    }
    fn codes(&self) -> i32 {
        self.count + 3
    }
    fn globals(&self) -> i32 {
        self.count + 4
    }
    fn base_globals(&self) -> i32 {
        self.count + 5
    }
    fn later_table(&self) -> i32 {
        self.count + if self.classes.in_definition() { 7 } else { 6 }
    }
    /// Where [`classes`] keeps what it needs: so many places from here on.
    fn base_classes(&self) -> i32 {
        self.count + 8
    }

    /// Fills the places above the roots.
    fn places(&mut self, stack: &mut Stack<'_>) -> Result<(), Refusal> {
        if !stack.reserve(ROOM) {
            let is_limited = self.state.system.settings().memory_limit.is_some();
            return Err(Refusal::of_stack("values", stack.top(), is_limited));
        }
        self.state.push_vitals(stack);
        stack.raw_get_index(self.vitals(), vital::NAMED);
        stack.raw_get_index(self.vitals(), vital::CODES);
        self.state.push_environment(stack);
        stack.push_globals();
        self.globals_at = [stack.address(-2), stack.address(-1)];
        // The places of tables and strings that are made when needed.
        stack.push_nils(2 + classes::PLACES);
        Ok(())
    }

    fn run(&mut self, stack: &mut Stack<'_>) -> Result<(), Refusal> {
        self.places(stack)?;
        if self.starts_from_home() {
            self.state.note_own_methods();
        }
        if self.roots.start_a_function() {
            self.started = self.started(stack)?;
        }
        self.out.push(0); // the place of the number of numbered strings
        self.varint(self.count as u64);
        for root in 1..=self.count {
            self.origin = Origin::Root(root);
            stack.push_copy(root);
            self.whole(stack)?;
        }
        self.records(stack)?;
        if self.whole_globals {
            self.out.push(tag::WHOLE);
        }
        self.out.push(tag::END);
        self.out[0] = self.scratch.strings.count();
        Ok(())
    }

    /// Writes the records that follow the roots, until nothing is left to say.
    fn records(&mut self, stack: &mut Stack<'_>) -> Result<(), Refusal> {
        let mut next_global = 0;
        loop {
            self.deferred(stack)?;
            self.definitions(stack)?;
            if next_global == self.scratch.global_names.len() {
                return Ok(());
            }
            self.global(stack, next_global);
            next_global += 1;
        }
    }

    fn deferred(&mut self, stack: &mut Stack<'_>) -> Result<(), Refusal> {
        while self.later_done < self.scratch.later.len() {
            self.later_done += 1;
            let number = self.scratch.later[self.later_done - 1];
            self.out.push(tag::FILL);
            self.varint(u64::from(number));
            stack.raw_get_index(self.later_table(), self.later_done);
            self.within_deferred = true;
            // Nothing is open here.
            self.replaced_from = self.scratch.later_replaced.contains(&number).then_some(0);
            self.open(stack, true, None)?;
            self.drain(stack)?;
            self.within_deferred = false;
        }
        Ok(())
    }

    /// Writes the value on top and everything in it, and pops it.
    fn whole(&mut self, stack: &mut Stack<'_>) -> Result<(), Refusal> {
        self.value(stack)?;
        self.drain(stack)
    }

    fn drain(&mut self, stack: &mut Stack<'_>) -> Result<(), Refusal> {
        while !self.scratch.frames.is_empty() {
            self.step(stack)?;
        }
        Ok(())
    }

    /// Writes the value on top. A plain one is popped; a table or function is opened and stays until it is written.
    fn value(&mut self, stack: &mut Stack<'_>) -> Result<(), Refusal> {
        match stack.kind(-1) {
            Kind::Table | Kind::Function => return self.object(stack),
            Kind::Userdata => {
                if self.userdata(stack)? {
                    return Ok(());
                }
            }
            Kind::Thread | Kind::LightUserdata | Kind::Other => return Err(self.refuse(stack)),
            _ => {
                self.plain(stack, -1, false);
            }
        }
        stack.pop(1);
        Ok(())
    }

    /// A table or function on top.
    fn object(&mut self, stack: &mut Stack<'_>) -> Result<(), Refusal> {
        let as_metatable = std::mem::take(&mut self.classes.as_metatable);
        let replacement = std::mem::take(&mut self.replacement);
        let address = stack.address(-1);
        if self.globals_at.contains(&address) {
            self.whole_globals = true;
            self.out.push(tag::GLOBALS);
            stack.pop(1);
            return Ok(());
        }
        if let Some(seen) = self.scratch.seen.get(&address).copied() {
            let replaceable = !replacement && !as_metatable && self.scratch.replaceable.contains(&address);
            if replaceable && self.replaced(stack)? {
                return Ok(());
            }
            self.out[seen.flags] |= flag::SHARED;
            let number = seen.number;
            self.out.push(tag::SEEN);
            self.varint(u64::from(number));
            // It was written before it was met as a metatable.
            if as_metatable && self.may_become_a_class(stack) {
                self.assign(stack);
            }
            stack.pop(1);
            return Ok(());
        }
        let function = stack.kind(-1) == Kind::Function;
        // A closure that was dumped before is known to have no name. Another one of its prototype may have one.
        if function
            && !(self.state.recent_codes.by_prototype() && self.state.may_be_named(address))
            && let Some(code) = self.known_code(stack)
        {
            return self.open_or_defer(stack, address, Some(code));
        }
        let mut known = self.known(stack);
        if known == Known::No && !function && self.modules_changed(stack) {
            known = self.known(stack);
        }
        self.classes.replaceable = false;
        if known == Known::No && !function || matches!(known, Known::Looks(_)) && as_metatable {
            known = self.judge(stack, as_metatable);
        }
        match known {
            Known::Written => {
                stack.pop(1);
                return Ok(());
            }
            Known::Class(id) => {
                if self.class(stack, address, id) {
                    return Ok(());
                }
            }
            Known::Looks(id) => self.looks(stack, id),
            Known::No if self.classes.replaceable && replacement => {
                self.scratch.replaceable.insert(address);
            }
            Known::No if self.classes.replaceable => {
                if self.replaced(stack)? {
                    return Ok(());
                }
            }
            Known::No => {}
        }
        if function && stack.is_c_function(-1) {
            if self.refresh_names(stack) && self.by_name(stack) {
                stack.pop(1);
                return Ok(());
            }
            return Err(self.refuse(stack));
        }
        self.open_or_defer(stack, address, None)
    }

    fn varint(&mut self, value: u64) {
        varint(&mut self.out, value);
    }
}

/// Appends an integer, seven bits a byte, the lowest first.
pub(super) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a number with its tag.
pub(super) fn number(out: &mut Vec<u8>, number: Number) {
    match number {
        Number::Integer(value) => {
            out.push(tag::INTEGER);
            varint(out, ((value << 1) ^ (value >> 63)) as u64);
        }
        Number::Float(value) => {
            out.push(tag::FLOAT);
            out.extend_from_slice(&value.to_le_bytes());
        }
    }
}

/// Whether the key below the top is the integer after `last`.
fn is_index(stack: &Stack<'_>, last: u32) -> bool {
    stack.kind(-2) == Kind::Number
        && match stack.number(-2) {
            Number::Integer(key) => key == i64::from(last) + 1,
            #[cfg(any(feature = "lua53", feature = "lua54", feature = "lua55"))]
            Number::Float(_) => false,
            #[cfg(not(any(feature = "lua53", feature = "lua54", feature = "lua55")))]
            Number::Float(key) => key == f64::from(last) + 1.0,
        }
}
