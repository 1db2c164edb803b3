//! [`Kept`]: Lua values that stay in the home state, with who needs them elsewhere.

use std::sync::{Arc, OnceLock};

use super::post::Post;
use crate::packet::Packet;

/// What a goroutine of a home state has left on the stack of its coroutine: its results, or its error.
///
/// They are reached in that state alone ([`Local::push_kept`](super::Local::push_kept)); for others there is a copy, once the
/// goroutine's handle has gone elsewhere. The coroutine is let go when this is dropped, on whatever thread that is.
pub(crate) struct Kept {
    pub(super) slot: usize,
    pub(super) post: Arc<Post>,
    copy: OnceLock<Result<Packet, String>>,
}

impl Kept {
    pub(super) fn new(slot: usize, post: Arc<Post>) -> Self {
        Self { slot, post, copy: OnceLock::new() }
    }

    /// The copy for other states, once there is one, or why there can be none.
    pub(crate) fn copy(&self) -> Option<&Result<Packet, String>> {
        self.copy.get()
    }

    pub(super) fn set_copy(&self, copy: Result<Packet, String>) {
        let _ = self.copy.set(copy);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.post.free_slot(self.slot);
    }
}
