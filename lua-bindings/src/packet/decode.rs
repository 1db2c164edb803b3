//! Packets to Lua values.

mod classes;

use mlua::{Lua, MultiValue, Value};
use rustc_hash::FxHashMap;

use super::{Flat, MAX_DEPTH, Packet, Reference, flag, tag};
use crate::raw::{Coroutine, Kind, Number, Stack, protected};
use crate::state::{State, Tables};

/// What [`decode`] does with the values.
pub(crate) enum Target {
    /// Gives them to Rust.
    Return,
    /// Pushes them onto a coroutine that is about to be resumed.
    Coroutine(Coroutine),
}

/// Rebuilds the values of a packet in `lua`.
///
/// # Errors
/// When the packet is malformed, when a module it names cannot be loaded here, or when memory runs out.
pub(crate) fn decode(lua: &Lua, state: &State, packet: &Packet) -> mlua::Result<MultiValue> {
    match packet {
        Packet::Empty => Ok(MultiValue::new()),
        Packet::One(value) => Ok(MultiValue::from_iter([value.to_lua()])),
        Packet::Flat(flat) => run(lua, state, flat, Target::Return).map(|(values, _)| values),
    }
}

/// Rebuilds the values of a packet on the stack of a coroutine, and says how many they are.
pub(crate) fn decode_onto(
    lua: &Lua,
    state: &State,
    packet: &Packet,
    coroutine: Coroutine,
) -> mlua::Result<i32> {
    match packet {
        Packet::Flat(flat) => run(lua, state, flat, Target::Coroutine(coroutine)).map(|(_, count)| count),
        _ => Err(mlua::Error::runtime("a packet without a function cannot be started")),
    }
}

fn run(lua: &Lua, state: &State, flat: &Flat, target: Target) -> mlua::Result<(MultiValue, i32)> {
    let mut decoder = Decoder::new(lua, state, flat);
    let mut outcome = Ok(());
    let Tables { by_name, resolve, loaded, xpcall, handler, .. } = &state.tables;
    let tables = (by_name, resolve, loaded, state.environment_if_made(lua), xpcall, &*handler.borrow());
    let values = protected(lua, tables, |stack| {
        outcome = decoder.run(stack);
        if outcome.is_err() {
            let top = stack.top();
            stack.pop(top);
            return;
        }
        let count = stack.top() - ROOTS;
        decoder.count = count;
        if let Target::Coroutine(coroutine) = target {
            if stack.kind(XPCALL) == Kind::Function {
                stack.push_copy(XPCALL);
                stack.insert(ROOTS + 1);
                stack.push_copy(HANDLER);
                stack.insert(ROOTS + 3);
            }
            let count = stack.top() - ROOTS;
            decoder.count = count;
            if !stack.move_to(coroutine, count) {
                outcome = Err(Malformed::TooMany);
            }
            let top = stack.top();
            stack.pop(top);
        } else {
            // The tables lie below the values; they are dropped here and not by the caller, to whom they are nothing.
            for index in (1..=ROOTS).rev() {
                stack.remove(index);
            }
        }
    })?;
    outcome.map_err(mlua::Error::external)?;
    Ok((values, decoder.count))
}

/// Why a packet cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("malformed packet: it ends too early")]
    Short,
    #[error("malformed packet: unknown tag {0}")]
    Tag(u8),
    #[error("malformed packet: no object {0}")]
    NoObject(u64),
    #[error("malformed packet: no reference {0}")]
    NoReference(u64),
    #[error("malformed packet: nested too deeply")]
    Deep,
    #[error("malformed packet: a key that no table takes")]
    Key,
    #[error("malformed packet: code that cannot be loaded")]
    Code,
    #[error("too many values at once")]
    TooMany,
    #[error("{0}")]
    Name(String),
}

// What lies at the bottom of the stack.
const BY_NAME: i32 = 1;
const RESOLVE: i32 = 2;
const LOADED: i32 = 3;
const GLOBALS: i32 = 4;
const XPCALL: i32 = 5;
const HANDLER: i32 = 6;
const OBJECTS: i32 = 7;
/// What [`classes`] needs, made when needed: the receiver's classes, the names and ids of values, the classes that the
/// packet refers to.
const REGISTRY: i32 = 8;
const NAMED: i32 = 9;
const CLASSES: i32 = 10;
/// How many they are.
const ROOTS: i32 = 10;

