//! What is a class.
//!
//! A table is one if
//! - it is the metatable of a table that is sent, or was given to `goroutine.class`;
//! - it has a field like `__index`, with a value such as that has: it is about to be a metatable. (This is seen when the field is
//!   written, so the table is written where it stands the first time, also in a packet of values.)
//! - it is the `__index` of a class and holds functions: that is where the methods are;
//! - its own metatable is callable, and it holds an instance's metatable: a class that is called to make instances.
//!
//! A table only *looks* like one if
//! - its own metatable is callable, and it holds functions;
//! - it has a metatable and holds nothing but functions, names and other classes.
//!
//! Objects that are made of closures look like that, and so do functions that remember what they have given. So these are
//! classes as long as they are the same on both sides (`packet/likeness.rs`), and what was changed in them is a copy.
//!
//! A table whose metatable is its own `__index`, or has a `__goroutine`, is an instance, and is judged by the first two alone. The
//! rules must not take instances for classes, not even with a function or their class in a field: a class that comes home is the one
//! that is there, and what an instance was changed to would be lost.

use super::Encoder;
use super::classes::{CALL, GOROUTINE, INDEX};
use super::globals::Known;
use crate::raw::{Kind, Stack};

impl Encoder<'_> {
    /// Whether the table on top, of which nothing is known, or that it looks like one, is a class. If so it gets an id.
    pub(super) fn judge(&mut self, stack: &mut Stack<'_>, as_metatable: bool) -> Known {
        let at = stack.top();
        if as_metatable {
            return self.assign(stack).map_or(Known::No, Known::Class);
        }
        if !stack.push_metatable(at) {
            return Known::No;
        }
        let looks = if stack.reserve(12) { self.looks_like(stack, at) } else { Looks::Other };
        stack.pop(1);
        match looks {
            Looks::Other => Known::No,
            Looks::Class => self.assign(stack).map_or(Known::No, Known::Class),
            Looks::Like if self.echo(stack) => Known::No,
            Looks::Like => Known::Looks(self.give_id(stack, true)),
        }
    }

    /// What the table at `at` looks like, whose metatable lies above it.
    fn looks_like(&mut self, stack: &mut Stack<'_>, at: i32) -> Looks {
        let metatable = at + 1;
        if stack.same(metatable, at) || self.has_index(stack, at) {
            return Looks::Class;
        }
        self.push_field(stack, metatable, INDEX);
        self.push_field(stack, metatable, GOROUTINE);
        self.classes.replaceable = stack.kind(-1) == Kind::Function;
        let instance = stack.same(-2, metatable) || self.classes.replaceable;
        let plain = stack.kind(-2) == Kind::Nil;
        stack.pop(2);
        if instance {
            return Looks::Other;
        }
        self.push_field(stack, metatable, CALL);
        let callable = stack.kind(-1) != Kind::Nil;
        stack.pop(1);
        let (mut functions, mut data) = (false, false);
        stack.push_nil();
        while stack.next(at) {
            match stack.kind(-1) {
                Kind::Function => functions = true,
                Kind::String => {}
                Kind::Table => {
                    let value = stack.top();
                    let index = self.has_index(stack, value);
                    data |= !index;
                    if callable && !stack.same(value, metatable) && !has_metatable(stack, value) {
                        let methods = stack.bytes(value - 1).starts_with(b"__");
                        if index || methods && has_functions(stack, value) {
                            stack.pop(2);
                            return Looks::Class;
                        }
                        functions |= plain && has_functions(stack, value);
                    }
                }
                _ => data = true,
            }
            stack.pop(1);
            if data && !callable {
                stack.pop(1);
                return Looks::Other;
            }
        }
        if functions { Looks::Like } else { Looks::Other }
    }

    /// Whether the table at `table` has an `__index` that finds something.
    pub(super) fn has_index(&mut self, stack: &mut Stack<'_>, table: i32) -> bool {
        self.push_field(stack, table, INDEX);
        let found = matches!(stack.kind(-1), Kind::Table | Kind::Function);
        stack.pop(1);
        found
    }
}

/// What a table looks like.
enum Looks {
    Class,
    /// Like a class, and like some other things.
    Like,
    Other,
}

/// A field that metatables have, by what its value is there.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Event {
    #[default]
    None,
    /// A function.
    Called,
    /// A function, or a table.
    Indexed,
    /// What is weak.
    Mode,
}

impl Event {
    /// The field of this name.
    pub(super) fn of(key: &[u8]) -> Self {
        let [b'_', b'_', name @ ..] = key else {
            return Self::None;
        };
        match name {
            b"index" | b"newindex" => Self::Indexed,
            b"mode" => Self::Mode,
            b"call" | b"tostring" | b"pairs" | b"ipairs" | b"gc" | b"close" | b"len" | b"eq" | b"lt"
            | b"le" | b"concat" | b"unm" | b"add" | b"sub" | b"mul" | b"div" | b"mod" | b"pow" | b"idiv"
            | b"band" | b"bor" | b"bxor" | b"bnot" | b"shl" | b"shr" | b"goroutine" => Self::Called,
            _ => Self::None,
        }
    }

    /// Whether the value on top is one for this field. (Names and the like are in data, too.)
    pub(super) fn is_given(self, stack: &Stack<'_>) -> bool {
        match (self, stack.kind(-1)) {
            (Self::Called | Self::Indexed, Kind::Function) | (Self::Indexed, Kind::Table) => true,
            (Self::Mode, Kind::String) => matches!(stack.bytes(-1), b"k" | b"v" | b"kv" | b"vk"),
            _ => false,
        }
    }
}

fn has_metatable(stack: &mut Stack<'_>, table: i32) -> bool {
    let has = stack.push_metatable(table);
    if has {
        stack.pop(1);
    }
    has
}

pub(super) fn has_functions(stack: &mut Stack<'_>, table: i32) -> bool {
    stack.push_nil();
    while stack.next(table) {
        let found = stack.kind(-1) == Kind::Function;
        stack.pop(1);
        if found {
            stack.pop(1);
            return true;
        }
    }
    false
}
