//! [`SharedTable`]: a table that goroutines share.

use std::cell::RefCell;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use runtime_core::SharedMap;

use crate::object::Object;
use crate::packet::{Packet, Plain};

/// A key, as Lua tells keys apart: a float without a fraction is an integer.
#[derive(Clone)]
pub(crate) enum Key {
    Boolean(bool),
    Integer(i64),
    /// The bits of a float that is no integer, and not NaN.
    Float(u64),
    Bytes(Arc<[u8]>),
    Object(Object),
}

/// A value, ready to be had in any state.
#[derive(Clone)]
pub(crate) enum Stored {
    /// Without contents, and not nil.
    Plain(Plain),
    Table(Arc<SharedTable>),
    /// Anything else: a copy is made of it each time.
    Packet(Arc<Packet>),
}

/// A value, and who has stored it: see [`State::writer`](crate::state::State::writer).
#[derive(Clone)]
pub(crate) struct Written {
    pub(crate) value: Stored,
    pub(crate) by: u64,
}

/// A table that goroutines share. No lock of its is held while Lua runs.
#[derive(Default)]
pub(crate) struct SharedTable {
    pub(crate) map: SharedMap<Key, Written>,
    /// Where the list part was last found to end: where looking for its end begins.
    end: AtomicI64,
}

impl SharedTable {
    /// How long the list part is: a border, as Lua's `#` gives. With holes any of them.
    pub(crate) fn border(&self) -> i64 {
        let has = |index: i64| self.map.contains(&Key::Integer(index));
        let mut low = self.end.load(Ordering::Relaxed);
        if low > 0 && !has(low) {
            // Something was taken off the end: mostly it has not moved far.
            let mut step = 1;
            let mut high = low;
            loop {
                low = high.saturating_sub(step).max(0);
                if low == 0 || has(low) {
                    break;
                }
                high = low;
                step = step.saturating_mul(2);
            }
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                if has(middle) { low = middle } else { high = middle }
            }
        } else {
            while has(low + 1) {
                low += 1;
            }
        }
        self.end.store(low, Ordering::Relaxed);
        low
    }

    /// Adds a value behind the list part; at which place.
    pub(crate) fn append(&self, value: &Written) -> i64 {
        loop {
            let place = self.border() + 1;
            let (before, version) = self.map.read(&Key::Integer(place));
            if before.is_none()
                && self.map.replace(&Key::Integer(place), version, Some(value.clone())).is_ok()
            {
                self.end.store(place, Ordering::Relaxed);
                return place;
            }
        }
    }
}

thread_local! {
    /// What is still to be dropped, while something is: tables may lie within each other to any depth.
    static DROPPED: RefCell<Option<Vec<Arc<SharedTable>>>> = const { RefCell::new(None) };
}

impl Drop for SharedTable {
    fn drop(&mut self) {
        let inside = self.map.snapshot().into_iter().filter_map(|(_, written)| match written.value {
            Stored::Table(table) => Some(table),
            _ => None,
        });
        let inside: Vec<_> = inside.collect();
        if inside.is_empty() {
            return;
        }
        // From now on they are in the list alone, not in this table, which lets them go where it stands.
        self.map = SharedMap::new();
        let first = DROPPED.try_with(|dropped| match &mut *dropped.borrow_mut() {
            Some(waiting) => {
                waiting.extend(inside);
                false
            }
            none => {
                *none = Some(inside);
                true
            }
        });
        if first == Ok(true) {
            let next = || DROPPED.try_with(|dropped| dropped.borrow_mut().as_mut().and_then(Vec::pop));
            while let Ok(Some(table)) = next() {
                drop(table);
            }
            let _ = DROPPED.try_with(|dropped| dropped.borrow_mut().take());
        }
    }
}

impl Key {
    /// The key for a float.
    pub(crate) fn float(value: f64) -> Self {
        let fits = value.fract() == 0.0
            && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value);
        if fits { Self::Integer(value as i64) } else { Self::Float(value.to_bits()) }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Object(a), Self::Object(b)) => a.key() == b.key(),
            _ => false,
        }
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Boolean(value) => value.hash(state),
            Self::Integer(value) => value.hash(state),
            Self::Float(bits) => bits.hash(state),
            Self::Bytes(bytes) => bytes.hash(state),
            Self::Object(object) => object.key().hash(state),
        }
    }
}
