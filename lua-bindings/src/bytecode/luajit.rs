//! Dumps of LuaJIT 2.1, whether its frames take one slot or two (`GC64`).

mod proto;
mod settled;

pub(super) use self::settled::settled;

use self::proto::{read, string, uleb128};
use super::fenv::Uses;
use super::proto::{Proto, resolve};
use super::reader::Reader;
use super::{Analysis, Malformed};

/// Bits of the header.
mod flag {
    pub(super) const BIG_ENDIAN: u32 = 1;
    pub(super) const STRIPPED: u32 = 2;
    pub(super) const FFI: u32 = 4;
    /// Of frames with two slots. What they hold is no matter here.
    pub(super) const TWO_SLOTS: u32 = 8;
    pub(super) const BIT_OPERATIONS: u32 = 16;
    pub(super) const KNOWN: u32 = BIG_ENDIAN | STRIPPED | FFI | TWO_SLOTS | BIT_OPERATIONS;
}

/// Codes of instructions.
mod code {
    pub(super) const USETV: u8 = 46;
    pub(super) const USETP: u8 = 49;
    pub(super) const GGET: u8 = 54;
    pub(super) const GSET: u8 = 55;
    pub(super) const ITERC: u8 = 69;
    pub(super) const ITERN: u8 = 70;
    pub(super) const ISNEXT: u8 = 72;
    pub(super) const JMP: u8 = 88;
    /// The last one of those that not every build has.
    pub(super) const BSAR: u8 = 95;
}

/// The bits of the header, and all functions.
fn open(dump: &[u8]) -> Result<(u32, Vec<Proto<'_>>), Malformed> {
    let mut reader = Reader::new(dump);
    reader.literal(b"\x1bLJ", "not of luajit")?;
    reader.literal(&[2], "of a luajit other than 2.1")?;
    let flags = uleb128(&mut reader)?;
    if flags & !flag::KNOWN != 0 {
        return Err(Malformed::Invalid("of a luajit other than 2.1"));
    }
    if (flags & flag::BIG_ENDIAN != 0) != cfg!(target_endian = "big") {
        return Err(Malformed::Invalid("of another byte order"));
    }
    let stripped = flags & flag::STRIPPED != 0;
    let source = if stripped { None } else { Some(string(&mut reader)?) };

    let mut protos = read(&mut reader, stripped)?;
    if let Some(main) = protos.first_mut() {
        main.source = source;
    }
    Ok((flags, protos))
}

pub(super) fn analyse(dump: &[u8]) -> Result<Analysis, Malformed> {
    let (flags, mut protos) = open(dump)?;
    resolve(&mut protos)?;
    let main = protos.first().ok_or(Malformed::Truncated)?;
    let mut uses = Uses::new(main);
    let last = if flags & flag::BIT_OPERATIONS == 0 { code::JMP } else { code::BSAR };
    for proto in &protos {
        for pc in 0..proto.len() {
            let word = proto.word(pc)?;
            let [operation, a, ..] = word.to_le_bytes();
            let d = (word >> 16) as usize;
            match operation {
                // By a register, a string, a number, or one of nil, false and true.
                code::USETV..=code::USETP => uses.assign(proto, a.into(), pc)?,
                code::GGET => uses.read(proto, d)?,
                code::GSET => uses.write(proto, d)?,
                _ if operation > last => return Err(Malformed::Invalid("no such instruction")),
                _ => {}
            }
        }
    }
    uses.analysis(main, &protos)
}
