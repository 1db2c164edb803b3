//! [`Bytes`]: what packets consist of. [`Spare`]: the memory of large ones, which is used again.
//!
//! A large packet is freed by another thread than made it, and its memory goes back to the system; the next one gets pages
//! that the kernel has to clear first, which takes about as long as to copy the string. So whoever drops a large packet gives its
//! memory back to the state that made it, which keeps that of one, for a while.

use std::ops::Deref;
use std::sync::Arc;

use parking_lot::Mutex;
use smallvec::SmallVec;

/// From this size on a packet is large.
pub(super) const LARGE: usize = 1 << 20;

/// More than so many bytes are not kept.
const MOST: usize = 1 << 25;

/// The bytes of a packet. Those of most goroutines fit: then the packet is one allocation.
#[derive(Default)]
pub(super) struct Bytes {
    bytes: SmallVec<[u8; 48]>,
    /// Where the memory goes when it is dropped.
    spare: Option<Arc<Spare>>,
}

impl Bytes {
    /// Those of a packet that takes its memory along.
    pub(super) fn from_vec(bytes: Vec<u8>, spare: &Arc<Spare>) -> Self {
        let spare = (LARGE..=MOST).contains(&bytes.capacity()).then(|| Arc::clone(spare));
        Self { bytes: bytes.into(), spare }
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self { bytes: SmallVec::from_slice(bytes), spare: None }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes: bytes.into(), spare: None }
    }
}

impl Clone for Bytes {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), spare: None }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        if let Some(spare) = self.spare.take() {
            spare.give(std::mem::take(&mut self.bytes).into_vec());
        }
    }
}

/// Memory for the next large packet of one state.
#[derive(Default)]
pub(crate) struct Spare(Mutex<Vec<u8>>);

impl Spare {
    /// What there is, empty.
    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock())
    }

    fn give(&self, mut bytes: Vec<u8>) {
        bytes.clear();
        let mut kept = self.0.lock();
        if kept.capacity() < bytes.capacity() {
            std::mem::swap(&mut *kept, &mut bytes);
        }
        drop(kept); // before the memory is freed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_large_packet_comes_back_and_that_of_others_does_not() {
        let spare = Arc::new(Spare::default());
        let large = Bytes::from_vec(vec![1; LARGE], &spare);
        let copy = large.clone();
        drop(large);
        let back = spare.take();
        assert!(back.is_empty() && back.capacity() >= LARGE);
        drop(copy);
        drop(Bytes::from_vec(vec![1; LARGE / 2], &spare));
        drop(Bytes::from_vec(vec![1; MOST + 1], &spare));
        drop(Bytes::from(vec![1; LARGE]));
        assert_eq!(spare.take().capacity(), 0);
    }

    #[test]
    fn of_two_the_larger_is_kept() {
        let spare = Arc::new(Spare::default());
        drop(Bytes::from_vec(vec![1; LARGE], &spare));
        drop(Bytes::from_vec(vec![1; 3 * LARGE], &spare));
        drop(Bytes::from_vec(vec![1; 2 * LARGE], &spare));
        assert!(spare.take().capacity() >= 3 * LARGE);
    }
}
