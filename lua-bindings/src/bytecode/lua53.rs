//! Dumps of Lua 5.3.

pub(super) mod instruction;

use self::instruction::Instruction;
use super::fixed::{Fixed, Sizes};
use super::nesting::{Dump, read_resolved};
use super::proto::Proto;
use super::reader::Reader;
use super::{Analysis, Malformed, env};

pub(super) fn analyse(dump: &[u8]) -> Result<Analysis, Malformed> {
    let mut dump = Dump53 { fixed: header(Reader::new(dump))? };
    let main_upvalues = usize::from(dump.fixed.reader.byte()?);
    let protos = read_resolved(&mut dump)?;
    if protos.first().is_some_and(|main| main.upvalues.len() != main_upvalues) {
        return Err(Malformed::Invalid("the numbers of upvalues differ"));
    }
    env::analyse::<Instruction<3>>(&protos)
}

struct Dump53<'a> {
    fixed: Fixed<'a>,
}

/// Signature and version, then what differs between machines; a stranger's dump ends here.
fn header(mut reader: Reader<'_>) -> Result<Fixed<'_>, Malformed> {
    reader.literal(b"\x1bLua\x53\x00", "not of lua 5.3")?;
    reader.literal(b"\x19\x93\r\n\x1a\n", "damaged as text is in transfer")?;
    let (int, size) = (reader.byte()?, reader.byte()?);
    let others = [size_of::<u32>() as u8, size_of::<i64>() as u8, size_of::<f64>() as u8];
    reader.literal(&others, "of another word size")?;
    reader.literal(&0x5678_i64.to_ne_bytes(), "of another byte order")?;
    reader.literal(&370.5_f64.to_ne_bytes(), "of another number format")?;
    Fixed::new(reader, Sizes { int, size, number: 8 })
}

/// A string, or `None` where the dump has a null pointer in its place.
fn string<'a>(fixed: &mut Fixed<'a>) -> Result<Option<&'a [u8]>, Malformed> {
    let size = match fixed.reader.byte()? {
        u8::MAX => fixed.size()?,
        size => size.into(),
    };
    // The size is written one too large, so that zero is free to say "none".
    size.checked_sub(1).map(|len| fixed.reader.bytes(len)).transpose()
}

impl<'a> Dump<'a> for Dump53<'a> {
    fn begin(&mut self) -> Result<(Proto<'a>, u32), Malformed> {
        let fixed = &mut self.fixed;
        let source = string(fixed)?;
        let line_defined = fixed.int()?;
        let _last_line = fixed.int()?;
        let _parameters_vararg_registers = fixed.reader.bytes(3)?;
        let (code, constants) = (fixed.code()?, fixed.constants(string)?);
        let mut proto = Proto { source, line_defined, code, constants, ..Proto::default() };
        fixed.upvalues(&mut proto)?;
        Ok((proto, fixed.int()?))
    }

    fn end(&mut self, proto: &mut Proto<'a>) -> Result<(), Malformed> {
        self.fixed.debug_information(proto, string)
    }

    fn left(&self) -> usize {
        self.fixed.reader.left()
    }
}
