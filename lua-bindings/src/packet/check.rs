//! Whether the bytes of a packet from outside describe values at all, before anything is built of them.
//!
//! The decoder stays safe on any bytes, but notices what is wrong only as it comes to it, with half of the values built,
//! and a value is larger in Lua than in a packet. So a stranger's packet is read once without Lua. What passes has no
//! claim that the rest does not meet, and decoding it can fail for want of memory only, or, if names and code are
//! allowed, for want of those. Reading takes one byte of memory per table or function, which are three bytes at least.

use super::read::Reader;
use super::wire::{MAX_ROOTS, Trust, WireError};
use super::{MAX_DEPTH, Malformed, flag, tag};

/// Checks the flat bytes of a packet whose side list has so many pieces of code.
///
/// # Errors
/// When they are malformed, or have what is not allowed with this trust.
pub(super) fn check(bytes: &[u8], codes: usize, trust: Trust) -> Result<(), WireError> {
    let mut check = Check {
        input: Reader::new(bytes),
        codes: codes as u64,
        trust,
        objects: Vec::new(),
        frames: Vec::new(),
        room: bytes.len() as u64,
        unfilled: 0,
        strings: 0,
        numbered: 0,
    };
    check.run()
}

struct Check<'a> {
    input: Reader<'a>,
    codes: u64,
    trust: Trust,
    /// What is known of each object: bits of [`object`].
    objects: Vec<u8>,
    frames: Vec<Frame>,
    /// How many more values tables may claim. Each takes a byte at least.
    room: u64,
    /// How many objects wait for their `FILL`.
    unfilled: usize,
    /// How many strings get numbers, and how many have got theirs.
    strings: u8,
    numbered: u8,
}

/// What is known of an object.
mod object {
    pub(super) const FUNCTION: u8 = 1;
    /// It may appear again.
    pub(super) const SHARED: u8 = 2;
    /// Its contents come in a record of their own.
    pub(super) const UNFILLED: u8 = 4;
}

/// What an open table or function still takes.
struct Frame {
    /// List items of a table, upvalues of a function.
    items: u32,
    items_are: Place,
    pairs: u32,
    /// Whether the key of a pair has come, and its value has not.
    half: bool,
    /// A metatable or environment.
    table: bool,
}

/// Where a value stands, which decides what it may be.
#[derive(Clone, Copy)]
enum Place {
    Anywhere,
    /// Neither nil nor a NaN.
    Key,
    Upvalue,
    /// A table: a metatable or environment.
    Table,
}

impl Frame {
    fn next(&mut self) -> Option<Place> {
        if self.items > 0 {
            self.items -= 1;
            return Some(self.items_are);
        }
        if self.half {
            self.half = false;
            return Some(Place::Anywhere);
        }
        if self.pairs > 0 {
            self.pairs -= 1;
            self.half = true;
            return Some(Place::Key);
        }
        std::mem::take(&mut self.table).then_some(Place::Table)
    }
}

