//! [`Likenesses`]: whether a table is in one state what it is in another, told by a number.
//!
//! A table that only looks like a class keeps its identity as long as nobody has changed it: so what was changed is not lost.
//! The sender says what number the table has, and the receiver looks whether its own has the same.
//!
//! The number is made of all that the table reaches: keys, values, metatables, code, captured variables. Classes, modules and
//! what both sides share stand for themselves. It does not depend on the order in which a table gives its entries, nor on
//! addresses. Each object begins with a number made of what it holds directly; in some rounds each then takes in those of the
//! objects that it refers to. So two tables have the same number if they cannot be told apart within so many steps.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher as _;

use rustc_hash::FxHashMap;

use super::classes::class_id;
use super::encode::code_on_top;
use crate::raw::{Kind, Number, Stack};
use crate::state::State;

/// How many steps are looked at.
const ROUNDS: usize = 8;

/// How many entries and captured variables are looked at for one table. One that reaches more is no class.
const MOST: u32 = 10_000;

/// The same for all of a packet, in which tables may reach each other. What then only looks like a class is none.
const MOST_TOGETHER: u32 = 1_000_000;

/// What stands for what has no contents of its own here.
const GLOBALS: u64 = 1;
const METATABLE: u64 = 2;
const ENVIRONMENT: u64 = 3;
const KEY: u64 = 4;
const VALUE: u64 = 5;
const PAIR: u64 = 6;

/// Where the state's tables lie on the stack, and the addresses of its globals.
pub(super) struct Places {
    pub(super) named: i32,
    pub(super) codes: i32,
    pub(super) globals: [usize; 2],
}

/// What is needed to make such numbers, kept from one to the next.
#[derive(Default)]
pub(crate) struct Likenesses {
    /// The objects met so far, by address; they lie in a table on the stack.
    objects: FxHashMap<usize, u32>,
    /// What each object holds directly.
    bases: Vec<u64>,
    /// Which object refers to which, and how.
    references: Vec<(u32, u64, u32)>,
    colours: Vec<u64>,
    mixed: Vec<u64>,
    dump: Vec<u8>,
    walked: u32,
    walked_together: u32,
}

/// A value as part of another.
enum Part {
    Plain(u64),
    Object(u32),
}

impl Likenesses {
    /// Ready for the next packet.
    pub(super) fn clear(&mut self) {
        if self.bases.capacity() > 4096 || self.dump.capacity() > 1 << 16 {
            *self = Self::default();
        }
        self.walked_together = 0;
    }

    /// The number of the table at `index`; `None` if it reaches too much, or what has no likeness in other states.
    pub(super) fn of(
        &mut self,
        stack: &mut Stack<'_>,
        state: &State,
        places: &Places,
        index: i32,
    ) -> Option<u64> {
        if !stack.reserve(24) {
            return None;
        }
        self.objects.clear();
        self.bases.clear();
        self.references.clear();
        self.walked = 0;
        let queue = stack.top() + 1;
        stack.push_table(8, 0);
        stack.push_copy(index);
        self.object(stack, queue);
        let walked = self.walk(stack, state, places, queue);
        stack.truncate(queue - 1);
        walked.map(|()| self.colour())
    }

    fn walk(&mut self, stack: &mut Stack<'_>, state: &State, places: &Places, queue: i32) -> Option<()> {
        let mut next = 0;
        while next < self.bases.len() {
            let at = stack.top() + 1;
            match stack.raw_get_index(queue, next + 1) {
                Kind::Table => self.table(stack, state, places, queue, next as u32)?,
                Kind::Function => self.function(stack, state, places, queue, next as u32)?,
                _ => {} // an entry
            }
            stack.truncate(at - 1);
            next += 1;
        }
        Some(())
    }

    fn table(
        &mut self,
        stack: &mut Stack<'_>,
        state: &State,
        places: &Places,
        queue: i32,
        number: u32,
    ) -> Option<()> {
        let at = stack.top();
        stack.push_nil();
        while stack.next(at) {
            self.step()?;
            stack.push_copy(-2);
            let key = self.part(stack, state, places, queue)?;
            let value = self.part(stack, state, places, queue)?;
            match (key, value) {
                (Part::Plain(key), value) => self.refer(number, key, value),
                (Part::Object(key), value) => {
                    let entry = self.bases.len() as u32;
                    self.bases.push(PAIR);
                    self.refer(entry, KEY, Part::Object(key));
                    self.refer(entry, VALUE, value);
                    self.refer(number, PAIR, Part::Object(entry));
                }
            }
        }
        if stack.push_metatable(at) {
            let metatable = self.part(stack, state, places, queue)?;
            self.refer(number, METATABLE, metatable);
        }
        Some(())
    }

