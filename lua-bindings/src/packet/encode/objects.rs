//! Tables and functions: opened, written piece by piece, and closed; what lies too deep is put off.

use std::sync::Arc;

use super::refusal::{Refusal, refuse_captured_writes};
use super::scratch::{Frame, Origin, Phase, Seen};
use super::{Encoder, is_index};
use crate::code::Code;
use crate::packet::{MAX_DEPTH, flag, tag};
use crate::raw::{Kind, Stack};

impl Encoder<'_> {
    pub(super) fn open_or_defer(
        &mut self,
        stack: &mut Stack<'_>,
        address: usize,
        code: Option<Arc<Code>>,
    ) -> Result<(), Refusal> {
        if self.scratch.frames.len() >= MAX_DEPTH {
            return self.defer(stack, address);
        }
        self.open(stack, false, code)
    }

    pub(super) fn enter(&mut self, address: usize) -> u32 {
        let number = self.scratch.order.len() as u32;
        self.scratch.order.push(address);
        self.scratch.seen.insert(address, Seen { number, flags: self.out.len() });
        number
    }

    /// Mentions the object on top, to be described by a record of its own, and pops it.
    pub(super) fn defer(&mut self, stack: &mut Stack<'_>, address: usize) -> Result<(), Refusal> {
        if stack.kind(self.later_table()) == Kind::Nil {
            stack.push_table(16, 0);
            stack.replace(self.later_table());
        }
        self.out.push(tag::LATER);
        // The receiver always remembers these; the byte is there so that marking it as shared hits nothing else.
        let number = self.enter(address);
        self.out.push(flag::SHARED);
        if stack.kind(-1) == Kind::Function {
            let code = self.code(stack)?;
            self.out.push(tag::FUNCTION);
            let code = self.code_number(code);
            self.varint(u64::from(code));
        } else {
            self.out.push(tag::TABLE);
        }
        self.scratch.later.push(number);
        if self.replaced_from.is_some() {
            self.scratch.later_replaced.insert(number);
        }
        stack.raw_set_index(self.later_table(), self.scratch.later.len());
        Ok(())
    }

    /// Starts the description of the object on top. `deferred`: it has been mentioned already. `code`: that of the function,
    /// if it was looked up.
    pub(super) fn open(
        &mut self,
        stack: &mut Stack<'_>,
        deferred: bool,
        code: Option<Arc<Code>>,
    ) -> Result<(), Refusal> {
        let at = stack.top();
        let address = stack.address(-1);
        if stack.kind(-1) == Kind::Table {
            self.out.push(tag::TABLE);
            if !deferred {
                self.enter(address);
            }
            let header = self.out.len();
            self.out.extend_from_slice(&[0; 9]);
            stack.push_nil();
            let phase = Phase::Entry;
            self.scratch.frames.push(Frame::Table { at, header, array: 0, hash: 0, listing: true, phase });
        } else {
            let code = match code {
                Some(code) => code,
                None => self.code(stack)?,
            };
            if matches!(self.origin, Origin::Root(root) if root == self.started)
                && self.scratch.frames.is_empty()
                && !deferred
            {
                refuse_captured_writes(&code)?;
            }
            self.wanted_globals(stack, &code);
            self.out.push(tag::FUNCTION);
            if !deferred {
                self.enter(address);
            }
            let mut flags = 0;
            let environment = self.own_environment(stack);
            if environment {
                flags |= flag::ENVIRONMENT;
            }
            self.out.push(flags);
            let number = self.code_number(code);
            self.varint(u64::from(number));
            let mut count = 0;
            while count < u8::MAX && stack.push_upvalue(at, i32::from(count) + 1) {
                stack.pop(1);
                count += 1;
            }
            self.out.push(count);
            self.scratch.frames.push(Frame::Function { at, address, next: 0, count, environment });
        }
        Ok(())
    }

    /// Goes on with the innermost open object.
    pub(super) fn step(&mut self, stack: &mut Stack<'_>) -> Result<(), Refusal> {
        let at = match self.scratch.frames.last() {
            Some(&Frame::Table { at, phase: Phase::Entry, .. }) => Some(at),
            _ => None,
        };
        let more = at.is_some_and(|at| self.plain_entries(stack, at));
        match self.scratch.frames.last_mut() {
            None => Ok(()),
            Some(Frame::Table { at, header, array, hash, listing, phase }) => match *phase {
                Phase::Entry => {
                    let at = *at;
                    if more {
                        if *listing && is_index(stack, *array) {
                            *array += 1;
                            return self.value(stack);
                        }
                        *listing = false;
                        *hash += 1;
                        *phase = Phase::Value;
                        stack.push_copy(-2);
                        if stack.kind(-1) != Kind::String {
                            return self.value(stack);
                        }
                        self.plain(stack, -1, true);
                        stack.pop(1);
                        self.after_key(stack, at);
                        return Ok(());
                    }
                    let (header, array, hash) = (*header, *array, *hash);
                    *phase = Phase::Metatable;
                    self.out[header + 1..header + 5].copy_from_slice(&array.to_le_bytes());
                    self.out[header + 5..header + 9].copy_from_slice(&hash.to_le_bytes());
                    if stack.push_metatable(at) {
                        self.out[header] |= flag::METATABLE;
                        return self.metatable(stack);
                    }
                    Ok(())
                }
                Phase::Value => {
                    *phase = Phase::Entry;
                    self.value(stack)
                }
                Phase::Metatable => self.close(stack),
            },
            Some(Frame::Function { at, address, next, count, environment }) => {
                if *next == *count {
                    let own = std::mem::take(environment);
                    let at = *at;
                    return if own { self.environment(stack, at) } else { self.close(stack) };
                }
                *next += 1;
                let (at, address, n) = (*at, *address, *next);
                self.upvalue(stack, at, address, n)
            }
        }
    }

    pub(super) fn close(&mut self, stack: &mut Stack<'_>) -> Result<(), Refusal> {
        stack.pop(1);
        self.scratch.frames.pop();
        if self.replaced_from == Some(self.scratch.frames.len()) {
            self.replaced_from = None;
        }
        Ok(())
    }
}
