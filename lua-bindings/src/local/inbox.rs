//! [`Inbox`]: where the goroutines of a home state lie until they start.

use std::sync::Arc;

use super::post::Post;
use crate::raw::{Coroutine, Key, Kind, Stack};
use crate::state::{State, vital};

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

    /// One without a function.
    pub(super) fn nothing(post: &Arc<Post>) -> Self {
        Self { at: 0, count: 0, post: Arc::clone(post) }
    }

    /// Nobody will start what is in it.
    pub(super) fn let_go(&mut self) {
        if self.count > 0 {
            self.post.free_parcel(self.at, std::mem::take(&mut self.count));
        }
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// A place is as long as the next power of two: which one.
fn class(count: usize) -> usize {
    count.next_power_of_two().trailing_zeros() as usize
}

impl Inbox {
    /// With an empty table.
    pub(super) fn new(table: Key) -> Self {
        Self { table, end: HANDLER + 1, free: Vec::new() }
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

/// Copies the first `count` values on the stack to the places from `at` on. On top is the inbox's table.
pub(super) fn fill(stack: &mut Stack<'_>, at: usize, count: i32) {
    let table = stack.top();
    for index in 1..=count {
        if stack.kind(index) != Kind::Nil {
            stack.push_copy(index);
            stack.raw_set_index(table, at + index as usize - 1);
        }
    }
}

/// Where the table has what every goroutine's function is run by, and the error handler ([`vital::XPCALL`]). Nil in Lua 5.1.
const XPCALL: usize = 1;
const HANDLER: usize = 2;

/// Puts them into the table, which is on top.
pub(super) fn set_runner(stack: &mut Stack<'_>, state: &State) {
    let table = stack.top();
    state.push_vitals(stack);
    for (from, to) in [(vital::XPCALL, XPCALL), (vital::HANDLER, HANDLER)] {
        stack.raw_get_index(table + 1, from);
        stack.raw_set_index(table, to);
    }
    stack.pop(1);
}

/// So many arguments are moved at once.
const LOT: usize = 8;
/// For those, the table, the function, what it is run by, and the handler.
pub(super) const ROOM: i32 = LOT as i32 + 4;

/// Moves a function and its arguments, with what the function is run by, from their place in the table, which is on top, to a
/// coroutine. False if they do not fit there. This does not raise.
pub(super) fn unpack(stack: &mut Stack<'_>, at: usize, count: usize, to: Coroutine) -> bool {
    let table = stack.top();
    if stack.raw_get_index(table, XPCALL) != Kind::Function {
        stack.pop(1);
    }
    stack.raw_get_index(table, at);
    if stack.top() > table + 1 {
        stack.raw_get_index(table, HANDLER);
    }
    let mut moved = true;
    let mut next = 1;
    loop {
        let end = count.min(next + LOT);
        while next < end {
            stack.raw_get_index(table, at + next);
            next += 1;
        }
        let values = stack.top() - table;
        moved = moved && stack.move_to(to, values);
        stack.truncate(table);
        if next == count {
            break;
        }
    }
    clear(stack, at, count);
    moved
}

/// Empties a place of the table on top. This does not raise.
pub(super) fn clear(stack: &mut Stack<'_>, at: usize, count: usize) {
    let table = stack.top();
    for place in at..at + count {
        // What is nil has no entry, and must not get one.
        let is_nil = place > at && stack.raw_get_index(table, place) == Kind::Nil;
        stack.truncate(table);
        if !is_nil {
            stack.push_nil();
            stack.raw_set_index(table, place);
        }
    }
}
