//! [`Inbox`]: where the goroutines of a home state lie until they start.

use std::sync::Arc;

use super::post::Post;
use crate::raw::{Coroutine, Key, Kind, Stack};

/// The functions of goroutines that have not started, each with its arguments behind it, in one Lua table.
///
/// They are not put on coroutines at once: a goroutine that returns leaves its coroutine to the next one, so that thousands
/// that are started together may all run on one.
pub(super) struct Inbox {
    /// Where the registry keeps the table.
    table: Key,
    /// The first place that was never used.
    end: usize,
    /// Those that are free again, by [`Parcel::class`].
    free: Vec<Vec<usize>>,
}

/// A function and its arguments in the inbox. Given back when it is dropped, on whatever thread that is.
pub(crate) struct Parcel {
    pub(super) at: usize,
    /// How many values.
    pub(super) count: usize,
    pub(super) post: Arc<Post>,
}

impl Parcel {
    /// Where a goroutine goes whose function this is.
    pub(crate) fn post(&self) -> &Arc<Post> {
        &self.post
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        if self.count > 0 {
            self.post.free_parcel(self.at, self.count);
        }
    }
}

/// A place is as long as the next power of two: which one.
fn class(count: usize) -> usize {
    count.next_power_of_two().trailing_zeros() as usize
}

impl Inbox {
    /// With an empty table.
    pub(super) fn new(table: Key) -> Self {
        Self { table, end: 1, free: Vec::new() }
    }

    pub(super) fn table(&self) -> Key {
        self.table
    }

    /// A place for so many values.
    pub(super) fn take(&mut self, count: usize) -> usize {
        let class = class(count);
        self.free.get_mut(class).and_then(Vec::pop).unwrap_or_else(|| {
            self.end += 1 << class;
            self.end - (1 << class)
        })
    }

    /// Takes back a place that is empty.
    pub(super) fn give_back(&mut self, at: usize, count: usize) {
        let class = class(count);
        if self.free.len() <= class {
            self.free.resize_with(class + 1, Vec::new);
        }
        self.free[class].push(at);
    }
}

/// Copies the values on the stack to the places from `at` on. On top is the inbox's table.
pub(super) fn fill(stack: &mut Stack<'_>, at: usize) {
    let table = stack.top();
    for index in 1..table {
        if stack.kind(index) != Kind::Nil {
            stack.push_copy(index);
            stack.raw_set_index(table, at + index as usize - 1);
        }
    }
}

/// Empties a place of the table on top. If a coroutine is given, its values go there. False if they do not fit.
pub(super) fn empty(stack: &mut Stack<'_>, at: usize, count: usize, to: Option<Coroutine>) -> bool {
    let table = stack.top();
    let mut moved = true;
    for place in at..at + count {
        if stack.raw_get_index(table, place) != Kind::Nil {
            // This does not raise: the entry is there.
            stack.push_nil();
            stack.raw_set_index(table, place);
        }
        match to {
            Some(coroutine) if moved => moved = stack.move_to(coroutine, 1),
            _ => stack.pop(1),
        }
        if !moved {
            stack.truncate(table);
        }
    }
    moved
}
