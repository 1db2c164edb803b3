//! Packets to Lua values.

mod classes;
mod globals;
mod load;
mod malformed;
mod objects;
mod open;
mod plain;
mod references;
mod values;

use std::ops::Range;

use mlua::{Lua, MultiValue};
use rustc_hash::FxHashMap;

use super::classes::Mark;
use super::likeness::Likenesses;
use super::read::Reader;
use super::{Flat, MAX_DEPTH, Packet, Reference, tag};
use crate::loaded::Lent;
use crate::raw::{Coroutine, Kind, Stack, protected};
use crate::state::{State, vital};

pub(crate) use malformed::Malformed;
use open::{Frame, Phase};

/// Rebuilds the values of a packet in `lua`.
///
/// # Errors
/// When the packet is malformed, when a module it names cannot be loaded here, or when memory runs out.
pub(crate) fn decode(lua: &Lua, state: &State, packet: &Packet) -> mlua::Result<MultiValue> {
    match packet {
        Packet::Empty => Ok(MultiValue::new()),
        Packet::One(value) => Ok(MultiValue::from_iter([value.to_lua()])),
        Packet::Flat(_) | Packet::Kept(_) => {
            let mut outcome = Ok(0);
            let values = protected(lua, (), |stack| outcome = decode_stack(stack, lua, state, packet))?;
            outcome.map_err(mlua::Error::external)?;
            Ok(values)
        }
    }
}

/// Rebuilds the function and the arguments of a packet, which has them, on the stack of a coroutine, ready to be resumed
/// with so many arguments; also says by what its function was lent, if it was. The running stack is empty before and after.
///
/// # Errors
/// As [`decode`].
pub(crate) fn decode_onto(
    stack: &mut Stack<'_>,
    lua: &Lua,
    state: &State,
    packet: &Packet,
    coroutine: Coroutine,
) -> Result<(i32, Option<Lent>), Malformed> {
    let Packet::Flat(flat) = packet else {
        return Err(Malformed::NoFunction);
    };
    let mut decoder = Decoder::new(lua, state, flat);
    decoder.starts = true;
    let outcome = decoder.run(stack);
    let values = stack.top() - decoder.below();
    let outcome = outcome.and_then(|()| {
        if values < 1 {
            return Err(Malformed::NoFunction);
        }
        if !stack.reserve(8) {
            return Err(Malformed::of_stack(values, state));
        }
        // The function and its arguments become arguments of `xpcall`: it, the function, the handler, the arguments.
        let first = decoder.below() + 1;
        let wrapped = stack.raw_get_index(VITALS, vital::XPCALL) == Kind::Function;
        let mut moved = true;
        if wrapped {
            moved &= stack.move_to(coroutine, 1);
            stack.push_copy(first);
            moved &= stack.move_to(coroutine, 1);
            stack.raw_get_index(VITALS, vital::HANDLER);
            moved &= stack.move_to(coroutine, 1);
            moved &= stack.move_to(coroutine, values - 1);
        } else {
            stack.pop(1);
            moved = stack.move_to(coroutine, values);
        }
        if moved {
            Ok(if wrapped { values + 1 } else { values - 1 })
        } else {
            Err(Malformed::of_stack(values, state))
        }
    });
    stack.truncate(0);
    if outcome.is_err()
        && let Some(lent) = decoder.lent.take()
    {
        state.loaded().forget(stack, state, lent);
    }
    outcome.map(|count| (count, decoder.lent))
}

/// Rebuilds the values of a packet on an empty stack, and says how many they are. On failure the stack is empty again.
///
/// # Errors
/// As [`decode`].
pub(crate) fn decode_stack(
    stack: &mut Stack<'_>,
    lua: &Lua,
    state: &State,
    packet: &Packet,
) -> Result<i32, Malformed> {
    debug_assert_eq!(stack.top(), 0);
    match packet {
        Packet::Empty => {}
        Packet::One(value) => value.push(stack),
        Packet::Flat(flat) => {
            let mut decoder = Decoder::new(lua, state, flat);
            if let Err(malformed) = decoder.run(stack) {
                stack.truncate(0);
                return Err(malformed);
            }
            stack.drop_bottom(decoder.below());
        }
        Packet::Kept(kept) => match (state.local().filter(|local| local.has(kept)), kept.copy()) {
            (Some(local), _) => return local.push_kept(stack, kept).ok_or(Malformed::TooMany),
            (None, Some(Ok(copy))) => return decode_stack(stack, lua, state, copy),
            (None, Some(Err(why))) => return Err(Malformed::NotCopied(why.clone())),
            (None, None) => return Err(Malformed::Elsewhere),
        },
    }
    Ok(stack.top())
}

// What lies at the bottom of the stack.
const VITALS: i32 = 1;
const GLOBALS: i32 = 2;
const OBJECTS: i32 = 3;
/// What [`classes`] needs, made when needed: the receiver's classes, the names and ids of values, the classes that the
/// packet refers to.
const REGISTRY: i32 = 4;
const NAMED: i32 = 5;
const CLASSES: i32 = 6;
/// How many they are.
const ROOTS: i32 = 6;

/// The stack that a packet takes besides its roots and strings: up to four values for each open object, and what is pushed
/// for a moment.
const ROOM: i32 = 16 + 4 * MAX_DEPTH as i32 + 24;