struct Decoder<'a> {
    lua: &'a Lua,
    state: &'a State,
    bytes: &'a [u8],
    at: usize,
    references: &'a [Reference],
    frames: Vec<Frame>,
    /// The objects that are classes and have not come yet, and their ids.
    marks: &'a [(u32, u64)],
    /// The objects in whose places the receiver's own classes are, rising.
    kept: Vec<u32>,
    /// Whether the packet refers to one class alone.
    one_class: bool,
    flat: &'a Flat,
    /// Objects so far.
    objects: u32,
    count: i32,
    poison: FxHashMap<Vec<u8>, String>,
    /// Whether a global is being read, and what could not be found by its name there.
    in_global: bool,
    unresolved: Option<String>,
}

enum Frame {
    /// `instead`: the place among the objects of what is taken in its place; 0 for itself.
    Table {
        at: i32,
        array: u32,
        filled: u32,
        hash: u32,
        metatable: bool,
        phase: Phase,
        instead: usize,
    },
    Function {
        at: i32,
        next: u8,
        count: u8,
        environment: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    List,
    Key,
    Value,
    Metatable,
}

/// What the innermost open object takes next.
enum Wants {
    Value,
    Upvalue,
    Nothing,
}

impl<'a> Decoder<'a> {
    fn new(lua: &'a Lua, state: &'a State, flat: &'a Flat) -> Self {
        Self {
            lua,
            state,
            bytes: &flat.bytes,
            at: 0,
            references: &flat.references,
            frames: Vec::new(),
            marks: flat.marks.as_slice(),
            kept: Vec::new(),
            one_class: false,
            flat,
            objects: 0,
            count: 0,
            poison: FxHashMap::default(),
            in_global: false,
            unresolved: None,
        }
    }

    fn run(&mut self, stack: &mut Stack<'_>) -> Result<(), Malformed> {
        if !stack.reserve(16) {
            return Err(Malformed::TooMany);
        }
        // The places of tables that are made when needed.
        for _ in OBJECTS..=ROOTS {
            stack.push_nil();
        }
        let flat = self.flat;
        self.definitions(stack, flat)?;
        self.open_main(stack, flat);
        self.body(stack)
    }

