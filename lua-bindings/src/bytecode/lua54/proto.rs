//! [`read`]: a dump of Lua 5.4 as a list of function prototypes.

use super::super::{Malformed, reader::Reader};
use super::instruction::Instruction;

/// A function prototype: the code of a function and what belongs to it.
#[derive(Default)]
pub(super) struct Proto<'a> {
    pub(super) source: Option<&'a [u8]>,
    pub(super) line_defined: u32,
    /// The functions nested in this one, by their place in the list; `CLOSURE` counts them.
    pub(super) children: Vec<usize>,
    /// This function and all that are nested in it, at any depth, are `own place .. end` in the list.
    pub(super) end: usize,
    /// The registers of the directly enclosing function that this one captures.
    pub(super) captures: Registers,
    /// The registers of this function that any of its `children` captures.
    pub(super) captured: Registers,
    /// Which captured variable of the main function each captured variable is; `None` for those that are locals of
    /// a function in the dump.
    pub(super) origins: Vec<Option<u8>>,
    /// Empty, or as long as `origins`.
    pub(super) upvalue_names: Vec<Option<&'a [u8]>>,
    /// The string constants; `None` for one of another type.
    constants: Vec<Option<&'a [u8]>>,
    code: &'a [u8],
    /// Empty, or one signed byte per instruction: by how much its line differs from the one before.
    line_steps: &'a [u8],
    /// The instructions and lines where the step would not fit, or a fixed point is due.
    line_marks: Vec<(u32, u32)>,
}

/// A set of registers.
#[derive(Clone, Copy, Default)]
pub(super) struct Registers([u64; 4]);

impl Registers {
    pub(super) fn insert(&mut self, register: u8) {
        self.0[usize::from(register / 64)] |= 1 << (register % 64);
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(own, other)| *own |= other);
    }

    pub(super) fn contains(&self, register: usize) -> bool {
        self.0.get(register / 64).is_some_and(|bits| bits >> (register % 64) & 1 == 1)
    }
}

impl<'a> Proto<'a> {
    /// How many instructions it has.
    pub(super) fn len(&self) -> usize {
        self.code.len() / size_of::<u32>()
    }

    /// The instruction at `pc`. Code that runs past its end is malformed, so no bounds are checked elsewhere.
    pub(super) fn instruction(&self, pc: usize) -> Result<Instruction, Malformed> {
        let bytes = pc.checked_mul(size_of::<u32>()).and_then(|at| self.code.get(at..)?.first_chunk());
        Instruction::decode(u32::from_ne_bytes(*bytes.ok_or(Malformed::Invalid("code runs past its end"))?))
    }

    /// The constant with this index, which the instruction wants to be a string.
    pub(super) fn name(&self, constant: usize) -> Result<&'a [u8], Malformed> {
        self.string(constant)?.ok_or(Malformed::Invalid("a field's name is no string"))
    }

    /// The constant with this index, if it is a string.
    pub(super) fn string(&self, constant: usize) -> Result<Option<&'a [u8]>, Malformed> {
        self.constants.get(constant).copied().ok_or(Malformed::Invalid("no such constant"))
    }

    pub(super) fn strings(&self) -> impl Iterator<Item = &'a [u8]> {
        self.constants.iter().flatten().copied()
    }

    /// Which captured variable of the main function this upvalue is, if it is one.
    pub(super) fn origin(&self, upvalue: usize) -> Result<Option<u8>, Malformed> {
        self.origins.get(upvalue).copied().ok_or(Malformed::Invalid("no such upvalue"))
    }

    /// The nested function with this index, by its place in the list.
    pub(super) fn child(&self, index: usize) -> Result<usize, Malformed> {
        self.children.get(index).copied().ok_or(Malformed::Invalid("no such nested function"))
    }

    pub(super) fn lines(&self) -> Lines<'_> {
        Lines { steps: self.line_steps, marks: &self.line_marks, pc: 0, line: self.line_defined.into() }
    }
}

/// The source lines of a function's instructions, one after the other.
pub(super) struct Lines<'p> {
    steps: &'p [u8],
    marks: &'p [(u32, u32)],
    pc: usize,
    line: i64,
}

impl Lines<'_> {
    /// In place of a step: the line is in the next mark.
    const MARKED: i8 = i8::MIN;

    /// The line of the next instruction; `None` in a stripped function.
    pub(super) fn next(&mut self) -> Result<Option<u32>, Malformed> {
        let Some(step) = self.steps.get(self.pc) else {
            return Ok(None);
        };
        match step.cast_signed() {
            Self::MARKED => {
                let ((_, line), rest) = self
                    .marks
                    .split_first()
                    .filter(|((pc, _), _)| *pc as usize == self.pc)
                    .ok_or(Malformed::Invalid("lines and instructions don't match"))?;
                self.line = i64::from(*line);
                self.marks = rest;
            }
            step => self.line += i64::from(step),
        }
        self.pc += 1;
        Ok(u32::try_from(self.line).ok())
    }
}

