//! Dumps of Lua 5.2.

use super::fixed::Fixed;
use super::lua53::instruction::Instruction;
use super::nesting::{Dump, read_resolved};
use super::proto::Proto;
use super::reader::Reader;
use super::{Analysis, Malformed, env};

pub(super) fn analyse(dump: &[u8]) -> Result<Analysis, Malformed> {
    let mut reader = Reader::new(dump);
    reader.literal(b"\x1bLua\x52", "not of lua 5.2")?;
    let mut dump = Dump52 { fixed: Fixed::with_header(reader)? };
    dump.fixed.reader.literal(b"\x19\x93\r\n\x1a\n", "damaged as text is in transfer")?;
    env::analyse::<Instruction<2>>(&read_resolved(&mut dump)?)
}

struct Dump52<'a> {
    fixed: Fixed<'a>,
}

impl<'a> Dump<'a> for Dump52<'a> {
    fn begin(&mut self) -> Result<(Proto<'a>, u32), Malformed> {
        let fixed = &mut self.fixed;
        let line_defined = fixed.int()?;
        let _last_line = fixed.int()?;
        let _parameters_vararg_registers = fixed.reader.bytes(3)?;
        let (code, constants) = (fixed.code()?, fixed.constants(Fixed::terminated)?);
        let proto = Proto { line_defined, code, constants, ..Proto::default() };
        Ok((proto, fixed.int()?))
    }

    fn end(&mut self, proto: &mut Proto<'a>) -> Result<(), Malformed> {
        self.fixed.upvalues(proto)?;
        proto.source = self.fixed.terminated()?;
        self.fixed.debug_information(proto, Fixed::terminated)
    }

    fn left(&self) -> usize {
        self.fixed.reader.left()
    }
}
