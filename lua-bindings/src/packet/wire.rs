//! The wire form: a packet as bytes that leave the process.
//!
//! A header of [`HEADER`] bytes, then the body:
//!
//! | bytes | |
//! |---|---|
//! | 0..4 | `93 67 6f 72` |
//! | 4 | the version of this format |
//! | 5 | the Lua: `0x51`, `0x54`; `0x6a` for LuaJIT |
//! | 6, 7, 8 | sizes of a machine word, of Lua's integers (0 where it has none), of its floats |
//! | 9 | 0: bytecode's numbers have their low byte first; 1: the high one |
//! | 10..18 | the length of the body, low byte first |
//! | 18..22 | the CRC-32 of all the other bytes, header and body, low byte first |
//!
//! The body is the number of entries in the side list, the entries, and the flat bytes (see [`super`]). An entry is a 0,
//! a length and bytecode; or another number, n: the same as the n-th entry. What both sides of a packet would share is
//! of this process, and has no wire form.
//!
//! The checksum finds damage, not forgery: whoever forges a packet, forges that too. So what comes in is [checked](super::check)
//! as a stranger's word, and its code and names are refused unless the caller answers for them: Lua does not check bytecode.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::check::check;
use super::encode::{number, varint};
use super::read::Reader;
use super::{Flat, Malformed, Packet, Plain, Reference, tag};
use crate::code::Code;
use crate::raw::Number;

const MAGIC: [u8; 4] = *b"\x93gor";
const VERSION: u8 = 1;
/// How long the header is.
const HEADER: usize = 22;
/// How many values a packet may have at its top. Each is a reference of mlua's when it is decoded, and LuaJIT has 8000.
pub(super) const MAX_ROOTS: usize = 1000;

/// The version as bytecode has it.
const LUA: u8 = match () {
    () if cfg!(feature = "lua55") => 0x55,
    () if cfg!(feature = "lua54") => 0x54,
    () if cfg!(feature = "lua53") => 0x53,
    () if cfg!(feature = "lua52") => 0x52,
    () if cfg!(feature = "lua51") => 0x51,
    () => LUAJIT,
};
const LUAJIT: u8 = b'j';

/// Sizes of what bytecode is made of: a word, an integer, a float.
const SIZES: [u8; 3] = [
    size_of::<usize>() as u8,
    if cfg!(any(feature = "lua53", feature = "lua54", feature = "lua55")) {
        size_of::<mlua::Integer>() as u8
    } else {
        0
    },
    size_of::<mlua::Number>() as u8,
];
const HIGH_BYTE_FIRST: u8 = cfg!(target_endian = "big") as u8;

/// How far the sender of a packet is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// With data: nil, booleans, numbers, strings and tables of such, with metatables. A packet with anything else is
    /// refused. What it is made of cannot run code, load a module or reach a global variable.
    Data,
    /// With everything that the program itself may do. Functions arrive as bytecode, **which Lua does not check**: one
    /// that was made up can read and write any memory of the process. And packets may name modules, which are loaded.
    Code,
}