/// All functions of a dump, each before those nested in it; the main one is first. There is always one.
pub(super) fn read(dump: &[u8]) -> Result<Vec<Proto<'_>>, Malformed> {
    let mut reader = Reader::new(dump);
    header(&mut reader)?;
    let main_upvalues = usize::from(reader.byte()?);

    // A function's debug information follows the functions nested in it, so those that are begun and not yet ended
    // wait here, each with the number of nested ones still to come.
    let mut begun: Vec<(usize, u32)> = Vec::new();
    let (main, nested) = begin(&mut reader, None)?;
    if main.origins.len() != main_upvalues {
        return Err(Malformed::Invalid("the numbers of upvalues differ"));
    }
    let mut protos = vec![main];
    begun.push((0, nested));
    while let Some((place, to_come)) = begun.last_mut() {
        let place = *place;
        if *to_come == 0 {
            begun.pop();
            let end = protos.len();
            if let Some(proto) = protos.get_mut(place) {
                proto.end = end;
                debug_information(&mut reader, proto)?;
            }
        } else {
            *to_come -= 1;
            let (proto, nested) = begin(&mut reader, protos.get(place))?;
            let child = protos.len();
            if let Some(parent) = protos.get_mut(place) {
                parent.children.push(child);
                parent.captured.extend(proto.captures);
            }
            protos.push(proto);
            begun.push((child, nested));
        }
    }
    if reader.is_empty() { Ok(protos) } else { Err(Malformed::Invalid("bytes after the end")) }
}

/// Signature and version, then what differs between machines; a stranger's dump ends here.
fn header(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    reader.literal(b"\x1bLua\x54\x00", "not of lua 5.4")?;
    reader.literal(b"\x19\x93\r\n\x1a\n", "damaged as text is in transfer")?;
    let sizes = [size_of::<u32>() as u8, size_of::<i64>() as u8, size_of::<f64>() as u8];
    reader.literal(&sizes, "of another word size")?;
    reader.literal(&0x5678_i64.to_ne_bytes(), "of another byte order")?;
    reader.literal(&370.5_f64.to_ne_bytes(), "of another number format")
}

/// A function up to where its nested ones begin, and how many of these there are.
fn begin<'a>(reader: &mut Reader<'a>, parent: Option<&Proto<'a>>) -> Result<(Proto<'a>, u32), Malformed> {
    let source = reader.string()?;
    let line_defined = reader.int()?;
    let _last_line = reader.int()?;
    let _parameters_vararg_registers = reader.bytes(3)?;
    let code_bytes = (reader.int()? as usize).checked_mul(size_of::<u32>());
    let code = reader.bytes(code_bytes.ok_or(Malformed::Truncated)?)?;

    // No vector is made as long as the dump says: it grows with what is really there.
    let mut constants = Vec::new();
    for _ in 0..reader.int()? {
        constants.push(constant(reader)?);
    }
    let mut origins = Vec::new();
    let mut captures = Registers::default();
    for index in 0..reader.int()? {
        let own = u8::try_from(index).map_err(|_| Malformed::Invalid("too many upvalues"))?;
        let (in_stack, from, _kind) = (reader.byte()?, reader.byte()?, reader.byte()?);
        origins.push(match (parent, in_stack) {
            // Where the main function took its variables from is not in the dump.
            (None, 0 | 1) => Some(own),
            (Some(parent), 0) => parent.origin(from.into())?,
            (Some(_), 1) => {
                captures.insert(from);
                None
            }
            _ => return Err(Malformed::Invalid("no such kind of upvalue")),
        });
    }
    let nested = reader.int()?;
    Ok((Proto { source, line_defined, code, constants, origins, captures, ..Proto::default() }, nested))
}

fn constant<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, Malformed> {
    // The low four bits are the type, those above its variant.
    match reader.byte()? {
        0x00 | 0x01 | 0x11 => Ok(None), // nil, false, true
        0x03 | 0x13 => reader.bytes(8).map(|_number| None),
        0x04 | 0x14 => {
            reader.string()?.map(Some).ok_or(Malformed::Invalid("a string constant without a string"))
        }
        _ => Err(Malformed::Invalid("no such type of constant")),
    }
}

/// What a stripped dump has as well, but empty.
fn debug_information<'a>(reader: &mut Reader<'a>, proto: &mut Proto<'a>) -> Result<(), Malformed> {
    let steps = reader.int()? as usize;
    proto.line_steps = reader.bytes(steps)?;
    if !proto.line_steps.is_empty() && proto.line_steps.len() != proto.len() {
        return Err(Malformed::Invalid("lines and instructions don't match"));
    }
    for _ in 0..reader.int()? {
        proto.line_marks.push((reader.int()?, reader.int()?));
    }
    for _ in 0..reader.int()? {
        let (_local, _from, _to) = (reader.string()?, reader.int()?, reader.int()?);
    }
    let names = reader.int()? as usize;
    if names != 0 && names != proto.origins.len() {
        return Err(Malformed::Invalid("the numbers of upvalues differ"));
    }
    for _ in 0..names {
        proto.upvalue_names.push(reader.string()?);
    }
    Ok(())
}
