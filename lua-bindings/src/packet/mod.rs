//! Packets: Lua values on their way from one state to another.
//!
//! A packet is flat bytes plus a side list of [`Reference`]s. The bytes hold copies of numbers, strings, tables and
//! the captured variables of functions; the list holds what both sides share (channels, handles, code).
//!
//! # Layout
//! Integers are LEB128 varints unless said. The body is: the number of numbered strings (a byte), the number of root
//! values, the root values, then records until [`tag::END`]. Tables and functions are *objects*, numbered in the order in
//! which they first appear; a later appearance is a [`tag::SEEN`] with that number. Objects nest up to [`MAX_DEPTH`];
//! deeper ones appear as a [`tag::LATER`] and are filled by a [`tag::FILL`] record, so that neither side recurses.
//!
//! | record | followed by |
//! |---|---|
//! | `FILL` | object number, its contents |
//! | `GLOBAL` | name, value: set in the receiver's globals if it has none of that name |
//! | `POISON` | name, message: a global that could not travel; touching it raises the message |
//! | `WHOLE` | the receiver's globals become a complete table: some code looks at the table itself |
//! | `END` | |
//!
//! A table is a flags byte (shared, has a metatable), two fixed 32-bit counts, the list part, the pairs, the metatable.
//! A class that is written where it stands is a table like others; the packet's list of marks tells which objects are
//! classes, and their ids. Packets of values refer to classes by [`tag::CLASS`] instead; see `classes.rs`.
//! A function is a flags byte, the number of its code in the side list, and its upvalues: each a value, or the
//! number of an earlier function and upvalue whose variable it shares.
//!
//! # Packets from outside
//! Within the process a packet is what [`encode`] made. One that comes as bytes ([`wire`], which puts a header before
//! these and has the code instead of the side list) is a stranger's, and is [`check`]ed before anything is built of it.
//! [`decode`] on its own is safe with any bytes, too, code excepted: it reads nothing that is not there, refuses what is
//! no packet, calls no metamethod, and makes no more room ahead than for a value a byte.

mod bytes;
mod check;
mod classes;
mod decode;
mod encode;
pub(crate) mod face;
mod likeness;
pub(crate) mod quick;
mod read;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;

use mlua::{MultiValue, Value};
use smallvec::SmallVec;

use crate::code::Code;
use crate::foreign::Foreign;
use crate::local::Kept;
use crate::object::Object;
use crate::raw::{Kind, Number, Stack};

use bytes::Bytes;
pub(crate) use bytes::Spare;
use classes::Mark;
pub(crate) use classes::{Definition, Definitions};
pub(crate) use decode::{Malformed, decode, decode_onto, decode_stack};
pub(crate) use encode::{Refusal, Roots, Scratch, encode, encode_stack, make_class, push_key};
pub(crate) use likeness::of_code;
pub use wire::{Trust, WireError};

/// How deep objects nest within one record.
const MAX_DEPTH: usize = 48;

/// Values on their way.
///
/// No value and single plain values travel without an encoder: they are what channels and results mostly carry.
#[derive(Clone)]
pub(crate) enum Packet {
    /// No values.
    Empty,
    /// One value that is held directly.
    One(Plain),
    /// Anything.
    Flat(Box<Flat>),
    /// What a goroutine of a home state has come to, which stays there.
    Kept(Arc<Kept>),
}

/// A value without contents.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plain {
    Nil,
    Boolean(bool),
    Integer(i64),
    Float(f64),
}

/// Encoded values.
#[derive(Clone)]
pub(crate) struct Flat {
    bytes: Bytes,
    references: References,
    /// Which of its objects are classes.
    marks: Vec<Mark>,
}

/// The side list of a packet: the code of one function, mostly.
type References = SmallVec<[Reference; 1]>;

/// What is shared, not copied.
#[derive(Clone)]
pub(crate) enum Reference {
    Code(Arc<Code>),
    Object(Object),
    Foreign(Arc<Foreign>),
    /// A class, by its id, and what describes it to a goroutine that has not met it.
    Class(u64, Arc<Definition>),
    /// The place of one while it is being described.
    Undefined,
}

impl Packet {
    /// How many bytes it takes, about.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Flat(flat) => flat.bytes.len(),
            _ => 0,
        }
    }
}

impl Packet {
    /// The packet for values that need no encoder, if these are such.
    pub(crate) fn direct(values: &MultiValue) -> Option<Self> {
        match values.len() {
            0 => Some(Self::Empty),
            1 => Plain::from_lua(&values[0]).map(Self::One),
            _ => None,
        }
    }
}

impl Packet {
    /// The packet for one string.
    pub(crate) fn text(text: &str) -> Self {
        let mut bytes = vec![0, 1, tag::STRING];
        encode::varint(&mut bytes, text.len() as u64);
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(tag::END);
        Self::Flat(Box::new(Flat { bytes: bytes.into(), references: References::new(), marks: Vec::new() }))
    }
}

impl Packet {
    /// The value as reports show it, as far as that can be done without a Lua state.
    pub(crate) fn shown(&self) -> String {
        let text = match self {
            Self::Empty | Self::One(Plain::Nil) => Some("nil".into()),
            Self::One(Plain::Boolean(value)) => Some(value.to_string()),
            Self::One(Plain::Integer(value)) => Some(value.to_string()),
            Self::One(Plain::Float(value)) => Some(value.to_string()),
            Self::Flat(flat) => flat.text(),
            Self::Kept(kept) => {
                return match kept.copy() {
                    Some(Ok(copy)) => copy.shown(),
                    _ => NO_TEXT.into(),
                };
            }
        };
        text.unwrap_or_else(|| NO_TEXT.into())
    }
}