    fn function(
        &mut self,
        stack: &mut Stack<'_>,
        state: &State,
        places: &Places,
        queue: i32,
        number: u32,
    ) -> Option<()> {
        let at = stack.top();
        let code = code_on_top(stack, state, places.codes, &mut self.dump)?.likeness();
        self.refer(number, 0, Part::Plain(code));
        let mut upvalue = 1;
        while stack.push_upvalue(at, upvalue) {
            self.step()?;
            let value = self.part(stack, state, places, queue)?;
            self.refer(number, upvalue as u64, value);
            upvalue += 1;
        }
        #[cfg(any(feature = "lua51", feature = "luajit"))]
        {
            stack.push_environment(at);
            let environment = self.part(stack, state, places, queue)?;
            self.refer(number, ENVIRONMENT << 32, environment);
        }
        #[cfg(not(any(feature = "lua51", feature = "luajit")))]
        let _ = ENVIRONMENT;
        Some(())
    }

    fn step(&mut self) -> Option<()> {
        self.walked += 1;
        self.walked_together += 1;
        (self.walked <= MOST && self.walked_together <= MOST_TOGETHER).then_some(())
    }

    /// The value on top, which is popped.
    fn part(&mut self, stack: &mut Stack<'_>, state: &State, places: &Places, queue: i32) -> Option<Part> {
        let top = stack.top();
        let plain = match stack.kind(top) {
            Kind::Nil | Kind::None => 0,
            Kind::Boolean => mix(1, u64::from(stack.boolean(top))),
            Kind::Number => match stack.number(top) {
                Number::Integer(value) => mix(2, value as u64),
                Number::Float(value) => mix(3, value.to_bits()),
            },
            Kind::String => mix(4, bytes(stack.bytes(top))),
            Kind::Table | Kind::Function | Kind::Userdata => match self.by_name(stack, state, places) {
                Some(plain) => plain,
                None if stack.kind(top) == Kind::Userdata => mix(5, stack.object(top)?.key() as u64),
                None => return Some(Part::Object(self.object(stack, queue))),
            },
            Kind::Thread | Kind::LightUserdata | Kind::Other => return None,
        };
        stack.pop(1);
        Some(Part::Plain(plain))
    }

    /// What stands for the value on top, if it is what states know by a name or an id.
    fn by_name(&self, stack: &mut Stack<'_>, state: &State, places: &Places) -> Option<u64> {
        let address = stack.address(-1);
        if places.globals.contains(&address) {
            return Some(GLOBALS);
        }
        if !state.may_be_named(address) {
            return None;
        }
        stack.push_copy(-1);
        stack.raw_get(places.named);
        let known = match class_id(stack) {
            // What looks like a class is part of what refers to it.
            Some((_, true)) => None,
            Some((id, false)) => Some(mix(6, id)),
            None if stack.kind(-1) == Kind::String => Some(mix(7, bytes(stack.bytes(-1)))),
            None => None,
        };
        stack.pop(1);
        known
    }

    /// The number of the table or function on top, which is popped and put into the queue if it is new.
    fn object(&mut self, stack: &mut Stack<'_>, queue: i32) -> u32 {
        let next = self.bases.len() as u32;
        let number = *self.objects.entry(stack.address(-1)).or_insert(next);
        if number == next {
            self.bases.push(if stack.kind(-1) == Kind::Table { 8 } else { 9 });
            stack.raw_set_index(queue, next as usize + 1);
        } else {
            stack.pop(1);
        }
        number
    }

    fn refer(&mut self, from: u32, how: u64, to: Part) {
        match to {
            Part::Plain(value) => {
                let base = &mut self.bases[from as usize];
                *base = base.wrapping_add(mix(how, value));
            }
            Part::Object(to) => self.references.push((from, how, to)),
        }
    }

    fn colour(&mut self) -> u64 {
        self.colours.clear();
        self.colours.extend_from_slice(&self.bases);
        for _ in 0..self.bases.len().min(ROUNDS) {
            self.mixed.clear();
            self.mixed.extend_from_slice(&self.bases);
            for (from, how, to) in &self.references {
                let mixed = &mut self.mixed[*from as usize];
                *mixed = mixed.wrapping_add(mix(*how ^ PAIR.rotate_right(8), self.colours[*to as usize]));
            }
            self.mixed.iter_mut().for_each(|colour| *colour = scramble(*colour));
            std::mem::swap(&mut self.colours, &mut self.mixed);
        }
        let all = self.colours.iter().fold(0u64, |all, colour| all.wrapping_add(scramble(*colour)));
        mix(all, self.colours.first().copied().unwrap_or_default())
    }
}

fn bytes(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// The number of a function's code.
pub(crate) fn of_code(code: &[u8]) -> u64 {
    let Some(settled) = crate::bytecode::settled(code) else {
        return bytes(code);
    };
    settled.tables.iter().fold(bytes(&settled.bytes), |number, entries| {
        mix(number, entries.iter().fold(0u64, |sum, entry| sum.wrapping_add(scramble(bytes(entry)))))
    })
}

fn mix(a: u64, b: u64) -> u64 {
    scramble(scramble(a).wrapping_add(b))
}

/// A number that depends on each bit of this one (the last step of the generator splitmix64).
fn scramble(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