struct Decoder<'a> {
    lua: &'a Lua,
    state: &'a State,
    input: Reader<'a>,
    /// For how many more values room may be made before they have come. Each takes a byte at least.
    room: usize,
    references: &'a [Reference],
    frames: Vec<Frame>,
    /// The objects that are classes and have not come yet, and their ids.
    marks: &'a [Mark],
    /// The objects in whose places the receiver's own classes are, rising.
    kept: Vec<u32>,
    /// What tells whether what arrives is what the receiver has.
    likenesses: Option<Box<Likenesses>>,
    /// Whether the packet refers to one class alone.
    one_class: bool,
    /// The packet that is being read: the one itself, or a definition of one of its classes.
    open: &'a Flat,
    /// Objects so far.
    objects: u32,
    /// Whether the packet starts a goroutine, and what its function was lent by.
    starts: bool,
    lent: Option<Lent>,
    /// How many strings get numbers, and how many have got theirs. They lie above the tables at the bottom of the stack.
    strings: u8,
    numbered: u8,
    strings_at: i32,
    poison: FxHashMap<Vec<u8>, String>,
    /// Whether a global is being read, and what could not be found by its name there.
    in_global: bool,
    unresolved: Option<String>,
    /// The global that was read last. What follows it, to be filled in, is its own.
    global: Option<Global>,
    /// The objects of globals in which something could not be found, and what.
    incomplete: Vec<(Range<u32>, String)>,
}

struct Global {
    name: Vec<u8>,
    /// How many objects there were before it.
    objects: u32,
    /// Whether it was set; else the receiver has one of this name, or touching it raises.
    set: bool,
}

impl<'a> Decoder<'a> {
    fn new(lua: &'a Lua, state: &'a State, flat: &'a Flat) -> Self {
        Self {
            lua,
            state,
            input: Reader::new(&flat.bytes),
            room: flat.bytes.len(),
            references: &flat.references,
            frames: Vec::new(),
            marks: &flat.marks,
            kept: Vec::new(),
            likenesses: None,
            one_class: false,
            open: flat,
            objects: 0,
            starts: false,
            lent: None,
            strings: 0,
            strings_at: 0,
            numbered: 0,
            poison: FxHashMap::default(),
            in_global: false,
            unresolved: None,
            global: None,
            incomplete: Vec::new(),
        }
    }

    /// How many values of ours lie below those of the packet.
    fn below(&self) -> i32 {
        ROOTS + i32::from(self.strings)
    }

    fn run(&mut self, stack: &mut Stack<'_>) -> Result<(), Malformed> {
        if !stack.reserve(16) {
            return Err(Malformed::of_stack(stack.top(), self.state));
        }
        self.state.push_vitals(stack);
        self.state.push_environment_if_made(stack);
        // The places of tables that are made when needed.
        stack.push_nils(ROOTS - OBJECTS + 1);
        if self.references.iter().any(|reference| matches!(reference, Reference::Class(..))) {
            let flat = self.open;
            self.definitions(stack, flat)?;
            if !std::ptr::eq(self.open, flat) {
                self.open_packet(stack, flat);
            }
        }
        self.body(stack)
    }

    /// Reads a packet: its numbered strings and its roots, which are left on the stack, and the records behind them.
    fn body(&mut self, stack: &mut Stack<'_>) -> Result<(), Malformed> {
        self.global = None;
        self.strings = self.byte()?;
        self.strings_at = stack.top();
        self.numbered = 0;
        if !stack.reserve(i32::from(self.strings) + ROOM) {
            return Err(Malformed::of_stack(stack.top(), self.state));
        }
        stack.push_nils(i32::from(self.strings));
        let roots = self.varint()?;
        let roots = i32::try_from(roots).map_err(|_| Malformed::TooMany)?;
        if roots as usize > self.room {
            return Err(Malformed::TooMany);
        }
        if !stack.reserve(roots.saturating_add(ROOM)) {
            return Err(Malformed::of_stack(roots, self.state));
        }
        for _ in 0..roots {
            self.whole(stack)?;
        }
        loop {
            match self.byte()? {
                tag::END => break,
                tag::FILL => {
                    self.in_global = self.global.is_some();
                    self.fill(stack)?;
                    self.in_global = false;
                    self.check_global(stack, true)?;
                }
                tag::GLOBAL => self.global(stack)?,
                tag::POISON => {
                    let name = self.slice()?.to_vec();
                    let message = String::from_utf8_lossy(self.slice()?).into_owned();
                    self.poison.insert(name, message);
                }
                tag::WHOLE => {
                    self.push_globals(stack)?;
                    stack.pop(1);
                    self.state
                        .complete_environment(self.lua)
                        .map_err(|error| Malformed::Name(error.to_string()))?;
                }
                other => return Err(Malformed::Tag(other)),
            }
        }
        if !self.input.rest().is_empty() {
            return Err(Malformed::Trailing(self.input.rest().len()));
        }
        if !self.poison.is_empty() {
            let poison = std::mem::take(&mut self.poison);
            self.push_globals(stack)?;
            stack.pop(1);
            self.state
                .poison_globals(self.lua, &poison)
                .map_err(|error| Malformed::Name(error.to_string()))?;
        }
        Ok(())
    }

    /// Pushes the globals of the receiver: the running goroutine's own, which are made when first needed.
    fn push_globals(&mut self, stack: &mut Stack<'_>) -> Result<(), Malformed> {
        if stack.kind(GLOBALS) == Kind::Nil {
            let made = self.state.make_environment(self.lua);
            made.map_err(|error| Malformed::Name(error.to_string()))?;
            self.state.push_environment_if_made(stack);
            stack.replace(GLOBALS);
        }
        stack.push_copy(GLOBALS);
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.input.byte()
    }

    fn slice(&mut self) -> Result<&'a [u8], Malformed> {
        self.input.slice()
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        self.input.varint()
    }
}