/// Why a packet could not be made, or bytes are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The values cannot travel. The text says which, and where it was found.
    #[error("{0}")]
    Refused(String),
    /// Goroutines are not installed in this Lua state.
    #[error("goroutines are not installed in this Lua state")]
    NotInstalled,
    /// The values have something in them that is shared with others in this process: this.
    #[error("a packet with a {0} in it cannot leave the process: only copies can, and it is shared")]
    Shared(&'static str),
    /// The values have one of the program's own types in them.
    #[error(
        "a packet with a value of the program's own types in it cannot leave the process: it has no bytes"
    )]
    Foreign,
    /// So many values at the top.
    #[error(
        "a packet of {0} values cannot leave or enter the process: {MAX_ROOTS} is the most; send a table"
    )]
    Roots(u64),
    /// The bytes do not begin as a packet does.
    #[error("no packet: it does not begin like one")]
    Magic,
    /// The bytes are fewer than a header.
    #[error("no packet: its header has {HEADER} bytes, and these are {0}")]
    Header(usize),
    /// A packet in another version of the format.
    #[error("a packet of format {0}; this program has format {VERSION}")]
    Version(u8),
    /// A packet of another Lua.
    #[error("a packet of {found}; this program has {here}", found = lua_name(*.0), here = lua_name(LUA))]
    Lua(u8),
    /// A packet of a machine, or of a Lua built, with other sizes of words, integers and floats.
    #[error("a packet with sizes {0:?} of words, integers and floats; this program has {SIZES:?}")]
    Sizes([u8; 3]),
    /// A packet of a machine with another order of bytes.
    #[error("a packet of a machine that orders bytes otherwise")]
    ByteOrder,
    /// The header's length of the body, and how long that is.
    #[error("a packet whose header tells of {stated} bytes after it, and there are {found}")]
    Length {
        /// By the header.
        stated: u64,
        /// There are so many.
        found: u64,
    },
    /// The packet was damaged on its way.
    #[error("a packet with checksum {stated:08x}, but its bytes give {found:08x}: it was damaged")]
    Checksum {
        /// By the header.
        stated: u32,
        /// That of the bytes.
        found: u32,
    },
    /// A packet with functions, whose sender is not trusted with code.
    #[error("a packet with code, from a sender that is trusted with data only")]
    Code,
    /// A packet that names a module, or a function of one, whose sender is not trusted with code.
    #[error("a packet that names '{0}', from a sender that is trusted with data only")]
    Name(String),
    /// A packet that reaches for global variables, whose sender is not trusted with code.
    #[error("a packet that reaches for global variables, from a sender that is trusted with data only")]
    Globals,
    /// What follows the header describes no values. The text says why.
    #[error("{0}")]
    Malformed(String),
}

impl From<Malformed> for WireError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed.to_string())
    }
}

fn lua_name(lua: u8) -> String {
    match lua {
        LUAJIT => "LuaJIT".into(),
        0x51..=0x5f => format!("Lua 5.{}", lua & 0xf),
        _ => format!("an unknown Lua ({lua:#x})"),
    }
}

/// The bytes of a packet, to leave the process.
///
/// # Errors
/// When it holds something that both sides would share, or very many values.
pub(super) fn to_wire(packet: &Packet) -> Result<Vec<u8>, WireError> {
    let mut wire = vec![0; HEADER];
    match packet {
        Packet::Empty => wire.extend([0, 0, 0, tag::END]),
        Packet::One(value) => {
            wire.extend([0, 0, 1]);
            value.write(&mut wire);
            wire.push(tag::END);
        }
        // What has become of a goroutine is no value of a script's.
        Packet::Kept(_) => return Err(WireError::Refused("a goroutine's results".into())),
        Packet::Flat(flat) => {
            wire.reserve(flat.bytes.len() + 16);
            write_side_list(&mut wire, &flat.references)?;
            let mut input = Reader::new(&flat.bytes);
            input.byte()?;
            let roots = input.varint()?;
            if roots > MAX_ROOTS as u64 {
                return Err(WireError::Roots(roots));
            }
            wire.extend_from_slice(&flat.bytes);
        }
    }
    let (header, body) = wire.split_at_mut(HEADER);
    header[..4].copy_from_slice(&MAGIC);
    header[4..6].copy_from_slice(&[VERSION, LUA]);
    header[6..9].copy_from_slice(&SIZES);
    header[9] = HIGH_BYTE_FIRST;
    header[10..18].copy_from_slice(&(body.len() as u64).to_le_bytes());
    let sum = checksum(&header[..18], body);
    header[18..].copy_from_slice(&sum.to_le_bytes());
    Ok(wire)
}

