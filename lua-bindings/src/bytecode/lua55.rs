//! Dumps of Lua 5.5.

mod instruction;

use self::instruction::Instruction;
use super::lua54::{lines, upvalue};
use super::nesting::{Dump, read_resolved};
use super::proto::Proto;
use super::reader::{Reader, TOO_LARGE, int};
use super::{Analysis, Malformed, env};

pub(super) fn analyse(dump: &[u8]) -> Result<Analysis, Malformed> {
    let mut dump = Dump55 { reader: Reader::new(dump), len: dump.len(), strings: Vec::new() };
    dump.header()?;
    let main_upvalues = usize::from(dump.reader.byte()?);
    let protos = read_resolved(&mut dump)?;
    if protos.first().is_some_and(|main| main.upvalues.len() != main_upvalues) {
        return Err(Malformed::Invalid("the numbers of upvalues differ"));
    }
    env::analyse::<Instruction>(&protos)
}

struct Dump55<'a> {
    reader: Reader<'a>,
    /// Of the whole dump.
    len: usize,
    /// Those that were written out; later ones refer to them.
    strings: Vec<&'a [u8]>,
}

impl<'a> Dump55<'a> {
    /// Signature and version, then what differs between machines; a stranger's dump ends here.
    fn header(&mut self) -> Result<(), Malformed> {
        self.reader.literal(b"\x1bLua\x55\x00", "not of lua 5.5")?;
        self.reader.literal(b"\x19\x93\r\n\x1a\n", "damaged as text is in transfer")?;
        self.number((-0x5678_i32).to_ne_bytes())?;
        self.number(0x1234_5678_u32.to_ne_bytes())?;
        self.number((-0x5678_i64).to_ne_bytes())?;
        self.number((-370.5_f64).to_ne_bytes())
    }

    /// A size and a number that has this size here.
    fn number<const SIZE: usize>(&mut self, bytes: [u8; SIZE]) -> Result<(), Malformed> {
        self.reader.literal(&[SIZE as u8], "of another word size")?;
        self.reader.literal(&bytes, "of another byte order or number format")
    }

    fn int(&mut self) -> Result<u32, Malformed> {
        int(self.unsigned()?)
    }

    fn unsigned(&mut self) -> Result<u64, Malformed> {
        self.reader.grouped(|marked| !marked)
    }

    /// Words of memory, which begin at a multiple of four bytes, counted from the beginning of the dump.
    fn words(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let at = self.len - self.reader.left();
        self.reader.bytes(at.next_multiple_of(size_of::<u32>()) - at)?;
        self.reader.array(count, size_of::<u32>())
    }

    /// A string, or `None` where the dump has a null pointer in its place.
    fn string(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        match self.unsigned()?.checked_sub(1) {
            Some(len) => {
                let string = self.reader.bytes(usize::try_from(len).map_err(|_| TOO_LARGE)?)?;
                self.reader.literal(&[0], "a string without an end")?;
                self.strings.push(string);
                Ok(Some(string))
            }
            // One that was there before, counted from one.
            None => match self.unsigned()?.checked_sub(1) {
                Some(index) => {
                    let string = usize::try_from(index).ok().and_then(|index| self.strings.get(index));
                    string.copied().map(Some).ok_or(Malformed::Invalid("no such string"))
                }
                None => Ok(None),
            },
        }
    }

    fn constant(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        // The low four bits are the type, those above its variant.
        match self.reader.byte()? {
            0x00 | 0x01 | 0x11 => Ok(None), // nil, false, true
            0x03 => self.reader.grouped(|marked| !marked).map(|_integer| None),
            0x13 => self.reader.bytes(8).map(|_float| None),
            0x04 | 0x14 => {
                self.string()?.map(Some).ok_or(Malformed::Invalid("a string constant without a string"))
            }
            _ => Err(Malformed::Invalid("no such type of constant")),
        }
    }
}

impl<'a> Dump<'a> for Dump55<'a> {
    fn begin(&mut self) -> Result<(Proto<'a>, u32), Malformed> {
        let line_defined = self.int()?;
        let _last_line = self.int()?;
        let _parameters_flags_registers = self.reader.bytes(3)?;
        let count = self.int()? as usize;
        let code = self.words(count)?;
        let mut proto = Proto { line_defined, code, ..Proto::default() };
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
        proto.source = self.string()?;
        let count = self.int()? as usize;
        let steps = self.reader.bytes(count)?;
        let marks = match self.int()? as usize {
            0 => Vec::new(),
            count => {
                let (words, _) = self.words(count.saturating_mul(2))?.as_chunks();
                let (marks, _) = words.as_chunks();
                marks.iter().map(|[pc, line]| (u32::from_ne_bytes(*pc), u32::from_ne_bytes(*line))).collect()
            }
        };
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