/// What stands for an error that has no text.
const NO_TEXT: &str = "(error object is not a string)";

impl Flat {
    /// The string that it consists of, if it does.
    fn text(&self) -> Option<String> {
        let mut reader = read::Reader::new(&self.bytes);
        let (first, count, tag) = (reader.byte().ok()?, reader.byte().ok()?, reader.byte().ok()?);
        let is_text = (first, count) == (0, 1) && matches!(tag, tag::STRING | tag::NUMBERED);
        is_text.then(|| reader.slice().ok()).flatten().map(|text| String::from_utf8_lossy(text).into_owned())
    }
}

impl Plain {
    fn from_lua(value: &Value) -> Option<Self> {
        match value {
            Value::Nil => Some(Self::Nil),
            Value::Boolean(value) => Some(Self::Boolean(*value)),
            Value::Integer(value) => Some(Self::Integer(*value)),
            Value::Number(value) => Some(Self::Float(*value)),
            _ => None,
        }
    }

    /// The value on top of a stack, if it is such a one.
    pub(crate) fn on_top(stack: &Stack<'_>) -> Option<Self> {
        Self::at(stack, -1)
    }

    /// The value at `index`, if it is such a one.
    fn at(stack: &Stack<'_>, index: i32) -> Option<Self> {
        match stack.kind(index) {
            Kind::Nil => Some(Self::Nil),
            Kind::Boolean => Some(Self::Boolean(stack.boolean(index))),
            Kind::Number => Some(stack.number(index).into()),
            _ => None,
        }
    }

    /// Whether both are the same to the last bit.
    fn is(self, other: Self) -> bool {
        match (self, other) {
            (Self::Nil, Self::Nil) => true,
            (Self::Boolean(one), Self::Boolean(two)) => one == two,
            (Self::Integer(one), Self::Integer(two)) => one == two,
            (Self::Float(one), Self::Float(two)) => one.to_bits() == two.to_bits(),
            _ => false,
        }
    }

    pub(crate) fn push(self, stack: &mut Stack<'_>) {
        match self {
            Self::Nil => stack.push_nil(),
            Self::Boolean(value) => stack.push_boolean(value),
            Self::Integer(value) => stack.push_number(Number::Integer(value)),
            Self::Float(value) => stack.push_number(Number::Float(value)),
        }
    }

    pub(crate) fn to_lua(self) -> Value {
        match self {
            Self::Nil => Value::Nil,
            Self::Boolean(value) => Value::Boolean(value),
            Self::Integer(value) => Value::Integer(value),
            Self::Float(value) => Value::Number(value),
        }
    }
}

impl From<Number> for Plain {
    fn from(number: Number) -> Self {
        match number {
            Number::Integer(value) => Self::Integer(value),
            Number::Float(value) => Self::Float(value),
        }
    }
}

/// The tags of the encoding.
mod tag {
    pub(super) const NIL: u8 = 0;
    pub(super) const FALSE: u8 = 1;
    pub(super) const TRUE: u8 = 2;
    /// A zigzag varint.
    pub(super) const INTEGER: u8 = 3;
    /// Eight bytes, little-endian.
    pub(super) const FLOAT: u8 = 4;
    /// Length, bytes.
    pub(super) const STRING: u8 = 5;
    pub(super) const TABLE: u8 = 6;
    pub(super) const FUNCTION: u8 = 7;
    /// The number of an object that appeared before.
    pub(super) const SEEN: u8 = 8;
    /// The receiver's table of globals.
    pub(super) const GLOBALS: u8 = 9;
    /// A number in the side list.
    pub(super) const OBJECT: u8 = 10;
    /// Length, a module's name or `module\0field`.
    pub(super) const NAMED: u8 = 11;
    /// An object that a `FILL` record describes: a kind byte ([`TABLE`] or [`FUNCTION`]) and, for a function, its code.
    pub(super) const LATER: u8 = 12;
    pub(super) const FILL: u8 = 13;
    pub(super) const GLOBAL: u8 = 14;
    pub(super) const POISON: u8 = 15;
    pub(super) const END: u8 = 16;
    /// A string as [`STRING`], which gets the next number.
    pub(super) const NUMBERED: u8 = 19;
    /// A byte: the number of a string that appeared before.
    pub(super) const AGAIN: u8 = 20;
    /// The receiver's globals have to be a complete table.
    pub(super) const WHOLE: u8 = 18;
    /// A flags byte, a number in the side list: a class of the receiver's.
    pub(super) const CLASS: u8 = 21;
    /// In a function: an upvalue that is the variable of an earlier one: function number, upvalue number.
    pub(super) const JOIN: u8 = 17;
}

/// Bits of an object's flags byte.
mod flag {
    /// It appears again: the receiver has to remember it.
    pub(super) const SHARED: u8 = 1;
    /// A table with a metatable, which follows its entries.
    pub(super) const METATABLE: u8 = 2;
    /// A function with an environment of its own, which follows its upvalues (Lua 5.1 and LuaJIT).
    pub(super) const ENVIRONMENT: u8 = 4;
}