fn write_side_list(wire: &mut Vec<u8>, references: &[Reference]) -> Result<(), WireError> {
    let mut written: FxHashMap<u64, u64> = FxHashMap::default();
    varint(wire, references.len() as u64);
    for (number, reference) in (1..).zip(references) {
        let code = match reference {
            Reference::Code(code) => code,
            Reference::Object(object) => return Err(WireError::Shared(object.name())),
            Reference::Foreign(_) => return Err(WireError::Foreign),
            Reference::Class(..) | Reference::Undefined => return Err(WireError::Shared("class")),
        };
        match written.insert(code.id, number) {
            Some(before) => varint(wire, before),
            None => {
                wire.push(0);
                varint(wire, code.bytes.len() as u64);
                wire.extend_from_slice(&code.bytes);
            }
        }
    }
    Ok(())
}

/// The packet that these bytes are.
///
/// # Errors
/// When they are none, or one of another kind of program, or one that holds more than this trust allows. Then no more
/// memory was taken than the bytes have.
pub(super) fn from_wire(wire: &[u8], trust: Trust) -> Result<Packet, WireError> {
    let mut input = Reader::new(body(wire)?);
    let entries = input.varint()?;
    if entries > 0 && trust == Trust::Data {
        return Err(WireError::Code);
    }
    // Nothing is made of the entries before it is known that all is well.
    let mut side_list = input;
    for number in 1..=entries {
        match input.varint()? {
            0 => {
                input.slice()?;
            }
            other if other < number => {}
            other => return Err(Malformed::NoReference(other).into()),
        }
    }
    let flat = input.rest();
    let entries = usize::try_from(entries).map_err(|_| Malformed::Short)?;
    check(flat, entries, trust)?;
    let mut references: Vec<Arc<Code>> = Vec::with_capacity(entries);
    for _ in 0..entries {
        let code = match side_list.varint()? {
            0 => Arc::new(Code::foreign(side_list.slice()?)),
            other => Arc::clone(&references[other as usize - 1]),
        };
        references.push(code);
    }
    let references = references.into_iter().map(Reference::Code).collect();
    Ok(Packet::Flat(Box::new(Flat { bytes: flat.into(), references, marks: Vec::new() })))
}

/// What follows the header, if that is right.
fn body(wire: &[u8]) -> Result<&[u8], WireError> {
    if !wire.starts_with(&MAGIC[..wire.len().min(MAGIC.len())]) {
        return Err(WireError::Magic);
    }
    let Some((header, body)) = wire.split_at_checked(HEADER) else {
        return Err(WireError::Header(wire.len()));
    };
    let mut fields = Reader::new(&header[MAGIC.len()..]);
    let version = fields.byte()?;
    if version != VERSION {
        return Err(WireError::Version(version));
    }
    let lua = fields.byte()?;
    if lua != LUA {
        return Err(WireError::Lua(lua));
    }
    let sizes = fields.array()?;
    if sizes != SIZES {
        return Err(WireError::Sizes(sizes));
    }
    if fields.byte()? != HIGH_BYTE_FIRST {
        return Err(WireError::ByteOrder);
    }
    let (stated, found) = (u64::from_le_bytes(fields.array()?), body.len() as u64);
    if stated != found {
        return Err(WireError::Length { stated, found });
    }
    let (stated, found) = (u32::from_le_bytes(fields.array()?), checksum(&header[..18], body));
    if stated != found {
        return Err(WireError::Checksum { stated, found });
    }
    Ok(body)
}

fn checksum(header: &[u8], body: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(header);
    sum.update(body);
    sum.finalize()
}

impl Plain {
    /// Appends the value as it stands in flat bytes.
    fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Nil => out.push(tag::NIL),
            Self::Boolean(false) => out.push(tag::FALSE),
            Self::Boolean(true) => out.push(tag::TRUE),
            Self::Integer(value) => number(out, Number::Integer(value)),
            Self::Float(value) => number(out, Number::Float(value)),
        }
    }
}
