//! [`Proto`]: one function of a dump, whichever Lua it is of.

use super::Malformed;

/// A function prototype: the code of a function and what belongs to it.
#[derive(Default)]
pub(super) struct Proto<'a> {
    pub(super) source: Option<&'a [u8]>,
    pub(super) line_defined: u32,
    /// The function around this one, by its place in the list, where it comes earlier.
    pub(super) parent: usize,
    /// The functions nested in this one, by their place in the list; instructions count them.
    pub(super) children: Vec<usize>,
    /// This function and all that are nested in it, at any depth, are `own place .. end` in the list.
    pub(super) end: usize,
    pub(super) upvalues: Vec<Upvalue>,
    /// Empty, or as long as `upvalues`.
    pub(super) upvalue_names: Vec<Option<&'a [u8]>>,
    /// Which captured variable of the main function each of the `upvalues` is; `None` for those that are locals of
    /// a function in the dump.
    pub(super) origins: Vec<Option<u8>>,
    /// The registers of the directly enclosing function that this one captures.
    pub(super) captures: Registers,
    /// The registers of this function that any of its `children` captures.
    pub(super) captured: Registers,
    /// The string constants; `None` for one of another type.
    pub(super) constants: Vec<Option<&'a [u8]>>,
    /// The byte that begins a function of LuaJIT: its flags.
    pub(super) flags: &'a [u8],
    /// The entries of each table that is a constant, as they stand in the dump: LuaJIT writes them in the order in which a
    /// state has them.
    pub(super) tables: Vec<Vec<&'a [u8]>>,
    /// Four bytes per instruction.
    pub(super) code: &'a [u8],
    /// The source line of each instruction; empty in a stripped function.
    pub(super) lines: Vec<u32>,
}

/// Where a function takes a captured variable from when it is made.
#[derive(Clone, Copy)]
pub(super) enum Upvalue {
    /// A local variable of the function around it, in this register.
    Local(u8),
    /// A captured variable of the function around it.
    Captured(u8),
    /// It is never made.
    Nowhere,
}

/// Whether a function nested in the main function takes one of that one's captured variables.
pub(super) fn passes_on(protos: &[Proto<'_>]) -> bool {
    let Some(main) = protos.first() else { return false };
    let mut children = main.children.iter().filter_map(|child| protos.get(*child));
    children.any(|child| child.upvalues.iter().any(|upvalue| matches!(upvalue, Upvalue::Captured(_))))
}

/// A set of registers.
#[derive(Clone, Copy, Default)]
pub(super) struct Registers([u64; 4]);

impl Registers {
    fn insert(&mut self, register: u8) {
        self.0[usize::from(register / 64)] |= 1 << (register % 64);
    }

    fn extend(&mut self, other: Self) {
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

    /// The instruction at `pc`, not decoded. Code that runs past its end is malformed, so no bounds are checked
    /// elsewhere.
    pub(super) fn word(&self, pc: usize) -> Result<u32, Malformed> {
        let bytes = pc.checked_mul(size_of::<u32>()).and_then(|at| self.code.get(at..)?.first_chunk());
        Ok(u32::from_ne_bytes(*bytes.ok_or(Malformed::Invalid("code runs past its end"))?))
    }

    /// The line of the instruction at `pc`, if it was not stripped.
    pub(super) fn line(&self, pc: usize) -> Option<u32> {
        self.lines.get(pc).copied()
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
        self.origins.get(upvalue).copied().ok_or(NO_UPVALUE)
    }

    /// The nested function with this index, by its place in the list.
    pub(super) fn child(&self, index: usize) -> Result<usize, Malformed> {
        self.children.get(index).copied().ok_or(Malformed::Invalid("no such nested function"))
    }

    /// Sets the lines, which must be as many as there are instructions, or none.
    pub(super) fn set_lines(&mut self, lines: Vec<u32>) -> Result<(), Malformed> {
        self.lines = lines;
        if self.lines.is_empty() || self.lines.len() == self.len() {
            Ok(())
        } else {
            Err(Malformed::Invalid("lines and instructions don't match"))
        }
    }

    /// Whether there may be so many names of upvalues.
    pub(super) fn check_upvalue_names(&self, count: usize) -> Result<(), Malformed> {
        if count == 0 || count == self.upvalues.len() {
            Ok(())
        } else {
            Err(Malformed::Invalid("the numbers of upvalues differ"))
        }
    }
}

/// Follows each captured variable to where it comes from. Every function comes after the one around it.
pub(super) fn resolve(protos: &mut [Proto<'_>]) -> Result<(), Malformed> {
    for place in 0..protos.len() {
        let (before, rest) = protos.split_at_mut(place);
        let Some(proto) = rest.first_mut() else {
            break;
        };
        if proto.upvalues.len() > usize::from(u8::MAX) {
            return Err(Malformed::Invalid("too many upvalues"));
        }
        let Some(parent) = before.get_mut(proto.parent) else {
            // Where the main function takes its variables from is not in the dump.
            proto.origins = (0..u8::MAX).map(Some).take(proto.upvalues.len()).collect();
            continue;
        };
        for upvalue in &proto.upvalues {
            proto.origins.push(match *upvalue {
                Upvalue::Captured(index) => parent.origin(index.into())?,
                Upvalue::Local(register) => {
                    proto.captures.insert(register);
                    None
                }
                Upvalue::Nowhere => None,
            });
        }
        parent.captured.extend(proto.captures);
    }
    Ok(())
}

const NO_UPVALUE: Malformed = Malformed::Invalid("no such upvalue");
