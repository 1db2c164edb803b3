//! The objects that are open: each takes the values that come next, the innermost first, until it is complete.

use super::{Decoder, Malformed};
#[cfg(not(any(feature = "lua51", feature = "luajit")))]
use crate::packet::flag;
use crate::raw::Stack;

pub(super) enum Frame {
    /// `object`: its number. `instead`: the place among the objects of what is taken in its place; 0 for itself.
    Table {
        object: u32,
        at: i32,
        array: u32,
        filled: u32,
        hash: u32,
        metatable: bool,
        phase: Phase,
        instead: usize,
    },
    Function {
        object: u32,
        at: i32,
        next: u8,
        count: u8,
        environment: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    List,
    Key,
    Value,
    Metatable,
}

/// What the innermost open object takes next.
enum Wants {
    Value,
    Upvalue,
    Nothing,
}

impl Decoder<'_> {
    /// Reads one value with everything in it, and leaves it on top.
    pub(super) fn whole(&mut self, stack: &mut Stack<'_>) -> Result<(), Malformed> {
        if !self.value(stack)? {
            self.drain(stack, 0)?;
        }
        Ok(())
    }

    /// Reads until no more than `depth` objects are open; the outermost of those that were is left on top.
    pub(super) fn drain(&mut self, stack: &mut Stack<'_>, depth: usize) -> Result<(), Malformed> {
        while self.frames.len() > depth {
            self.plain_entries(stack)?;
            let complete = match self.wants() {
                Wants::Value => self.value(stack)?,
                Wants::Upvalue => self.upvalue(stack)?,
                Wants::Nothing => {
                    if let Some(Frame::Table { instead: 1.., .. }) = self.frames.last() {
                        self.take_instead(stack);
                    }
                    self.frames.pop();
                    self.frames.len() > depth
                }
            };
            if complete {
                self.accept(stack)?;
            }
        }
        Ok(())
    }

    fn wants(&mut self) -> Wants {
        match self.frames.last_mut() {
            None => Wants::Nothing,
            Some(Frame::Table { array, filled, hash, metatable, phase, .. }) => {
                if *phase == Phase::List && filled == array {
                    *phase = Phase::Key;
                }
                if *phase == Phase::Key && *hash == 0 {
                    *phase = Phase::Metatable;
                }
                if *phase == Phase::Metatable && !*metatable { Wants::Nothing } else { Wants::Value }
            }
            Some(Frame::Function { next, count, environment, .. }) => {
                if next < count {
                    Wants::Upvalue
                } else if *environment {
                    Wants::Value
                } else {
                    Wants::Nothing
                }
            }
        }
    }

    /// Gives the value on top to the innermost open object.
    fn accept(&mut self, stack: &mut Stack<'_>) -> Result<(), Malformed> {
        match self.frames.last_mut() {
            None => {}
            Some(Frame::Table { at, filled, hash, metatable, phase, .. }) => match *phase {
                Phase::List => {
                    *filled += 1;
                    stack.raw_set_index(*at, *filled as usize);
                }
                Phase::Key => *phase = Phase::Value,
                Phase::Value => {
                    *phase = Phase::Key;
                    *hash -= 1;
                    if !stack.raw_set(*at) && self.unresolved.is_none() {
                        return Err(Malformed::Key);
                    }
                }
                Phase::Metatable => {
                    *metatable = false;
                    if !stack.set_metatable(*at) && self.unresolved.is_none() {
                        return Err(Malformed::Metatable);
                    }
                }
            },
            Some(Frame::Function { at, next, count, environment, .. }) => {
                if next < count {
                    *next += 1;
                    if !stack.set_upvalue(*at, i32::from(*next)) {
                        return Err(Malformed::Upvalue(*next));
                    }
                } else {
                    *environment = false;
                    #[cfg(any(feature = "lua51", feature = "luajit"))]
                    stack.set_environment(*at);
                    #[cfg(not(any(feature = "lua51", feature = "luajit")))]
                    return Err(Malformed::Tag(flag::ENVIRONMENT));
                }
            }
        }
        Ok(())
    }
}
