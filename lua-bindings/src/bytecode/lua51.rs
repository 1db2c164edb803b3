//! Dumps of Lua 5.1.

use super::fenv::Uses;
use super::fixed::Fixed;
use super::nesting::{Dump, read};
use super::proto::{Proto, Upvalue, resolve};
use super::reader::Reader;
use super::{Analysis, Malformed};

pub(super) fn analyse(dump: &[u8]) -> Result<Analysis, Malformed> {
    let mut reader = Reader::new(dump);
    reader.literal(b"\x1bLua\x51", "not of lua 5.1")?;
    let mut protos = read(&mut Dump51 { fixed: Fixed::with_header(reader)? })?;
    for place in 0..protos.len() {
        captures(&mut protos, place)?;
    }
    resolve(&mut protos)?;

    let Some(main) = protos.first() else {
        return Err(Malformed::Truncated);
    };
    let mut uses = Uses::new(main);
    for proto in &protos {
        for_each(proto, |pc, instruction| match instruction.code() {
            Instruction::GETGLOBAL => uses.read(proto, instruction.bx()),
            Instruction::SETGLOBAL => uses.write(proto, instruction.bx()),
            Instruction::SETUPVAL => uses.assign(proto, instruction.b(), pc),
            _ => Ok(()),
        })?;
    }
    uses.analysis(main, &protos)
}

struct Dump51<'a> {
    fixed: Fixed<'a>,
}

impl<'a> Dump<'a> for Dump51<'a> {
    fn begin(&mut self) -> Result<(Proto<'a>, u32), Malformed> {
        let fixed = &mut self.fixed;
        let source = fixed.terminated()?;
        let line_defined = fixed.int()?;
        let _last_line = fixed.int()?;
        let upvalues = vec![Upvalue::Nowhere; fixed.reader.byte()?.into()];
        let _parameters_vararg_registers = fixed.reader.bytes(3)?;
        let (code, constants) = (fixed.code()?, fixed.constants(Fixed::terminated)?);
        let proto = Proto { source, line_defined, upvalues, code, constants, ..Proto::default() };
        Ok((proto, fixed.int()?))
    }

    fn end(&mut self, proto: &mut Proto<'a>) -> Result<(), Malformed> {
        self.fixed.debug_information(proto, Fixed::terminated)
    }

    fn left(&self) -> usize {
        self.fixed.reader.left()
    }
}

#[derive(Clone, Copy)]
struct Instruction(u32);

impl Instruction {
    const MOVE: u32 = 0;
    const GETUPVAL: u32 = 4;
    const GETGLOBAL: u32 = 5;
    const SETGLOBAL: u32 = 7;
    const SETUPVAL: u32 = 8;
    const SETLIST: u32 = 34;
    const CLOSURE: u32 = 36;
    const COUNT: u32 = 38;

    fn code(self) -> u32 {
        self.0 & 0x3f
    }

    fn b(self) -> usize {
        (self.0 >> 23) as usize
    }

    fn c(self) -> usize {
        (self.0 >> 14 & 0x1ff) as usize
    }

    fn bx(self) -> usize {
        (self.0 >> 14) as usize
    }
}

/// Calls `visit` with each instruction of a function.
fn for_each(
    proto: &Proto<'_>,
    mut visit: impl FnMut(usize, Instruction) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut pc = 0;
    while pc < proto.len() {
        let instruction = Instruction(proto.word(pc)?);
        if instruction.code() >= Instruction::COUNT {
            return Err(Malformed::Invalid("no such instruction"));
        }
        visit(pc, instruction)?;
        // The number that this one has no room for is a word of its own.
        let words = if instruction.code() == Instruction::SETLIST && instruction.c() == 0 { 2 } else { 1 };
        pc += words;
    }
    Ok(())
}

/// Sets where the functions in one function take their captured variables from. The instructions that follow a
/// `CLOSURE` say it, one for each variable.
fn captures(protos: &mut [Proto<'_>], place: usize) -> Result<(), Malformed> {
    let (before, nested) = protos.split_at_mut((place + 1).min(protos.len()));
    let Some(proto) = before.last() else {
        return Ok(());
    };
    for_each(proto, |pc, instruction| {
        if instruction.code() != Instruction::CLOSURE {
            return Ok(());
        }
        let child = proto.child(instruction.bx())?;
        let Some(child) = nested.get_mut(child.wrapping_sub(place + 1)) else {
            return Err(Malformed::Invalid("no such nested function"));
        };
        for (number, upvalue) in child.upvalues.iter_mut().enumerate() {
            let from = Instruction(proto.word(pc + 1 + number)?);
            let index = u8::try_from(from.b()).map_err(|_| Malformed::Invalid("no such upvalue"))?;
            *upvalue = match from.code() {
                Instruction::MOVE => Upvalue::Local(index),
                Instruction::GETUPVAL => Upvalue::Captured(index),
                _ => return Err(Malformed::Invalid("no such kind of upvalue")),
            };
        }
        Ok(())
    })
}