impl Check<'_> {
    fn run(&mut self) -> Result<(), WireError> {
        self.strings = self.input.byte()?;
        let roots = self.input.varint()?;
        if roots > MAX_ROOTS as u64 {
            return Err(WireError::Roots(roots));
        }
        for _ in 0..roots {
            self.whole()?;
        }
        loop {
            match self.input.byte()? {
                tag::END => break,
                tag::FILL => self.fill()?,
                tag::GLOBAL => {
                    self.globals()?;
                    self.input.slice()?;
                    self.whole()?;
                }
                tag::POISON => {
                    self.globals()?;
                    self.input.slice()?;
                    self.input.slice()?;
                }
                tag::WHOLE => self.globals()?,
                other => return Err(Malformed::Tag(other).into()),
            }
        }
        if self.unfilled > 0 {
            return Err(Malformed::Unfilled(self.unfilled).into());
        }
        match self.input.rest().len() {
            0 => Ok(()),
            left => Err(Malformed::Trailing(left).into()),
        }
    }

    /// One value, and all that is in it.
    fn whole(&mut self) -> Result<(), WireError> {
        self.value(Place::Anywhere)?;
        self.drain()
    }

    fn drain(&mut self) -> Result<(), WireError> {
        while let Some(frame) = self.frames.last_mut() {
            match frame.next() {
                Some(place) => self.value(place)?,
                None => drop(self.frames.pop()),
            }
        }
        Ok(())
    }

    fn fill(&mut self) -> Result<(), WireError> {
        let number = self.input.varint()?;
        let known = usize::try_from(number).ok().and_then(|number| self.objects.get_mut(number));
        let Some(known) = known.filter(|known| **known & object::UNFILLED != 0) else {
            return Err(Malformed::NoObject(number).into());
        };
        *known &= !object::UNFILLED;
        self.unfilled -= 1;
        match (self.input.byte()?, *known & object::FUNCTION) {
            (tag::TABLE, 0) => {
                let flags = self.input.byte()?;
                self.open_table(flags, flag::METATABLE)?;
            }
            (tag::FUNCTION, object::FUNCTION) => {
                let flags = self.input.byte()?;
                self.code()?;
                self.open_function(flags, flag::ENVIRONMENT)?;
            }
            (other, _) => return Err(Malformed::Tag(other).into()),
        }
        self.drain()
    }

    fn value(&mut self, place: Place) -> Result<(), WireError> {
        let tag = self.input.byte()?;
        match tag {
            tag::NIL if matches!(place, Place::Key) => return Err(Malformed::Key.into()),
            tag::NIL | tag::FALSE | tag::TRUE => {}
            tag::INTEGER => {
                self.input.varint()?;
            }
            tag::FLOAT => {
                let float = f64::from_le_bytes(self.input.array()?);
                if matches!(place, Place::Key) && float.is_nan() {
                    return Err(Malformed::Key.into());
                }
            }
            tag::STRING => {
                self.input.slice()?;
            }
            tag::NUMBERED => {
                self.input.slice()?;
                if self.numbered == self.strings {
                    return Err(Malformed::NoString(self.numbered).into());
                }
                self.numbered += 1;
            }
            tag::AGAIN => {
                let number = self.input.byte()?;
                if number >= self.numbered {
                    return Err(Malformed::NoString(number).into());
                }
            }
            tag::TABLE => {
                let flags = self.input.byte()?;
                self.objects.push(shared(flags));
                self.open_table(flags, flag::SHARED | flag::METATABLE)?;
                return Ok(());
            }
            tag::FUNCTION => {
                let flags = self.input.byte()?;
                self.code()?;
                self.objects.push(object::FUNCTION | shared(flags));
                self.open_function(flags, flag::SHARED | flag::ENVIRONMENT)?;
            }
            tag::SEEN => {
                let (_, known) = self.seen()?;
                if known & object::FUNCTION == 0 {
                    return Ok(());
                }
            }
            tag::GLOBALS => return self.globals(),
            tag::NAMED => {
                let name = self.input.slice()?;
                if self.trust == Trust::Data {
                    // A stranger's name may be as long as the packet.
                    let name = String::from_utf8_lossy(&name[..name.len().min(80)]);
                    return Err(WireError::Name(name.replace('\0', ".")));
                }
                return Ok(());
            }
            tag::LATER => {
                known_flags(self.input.byte()?, flag::SHARED)?;
                let kind = match self.input.byte()? {
                    tag::TABLE => 0,
                    tag::FUNCTION => {
                        self.code()?;
                        object::FUNCTION
                    }
                    other => return Err(Malformed::Tag(other).into()),
                };
                self.objects.push(kind | object::SHARED | object::UNFILLED);
                self.unfilled += 1;
                if kind == 0 {
                    return Ok(());
                }
            }
            tag::JOIN if matches!(place, Place::Upvalue) => {
                let (number, known) = self.seen()?;
                if known & object::FUNCTION == 0 {
                    return Err(Malformed::NoObject(number).into());
                }
                self.input.byte()?;
            }
            other => return Err(Malformed::Tag(other).into()),
        }
        // What is a table, or may be one, has returned.
        if matches!(place, Place::Table) { Err(Malformed::Metatable.into()) } else { Ok(()) }
    }

    /// Reads the number of an object that may appear again, and tells what is known of it.
    fn seen(&mut self) -> Result<(u64, u8), WireError> {
        let number = self.input.varint()?;
        let known = usize::try_from(number).ok().and_then(|number| self.objects.get(number));
        match known {
            Some(known) if known & object::SHARED != 0 => Ok((number, *known)),
            _ => Err(Malformed::NoObject(number).into()),
        }
    }

    fn code(&mut self) -> Result<(), WireError> {
        let number = self.input.varint()?;
        if number < self.codes { Ok(()) } else { Err(Malformed::NoReference(number).into()) }
    }

    /// Something that reaches the receiver's globals.
    fn globals(&mut self) -> Result<(), WireError> {
        if self.trust == Trust::Data { Err(WireError::Globals) } else { Ok(()) }
    }

    fn open_table(&mut self, flags: u8, known: u8) -> Result<(), WireError> {
        known_flags(flags, known)?;
        let items = u32::from_le_bytes(self.input.array()?);
        let pairs = u32::from_le_bytes(self.input.array()?);
        let claimed = u64::from(items) + 2 * u64::from(pairs);
        let left = self.room.min(self.input.rest().len() as u64);
        self.room = left.checked_sub(claimed).ok_or(Malformed::Short)?;
        let table = flags & flag::METATABLE != 0;
        self.open(Frame { items, items_are: Place::Anywhere, pairs, half: false, table })
    }

    fn open_function(&mut self, flags: u8, known: u8) -> Result<(), WireError> {
        known_flags(flags, known)?;
        let items = u32::from(self.input.byte()?);
        let table = flags & flag::ENVIRONMENT != 0;
        if table && cfg!(not(any(feature = "lua51", feature = "luajit"))) {
            return Err(Malformed::Tag(flag::ENVIRONMENT).into());
        }
        self.open(Frame { items, items_are: Place::Upvalue, pairs: 0, half: false, table })
    }

    fn open(&mut self, frame: Frame) -> Result<(), WireError> {
        if self.frames.len() > MAX_DEPTH {
            return Err(Malformed::Deep.into());
        }
        self.frames.push(frame);
        Ok(())
    }
}

fn shared(flags: u8) -> u8 {
    if flags & flag::SHARED != 0 { object::SHARED } else { 0 }
}

fn known_flags(flags: u8, known: u8) -> Result<(), Malformed> {
    if flags & !known == 0 { Ok(()) } else { Err(Malformed::Flags(flags)) }
}
