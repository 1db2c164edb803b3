//! Classes that arrive. [`crate::packet::classes`] tells what they are.

use super::{CLASSES, Decoder, Malformed, NAMED, OBJECTS, REGISTRY, VITALS};
use crate::packet::classes::{Mark, class_id, push_class_id};
use crate::packet::likeness::Places;
use crate::packet::read::Reader;
use crate::packet::{Flat, Reference};
use crate::raw::{Kind, Number, Stack};
use crate::state::vital;

impl<'a> Decoder<'a> {
    /// Sees to it that the receiver has the classes that the packet refers to, and keeps them at hand.
    pub(super) fn definitions(&mut self, stack: &mut Stack<'_>, flat: &'a Flat) -> Result<(), Malformed> {
        let classes =
            flat.references.iter().filter(|reference| matches!(reference, Reference::Class(..))).count();
        self.have_registry(stack)?;
        self.one_class = classes == 1;
        if !self.one_class {
            stack.push_table(flat.references.len() as i32, 0);
            stack.replace(CLASSES);
        }
        for (number, reference) in flat.references.iter().enumerate() {
            let Reference::Class(id, definition) = reference else {
                continue;
            };
            let below = stack.top();
            push_class(stack, *id);
            if stack.kind(-1) == Kind::Nil {
                stack.pop(1);
                self.open_packet(stack, &definition.flat);
                self.body(stack)?;
                push_class(stack, *id);
            }
            if stack.kind(-1) != Kind::Table {
                return Err(Malformed::NoReference(number as u64));
            }
            if self.one_class {
                stack.replace(CLASSES);
            } else {
                stack.raw_set_index(CLASSES, number + 1);
            }
            let over = stack.top() - below;
            stack.pop(over);
        }
        Ok(())
    }

    /// Makes this the packet that is read, from its beginning.
    pub(super) fn open_packet(&mut self, stack: &mut Stack<'_>, flat: &'a Flat) {
        self.open = flat;
        self.input = Reader::new(&flat.bytes);
        self.room = flat.bytes.len();
        self.references = &flat.references;
        self.marks = &flat.marks;
        self.objects = 0;
        self.kept.clear();
        stack.push_nil();
        stack.replace(OBJECTS);
    }

    /// Pushes the class with this number in the side list.
    pub(super) fn class(&mut self, stack: &mut Stack<'_>, number: u64) -> Result<(), Malformed> {
        let place = usize::try_from(number).map_err(|_| Malformed::NoReference(number))?;
        if !matches!(self.references.get(place), Some(Reference::Class(..)))
            || stack.kind(CLASSES) != Kind::Table
        {
            return Err(Malformed::NoReference(number));
        }
        if self.one_class {
            stack.push_copy(CLASSES);
        } else {
            stack.raw_get_index(CLASSES, place + 1);
        }
        Ok(())
    }

    /// The table on top, which was just made, is going to be a class. If the receiver has it already, says so with the place of
    /// the receiver's own among the objects; else it is the receiver's now.
    pub(super) fn class_arrives(&mut self, stack: &mut Stack<'_>, mark: Mark) -> Result<usize, Malformed> {
        let Mark { id, likeness, .. } = mark;
        self.have_registry(stack)?;
        push_class(stack, id);
        if stack.kind(-1) == Kind::Table {
            if !self.is_the_same(stack, id, likeness)? {
                stack.pop(1);
                stack.raw_get_index(VITALS, vital::ECHOES);
                let echoes = stack.top();
                stack.push_copy(-2);
                stack.push_number(Number::Integer(id as i64));
                stack.raw_set(echoes);
                stack.pop(1);
                return Ok(0);
            }
            self.make_objects(stack);
            let place = self.objects as usize;
            stack.raw_set_index(OBJECTS, place);
            self.kept.push(self.objects - 1);
            return Ok(place);
        }
        stack.pop(1);
        // It may be reached by nothing that arrives, if the receiver's own classes are in the places of those that reach it:
        // then only this keeps it until it is looked for.
        self.make_objects(stack);
        stack.push_copy(-1);
        stack.raw_set_index(OBJECTS, self.objects as usize);
        self.have_named(stack);
        self.state.add_named(stack.address(-1));
        push_class_id(stack, id, false);
        stack.push_copy(-2);
        stack.raw_set(REGISTRY);
        stack.push_copy(-1);
        push_class_id(stack, id, likeness.is_some());
        stack.raw_set(NAMED);
        Ok(0)
    }

    /// Whether the receiver's own class of this id, which is on top, takes the place of the one that arrives.
    fn is_the_same(
        &mut self,
        stack: &mut Stack<'_>,
        id: u64,
        likeness: Option<u64>,
    ) -> Result<bool, Malformed> {
        if !stack.reserve(16) {
            return Err(Malformed::of_stack(stack.top(), self.state));
        }
        let own = stack.top();
        self.have_named(stack);
        stack.push_copy(own);
        stack.raw_get(NAMED);
        let only_looks = class_id(stack).is_some_and(|(_, looks)| looks);
        stack.pop(1);
        let Some(likeness) = likeness.filter(|_| only_looks) else {
            if only_looks {
                // From now on it is a class here as well.
                stack.push_copy(own);
                push_class_id(stack, id, false);
                stack.raw_set(NAMED);
            }
            return Ok(true);
        };
        stack.raw_get_index(VITALS, vital::CODES);
        stack.push_globals();
        self.state.push_environment_if_made(stack);
        let places = Places { named: NAMED, codes: own + 1, globals: [stack.address(-2), stack.address(-1)] };
        let likenesses = self.likenesses.get_or_insert_default();
        let same = likenesses.of(stack, self.state, &places, own) == Some(likeness);
        stack.truncate(own);
        Ok(same)
    }

    /// Puts the running goroutine's classes into their place, if they are not there.
    fn have_registry(&mut self, stack: &mut Stack<'_>) -> Result<(), Malformed> {
        if stack.kind(REGISTRY) == Kind::Nil {
            let pushed = self.state.push_classes(stack, self.lua);
            pushed.map_err(|error| Malformed::Name(error.to_string()))?;
            stack.replace(REGISTRY);
        }
        Ok(())
    }

    /// The same for the names and ids of values.
    fn have_named(&mut self, stack: &mut Stack<'_>) {
        if stack.kind(NAMED) == Kind::Nil {
            stack.raw_get_index(VITALS, vital::NAMED);
            stack.replace(NAMED);
        }
    }
}

/// Pushes the receiver's class of this id, or nil.
fn push_class(stack: &mut Stack<'_>, id: u64) {
    push_class_id(stack, id, false);
    stack.raw_get(REGISTRY);
}
