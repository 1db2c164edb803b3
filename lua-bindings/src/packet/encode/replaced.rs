//! `__goroutine`: a metatable may say what is sent in the place of a value.
//!
//! The function is called where the value is met, so it runs Lua in the middle of a packet. It may do what it likes, also start
//! goroutines: the encoder holds nothing that another packet of this state needs. What it gives is kept until the packet
//! is complete. So the same value is replaced by the same one again, and no address is used twice.

use super::classes::{GOROUTINE, KEYS, REPLACED};
use super::{Encoder, Frame, Phase, Refusal};
use crate::object::Object;
use crate::raw::{Kind, Number, Stack};

/// How many values are replaced in one packet that lie within what was put in others' places: a function that gives
/// something with such a function each time would go on until memory ends.
const MOST_WITHIN: u32 = 250_000;

impl Encoder<'_> {
    /// Puts what is to be sent into the place of the value on top, if its metatable says so, and writes that. What is
    /// written so is not replaced again.
    pub(super) fn replaced(&mut self, stack: &mut Stack<'_>) -> Result<bool, Refusal> {
        if !stack.push_metatable(-1) {
            return Ok(false);
        }
        let at = stack.top() - 1;
        self.push_field(stack, at + 1, GOROUTINE);
        stack.remove(at + 1);
        if stack.kind(at + 1) != Kind::Function || !stack.reserve(8) {
            stack.pop(1);
            return Ok(false);
        }
        let memory = self.table_at(stack, REPLACED);
        stack.push_copy(at);
        stack.raw_get(memory);
        if stack.kind(-1) == Kind::Nil {
            stack.pop(1);
            if self.replaced_from.is_some() {
                self.replaced_within += 1;
                if self.replaced_within > MOST_WITHIN {
                    let message = format!(
                        "more than {MOST_WITHIN} values within what such functions have given have one in turn"
                    );
                    stack.push_bytes(message.as_bytes());
                    return Err(self.replacing_failed(stack));
                }
            }
            stack.push_copy(at);
            if !stack.try_call(1, 1) {
                return Err(self.replacing_failed(stack));
            }
            stack.push_copy(at);
            stack.push_copy(if stack.kind(at + 1) == Kind::Nil { memory } else { at + 1 });
            stack.raw_set(memory);
        } else {
            stack.replace(at + 1);
            if stack.same(at + 1, memory) {
                stack.push_nil(); // the table itself stands for nil
                stack.replace(at + 1);
            }
        }
        if let Some(&Frame::Table { at: table, phase: Phase::Value, .. }) = self.scratch.frames.last() {
            let no_key: Option<&[u8]> = match stack.kind(at + 1) {
                Kind::Nil => Some(b"it gave nil for a key"),
                Kind::Number => match stack.number(at + 1) {
                    Number::Float(value) if value.is_nan() => Some(b"it gave NaN for a key"),
                    _ => None,
                },
                _ => None,
            };
            let no_key = match no_key {
                None if self.is_another_key(stack, table) => {
                    Some(&b"it gave for a key what another key of the table is, or becomes"[..])
                }
                no_key => no_key,
            };
            if let Some(why) = no_key {
                stack.push_bytes(why);
                return Err(self.replacing_failed(stack));
            }
        }
        stack.replace(at);
        let (around, open) = (self.replaced_from, self.scratch.frames.len());
        self.replaced_from = around.or(Some(open));
        self.replacement = true;
        let written = self.value(stack);
        self.replacement = false;
        if self.scratch.frames.len() == open {
            self.replaced_from = around;
        }
        written.map(|()| true)
    }

    /// Whether what stands above the key of an entry of the table at `table`, and is to be sent in its place, is another key of
    /// that table over there.
    fn is_another_key(&mut self, stack: &mut Stack<'_>, table: i32) -> bool {
        let (key, by) = (stack.top() - 1, stack.top());
        if !stack.reserve(8) {
            return false;
        }
        // One that stands in the table, unless it is replaced itself: then what it becomes is looked at when it is met.
        let mut another = false;
        if !stack.same(key, by) {
            stack.push_copy(by);
            stack.raw_get(table);
            another = stack.kind(-1) != Kind::Nil;
            stack.pop(1);
            another = another && !self.will_be_replaced(stack, by);
        }
        // Or one that another key has become.
        let keys = self.table_at(stack, KEYS);
        stack.push_copy(table);
        stack.raw_get(keys);
        if stack.kind(-1) != Kind::Table {
            stack.pop(1);
            stack.push_table(0, 1);
            stack.push_copy(table);
            stack.push_copy(-2);
            stack.raw_set(keys);
        }
        stack.push_copy(by);
        stack.raw_get(by + 1);
        another |= stack.kind(-1) != Kind::Nil;
        stack.pop(1);
        stack.push_copy(by);
        stack.push_boolean(true);
        stack.raw_set(by + 1);
        stack.pop(1);
        another
    }

    /// Whether something else is sent in the place of the value at `index`, where it stands for itself.
    fn will_be_replaced(&mut self, stack: &mut Stack<'_>, index: i32) -> bool {
        if !matches!(stack.kind(index), Kind::Table | Kind::Userdata) || !stack.push_metatable(index) {
            return false;
        }
        let metatable = stack.top();
        self.push_field(stack, metatable, GOROUTINE);
        let mut replaced = stack.kind(-1) == Kind::Function;
        if stack.kind(index) == Kind::Userdata {
            // One of the embedder's types may be sent as it is.
            replaced &= self.state.system.foreign.is_empty();
        } else if replaced {
            // Classes are not, nor what travels by name.
            replaced = !stack.same(metatable, index) && !self.has_index(stack, index);
            stack.push_copy(index);
            stack.raw_get(self.named());
            replaced &= stack.kind(-1) == Kind::Nil;
        }
        stack.truncate(metatable - 1);
        replaced
    }

    /// The refusal for the error on top, above what was to be replaced.
    fn replacing_failed(&mut self, stack: &mut Stack<'_>) -> Refusal {
        let top = stack.top();
        if matches!(stack.object(top), Some(Object::Cancelled(_))) && self.state.was_cancelled() {
            return Refusal::Cancelled;
        }
        if stack.push_failure_text(top) {
            stack.replace(top);
        }
        let kind = stack.kind(top);
        // An error that is an object says itself what it means.
        if !matches!(kind, Kind::String | Kind::Number) && stack.push_metafield(top, c"__tostring") {
            stack.push_copy(top);
            if stack.try_call(1, 1) && stack.kind(-1) == Kind::String {
                stack.replace(top);
            }
            stack.truncate(top);
        }
        let message = match stack.kind(top) {
            Kind::String => crate::fault::clean(&String::from_utf8_lossy(stack.bytes(top))),
            _ => format!("(error object is a {} value)", format!("{kind:?}").to_lowercase()),
        };
        let leaving = self.roots.leave();
        Refusal::Replacing { path: self.path(stack), message, leaving }
    }
}
