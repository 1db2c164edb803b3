//! Dumps of Lua 5.4.

pub(super) mod instruction;
pub(super) mod lines;

use self::instruction::Instruction;
use super::nesting::{Dump, read_resolved};
use super::proto::{Proto, Upvalue};
use super::reader::{Reader, TOO_LARGE, int};
use super::{Analysis, Malformed, env};

pub(super) fn analyse(dump: &[u8]) -> Result<Analysis, Malformed> {
    let mut dump = Dump54 { reader: Reader::new(dump) };
    dump.header()?;
    let main_upvalues = usize::from(dump.reader.byte()?);
    let protos = read_resolved(&mut dump)?;
    if protos.first().is_some_and(|main| main.upvalues.len() != main_upvalues) {
        return Err(Malformed::Invalid("the numbers of upvalues differ"));
    }
    env::analyse::<Instruction>(&protos)
}

struct Dump54<'a> {
    reader: Reader<'a>,
}

impl<'a> Dump54<'a> {
    /// Signature and version, then what differs between machines; a stranger's dump ends here.
    fn header(&mut self) -> Result<(), Malformed> {
        self.reader.literal(b"\x1bLua\x54\x00", "not of lua 5.4")?;
        self.reader.literal(b"\x19\x93\r\n\x1a\n", "damaged as text is in transfer")?;
        let sizes = [size_of::<u32>() as u8, size_of::<i64>() as u8, size_of::<f64>() as u8];
        self.reader.literal(&sizes, "of another word size")?;
        self.reader.literal(&0x5678_i64.to_ne_bytes(), "of another byte order")?;
        self.reader.literal(&370.5_f64.to_ne_bytes(), "of another number format")
    }

    fn int(&mut self) -> Result<u32, Malformed> {
        int(self.unsigned()?)
    }

    fn unsigned(&mut self) -> Result<u64, Malformed> {
        self.reader.grouped(|marked| marked)
    }

    /// A string, or `None` where the dump has a null pointer in its place.
    fn string(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        // The size is written one too large, so that zero is free to say "none".
        match self.unsigned()?.checked_sub(1) {
            None => Ok(None),
            Some(len) => self.reader.bytes(usize::try_from(len).map_err(|_| TOO_LARGE)?).map(Some),
        }
    }

    fn constant(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        // The low four bits are the type, those above its variant.
        match self.reader.byte()? {
            0x00 | 0x01 | 0x11 => Ok(None), // nil, false, true
            0x03 | 0x13 => self.reader.bytes(8).map(|_number| None),
            0x04 | 0x14 => {
                self.string()?.map(Some).ok_or(Malformed::Invalid("a string constant without a string"))
            }
            _ => Err(Malformed::Invalid("no such type of constant")),
        }
    }
}

impl<'a> Dump<'a> for Dump54<'a> {
    fn begin(&mut self) -> Result<(Proto<'a>, u32), Malformed> {
        let source = self.string()?;
        let line_defined = self.int()?;
        let _last_line = self.int()?;
        let _parameters_vararg_registers = self.reader.bytes(3)?;
        let count = self.int()? as usize;
        let code = self.reader.array(count, size_of::<u32>())?;
        let mut proto = Proto { source, line_defined, code, ..Proto::default() };
        // No vector is made as long as the dump says: it grows with what is really there.
        for _ in 0..self.int()? {
            proto.constants.push(self.constant()?);
        }
        for _ in 0..self.int()? {
            proto.upvalues.push(upvalue(&mut self.reader)?);
        }
        Ok((proto, self.int()?))
    }

    /// Debug information, which a stripped dump has as well, but empty.
    fn end(&mut self, proto: &mut Proto<'a>) -> Result<(), Malformed> {
        let count = self.int()? as usize;
        let steps = self.reader.bytes(count)?;
        let mut marks = Vec::new();
        for _ in 0..self.int()? {
            marks.push((self.int()?, self.int()?));
        }
        proto.set_lines(lines::from_steps(proto.line_defined, steps, &marks)?)?;
        for _ in 0..self.int()? {
            let (_local, _from, _to) = (self.string()?, self.int()?, self.int()?);
        }
        let names = self.int()? as usize;
        proto.check_upvalue_names(names)?;
        for _ in 0..names {
            proto.upvalue_names.push(self.string()?);
        }
        Ok(())
    }

    fn left(&self) -> usize {
        self.reader.left()
    }
}

/// Where a function takes a captured variable from.
pub(super) fn upvalue(reader: &mut Reader<'_>) -> Result<Upvalue, Malformed> {
    let (in_register, index, _kind) = (reader.byte()?, reader.byte()?, reader.byte()?);
    match in_register {
        0 => Ok(Upvalue::Captured(index)),
        1 => Ok(Upvalue::Local(index)),
        _ => Err(Malformed::Invalid("no such kind of upvalue")),
    }
}