    /// Reads a packet: its roots, which are left on the stack, and the records behind them.
    fn body(&mut self, stack: &mut Stack<'_>) -> Result<(), Malformed> {
        let roots = self.varint()?;
        let roots = i32::try_from(roots).map_err(|_| Malformed::TooMany)?;
        if roots as usize > self.left() || !stack.reserve(roots.saturating_add(16)) {
            return Err(Malformed::TooMany);
        }
        for _ in 0..roots {
            self.whole(stack)?;
        }
        loop {
            match self.byte()? {
                tag::END => break,
                tag::FILL => self.fill(stack)?,
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

    /// Contents of an object that was only mentioned where it appeared.
    fn fill(&mut self, stack: &mut Stack<'_>) -> Result<(), Malformed> {
        let number = self.varint()?;
        if u32::try_from(number).is_ok_and(|number| self.kept.binary_search(&number).is_ok()) {
            stack.push_table(0, 0); // what is sent of it is read, and dropped
        } else {
            self.push_seen(stack, number)?;
        }
        let tag = self.byte()?;
        match (tag, stack.kind(-1)) {
            (tag::TABLE, Kind::Table) => {
                let (flags, array, hash) = self.table_header()?;
                self.open_table(stack, flags, array, hash, 0)?;
            }
            (tag::FUNCTION, Kind::Function) if !stack.is_c_function(-1) => {
                let flags = self.byte()?;
                self.varint()?;
                self.open_function(stack, flags)?;
            }
            (tag, _) => return Err(Malformed::Tag(tag)),
        }
        self.drain(stack, 0)?;
        stack.pop(1);
        Ok(())
    }

    fn global(&mut self, stack: &mut Stack<'_>) -> Result<(), Malformed> {
        let name = self.slice()?;
        self.push_globals(stack)?;
        let globals = stack.top();
        stack.push_bytes(name);
        self.in_global = true;
        self.whole(stack)?;
        self.in_global = false;
        if let Some(message) = self.unresolved.take() {
            // It matters only if it is touched.
            self.poison.insert(name.to_vec(), message);
            stack.pop(3);
            return Ok(());
        }
        stack.push_copy(globals + 1);
        stack.raw_get(globals);
        let absent = stack.kind(-1) == Kind::Nil;
        stack.pop(1);
        if absent {
            stack.raw_set(globals);
        } else {
            stack.pop(2);
        }
        stack.pop(1);
        Ok(())
    }

    /// Reads one value with everything in it, and leaves it on top.
    fn whole(&mut self, stack: &mut Stack<'_>) -> Result<(), Malformed> {
        if !self.value(stack)? {
            self.drain(stack, 0)?;
        }
        Ok(())
    }

    /// Reads until no more than `depth` objects are open; the outermost of those that were is left on top.
    fn drain(&mut self, stack: &mut Stack<'_>, depth: usize) -> Result<(), Malformed> {
        while self.frames.len() > depth {
            let complete = match self.wants() {
                Wants::Value => self.value(stack)?,
                Wants::Upvalue => self.upvalue(stack)?,
                Wants::Nothing => {
                    if let Some(Frame::Table { instead: 1.., .. }) = self.frames.last() {
                        self.take_instead(stack);
                    }
                    self.frames.pop();
                    self.frames.len() > depth
                }
            };
            if complete {
                self.accept(stack)?;
            }
        }
        Ok(())
    }

    fn wants(&mut self) -> Wants {
        match self.frames.last_mut() {
            None => Wants::Nothing,
            Some(Frame::Table { array, filled, hash, metatable, phase, .. }) => {
                if *phase == Phase::List && filled == array {
                    *phase = Phase::Key;
                }
                if *phase == Phase::Key && *hash == 0 {
                    *phase = Phase::Metatable;
                }
                if *phase == Phase::Metatable && !*metatable { Wants::Nothing } else { Wants::Value }
            }
            Some(Frame::Function { next, count, environment, .. }) => {
                if next < count {
                    Wants::Upvalue
                } else if *environment {
                    Wants::Value
                } else {
                    Wants::Nothing
                }
            }
        }
    }

    /// Gives the value on top to the innermost open object.
    fn accept(&mut self, stack: &mut Stack<'_>) -> Result<(), Malformed> {
        match self.frames.last_mut() {
            None => {}
            Some(Frame::Table { at, filled, hash, metatable, phase, .. }) => match *phase {
                Phase::List => {
                    *filled += 1;
                    stack.raw_set_index(*at, *filled as usize);
                }
                Phase::Key => *phase = Phase::Value,
                Phase::Value => {
                    *phase = Phase::Key;
                    *hash -= 1;
                    if !stack.raw_set(*at) {
                        return Err(Malformed::Key);
                    }
                }
                Phase::Metatable => {
                    *metatable = false;
                    stack.set_metatable(*at);
                }
            },
            Some(Frame::Function { at, next, count, environment }) => {
                if next < count {
                    *next += 1;
                    stack.set_upvalue(*at, i32::from(*next));
                } else {
                    *environment = false;
                    #[cfg(any(feature = "lua51", feature = "luajit"))]
                    stack.set_environment(*at);
                    #[cfg(not(any(feature = "lua51", feature = "luajit")))]
                    return Err(Malformed::Tag(flag::ENVIRONMENT));
                }
            }
        }
        Ok(())
    }

    /// Reads a value. True if it is complete and on top; false if an object was opened.
    fn value(&mut self, stack: &mut Stack<'_>) -> Result<bool, Malformed> {
        match self.byte()? {
            tag::NIL => stack.push_nil(),
            tag::FALSE => stack.push_boolean(false),
            tag::TRUE => stack.push_boolean(true),
            tag::INTEGER => {
                let value = self.varint()?;
                stack.push_number(Number::Integer((value >> 1) as i64 ^ -((value & 1) as i64)));
            }
            tag::FLOAT => {
                let mut bytes = [0; 8];
                bytes.copy_from_slice(self.take(8)?);
                stack.push_number(Number::Float(f64::from_le_bytes(bytes)));
            }
            tag::STRING => {
                let bytes = self.slice()?;
                stack.push_bytes(bytes);
            }
            tag::TABLE => {
                let (flags, array, hash) = self.table_header()?;
                if !stack.reserve(8) {
                    return Err(Malformed::TooMany);
                }
                // The counts are a stranger's word: what is allocated is bounded by what can still follow.
                let left = self.left();
                stack.push_table((array as usize).min(left) as i32, (hash as usize).min(left / 2) as i32);
                let instead = self.remember(stack, flags)?;
                self.open_table(stack, flags, array, hash, instead)?;
                return Ok(false);
            }
            tag::FUNCTION => {
                let flags = self.byte()?;
                self.load(stack)?;
                self.remember(stack, flags)?;
                self.open_function(stack, flags)?;
                return Ok(false);
            }
            tag::SEEN => {
                let number = self.varint()?;
                self.push_seen(stack, number)?;
            }
            tag::GLOBALS => self.push_globals(stack)?,
            tag::OBJECT => self.object(stack)?,
            tag::NAMED => self.named(stack)?,
            tag::LATER => {
                let flags = self.byte()?;
                match self.byte()? {
                    tag::TABLE => stack.push_table(0, 0),
                    tag::FUNCTION => self.load(stack)?,
                    other => return Err(Malformed::Tag(other)),
                }
                let instead = self.remember(stack, flags | flag::SHARED)?;
                if instead != 0 {
                    stack.pop(1);
                    stack.raw_get_index(OBJECTS, instead);
                }
            }
            tag::CLASS => {
                let flags = self.byte()?;
                let number = self.varint()?;
                self.class(stack, number)?;
                self.remember(stack, flags)?;
            }
            other => return Err(Malformed::Tag(other)),
        }
        Ok(true)
    }

    /// Reads an upvalue of the innermost function. True if a value for it is on top.
    fn upvalue(&mut self, stack: &mut Stack<'_>) -> Result<bool, Malformed> {
        if self.bytes.get(self.at) != Some(&tag::JOIN) {
            return self.value(stack);
        }
        self.at += 1;
        let number = self.varint()?;
        let other = i32::from(self.byte()?);
        self.push_seen(stack, number)?;
        if let Some(Frame::Function { at, next, .. }) = self.frames.last_mut() {
            *next += 1;
            if !stack.join_upvalue(*at, i32::from(*next), -1, other) {
                return Err(Malformed::NoObject(number));
            }
        }
        stack.pop(1);
        Ok(false)
    }

    fn table_header(&mut self) -> Result<(u8, u32, u32), Malformed> {
        let flags = self.byte()?;
        let mut count = || {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(self.take(4)?);
            Ok(u32::from_le_bytes(bytes))
        };
        Ok((flags, count()?, count()?))
    }

    fn open_table(
        &mut self,
        stack: &Stack<'_>,
        flags: u8,
        array: u32,
        hash: u32,
        instead: usize,
    ) -> Result<(), Malformed> {
        let metatable = flags & flag::METATABLE != 0;
        let at = stack.top();
        self.open(Frame::Table { at, array, filled: 0, hash, metatable, phase: Phase::List, instead })
    }

    /// Puts the receiver's own class into the place of the table that was just read.
    fn take_instead(&mut self, stack: &mut Stack<'_>) {
        if let Some(Frame::Table { instead, .. }) = self.frames.last() {
            stack.pop(1);
            stack.raw_get_index(OBJECTS, *instead);
        }
    }

    fn open_function(&mut self, stack: &Stack<'_>, flags: u8) -> Result<(), Malformed> {
        let count = self.byte()?;
        let environment = flags & flag::ENVIRONMENT != 0;
        self.open(Frame::Function { at: stack.top(), next: 0, count, environment })
    }

    fn open(&mut self, frame: Frame) -> Result<(), Malformed> {
        if self.frames.len() > MAX_DEPTH {
            return Err(Malformed::Deep);
        }
        self.frames.push(frame);
        Ok(())
    }

    /// Pushes the function whose code comes next.
    fn load(&mut self, stack: &mut Stack<'_>) -> Result<(), Malformed> {
        let number = self.varint()?;
        let code = match usize::try_from(number).ok().and_then(|number| self.references.get(number)) {
            Some(Reference::Code(code)) => code,
            _ => return Err(Malformed::NoReference(number)),
        };
        if !stack.reserve(8) {
            return Err(Malformed::TooMany);
        }
        // A function without captured variables is the same for everybody: it is loaded once. (The functions of
        // Lua 5.1 have an environment each, and are not.)
        let once = cfg!(feature = "lua54")
            && code.analysis.as_ref().is_some_and(|analysis| analysis.upvalue_count == 0);
        if once {
            stack.raw_get_index(LOADED, code.id as usize);
            if stack.kind(-1) == Kind::Function {
                return Ok(());
            }
            stack.pop(1);
        }
        if !stack.load(&code.bytes) {
            return Err(Malformed::Code);
        }
        #[cfg(any(feature = "lua51", feature = "luajit"))]
        {
            self.push_globals(stack)?;
            stack.set_environment(-2);
        }
        if once {
            stack.push_copy(-1);
            stack.raw_set_index(LOADED, code.id as usize);
        }
        Ok(())
    }

    /// Counts the object on top, and keeps it if it appears again. Gives the place of what is to be taken in its place,
    /// or 0.
    fn remember(&mut self, stack: &mut Stack<'_>, flags: u8) -> Result<usize, Malformed> {
        self.objects += 1;
        if let Some(((object, id), rest)) = self.marks.split_first()
            && object + 1 == self.objects
        {
            self.marks = rest;
            let instead = self.class_arrives(stack, *id)?;
            if instead != 0 {
                return Ok(instead);
            }
        }
        if flags & flag::SHARED != 0 {
            if stack.kind(OBJECTS) != Kind::Table {
                stack.push_table(0, 0);
                stack.replace(OBJECTS);
            }
            stack.push_copy(-1);
            stack.raw_set_index(OBJECTS, self.objects as usize);
        }
        Ok(0)
    }

    fn push_seen(&mut self, stack: &mut Stack<'_>, number: u64) -> Result<(), Malformed> {
        if stack.kind(OBJECTS) != Kind::Table || number >= u64::from(self.objects) {
            return Err(Malformed::NoObject(number));
        }
        stack.raw_get_index(OBJECTS, number as usize + 1);
        if stack.kind(-1) == Kind::Nil {
            return Err(Malformed::NoObject(number));
        }
        Ok(())
    }

    /// Pushes the globals of the receiver: the running goroutine's own, which are made when first needed.
    fn push_globals(&mut self, stack: &mut Stack<'_>) -> Result<(), Malformed> {
        if stack.kind(GLOBALS) == Kind::Nil {
            let made = self.state.make_environment(self.lua).map(Value::Table);
            let pushed = made.and_then(|globals| stack.push_value(self.lua, &globals));
            pushed.map_err(|error| Malformed::Name(error.to_string()))?;
            stack.replace(GLOBALS);
        }
        stack.push_copy(GLOBALS);
        Ok(())
    }

    fn object(&mut self, stack: &mut Stack<'_>) -> Result<(), Malformed> {
        let number = self.varint()?;
        let object = match usize::try_from(number).ok().and_then(|number| self.references.get(number)) {
            Some(Reference::Object(object)) => object,
            _ => return Err(Malformed::NoReference(number)),
        };
        let userdata = object.to_userdata(self.lua, self.state).map(Value::UserData);
        userdata
            .and_then(|userdata| stack.push_value(self.lua, &userdata))
            .map_err(|error| Malformed::Name(error.to_string()))
    }

    /// A module, or a field of one, by name.
    fn named(&mut self, stack: &mut Stack<'_>) -> Result<(), Malformed> {
        let name = self.slice()?;
        stack.push_bytes(name);
        stack.push_copy(-1);
        stack.raw_get(BY_NAME);
        if stack.kind(-1) == Kind::Nil {
            stack.pop(1);
            stack.push_copy(RESOLVE);
            stack.push_copy(-2);
            // May load a module, and so run its code. It is a protected call inside: a failure comes back as a message.
            stack.call(1, 2);
            if stack.kind(-2) == Kind::Nil && self.in_global {
                self.unresolved = Some(String::from_utf8_lossy(stack.bytes(-1)).into_owned());
            } else if stack.kind(-2) == Kind::Nil {
                return Err(Malformed::Name(String::from_utf8_lossy(stack.bytes(-1)).into_owned()));
            }
            stack.pop(1);
        }
        stack.remove(-2);
        Ok(())
    }

    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        let byte = *self.bytes.get(self.at).ok_or(Malformed::Short)?;
        self.at += 1;
        Ok(byte)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(len).ok_or(Malformed::Short)?;
        let bytes = self.bytes.get(self.at..end).ok_or(Malformed::Short)?;
        self.at = end;
        Ok(bytes)
    }

    fn slice(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.varint()?;
        self.take(usize::try_from(len).map_err(|_| Malformed::Short)?)
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed::Short)
    }
}
