//! [`Variable`]: a captured variable of the main function, and whether it is assigned.

use super::{CapturedWrite, proto::Proto};

#[derive(Default)]
pub(super) struct Variable<'a> {
    pub(super) name: Option<&'a [u8]>,
    /// The line of the first assignment, if there is an assignment.
    pub(super) assigned: Option<Option<u32>>,
}

impl<'a> Variable<'a> {
    /// Those of the main function, of which nothing is known yet but the names.
    pub(super) fn all(main: &Proto<'a>) -> impl Iterator<Item = Self> {
        let name = |index| main.upvalue_names.get(index).copied().flatten();
        (0..main.origins.len()).map(move |index| Self { name: name(index), assigned: None })
    }

    pub(super) fn assign(&mut self, line: Option<u32>) {
        match &mut self.assigned {
            None => self.assigned = Some(line),
            // Nested functions are scanned after the one around them, and stand before the end of it.
            Some(first) => *first = (*first).min(line),
        }
    }

    pub(super) fn write(&self, upvalue: u8) -> Option<CapturedWrite> {
        self.assigned.map(|line| CapturedWrite { upvalue, name: self.name.map(text), line })
    }
}

/// Names in order, each once.
pub(super) fn sorted(mut names: Vec<&[u8]>) -> Vec<Box<[u8]>> {
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(Box::from).collect()
}

pub(super) fn text(bytes: &[u8]) -> Box<str> {
    String::from_utf8_lossy(bytes).into()
}
