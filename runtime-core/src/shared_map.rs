//! [`SharedMap`]: a table of values that tasks share.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

/// How many parts a map is locked in. A part is small change beside the values of a large map, and most maps are small.
const PARTS: usize = 4;

/// A table of values that tasks share. Clones are the same table. Each call is one step; nobody waits for anything, and
/// no lock is held while code of the caller's runs, or values are dropped.
///
/// **Changing what is there** goes by compare-and-retry: [`read`](Self::read) says which version it gives, and
/// [`replace`](Self::replace) does nothing if another has come meanwhile. Every value that is ever stored has a version of
/// its own, so one that has been there before is not taken for what was read.
///
/// ```
/// let map = runtime_core::SharedMap::new();
/// let adders: Vec<_> = (0..4).map(|_| { let map = map.clone(); std::thread::spawn(move || {
///     for _ in 0..100 {
///         map.update(&"count", |count| Some(count.unwrap_or(0) + 1));
///     }
/// }) }).collect();
/// for adder in adders {
///     adder.join().unwrap();
/// }
/// assert_eq!(map.get(&"count"), Some(400));
/// ```
pub struct SharedMap<K, V> {
    inner: Arc<Inner<K, V>>,
}

struct Inner<K, V> {
    entries: DashMap<K, (u64, V)>,
    versions: AtomicU64,
}

/// Which of the values that a key has had this is; that there is none is a version, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(u64);

impl Version {
    /// It as a number, from which [`from_number`](Self::from_number) makes it again.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The version of this number.
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }
}

/// That there is no value.
const ABSENT: Version = Version(0);

impl<K: Clone + Eq + Hash, V: Clone> SharedMap<K, V> {
    /// An empty table.
    pub fn new() -> Self {
        let entries = DashMap::with_shard_amount(PARTS);
        Self { inner: Arc::new(Inner { entries, versions: AtomicU64::new(0) }) }
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<V> {
        self.inner.entries.get(key).map(|entry| entry.1.clone())
    }

    /// Whether a key has a value.
    pub fn contains(&self, key: &K) -> bool {
        self.inner.entries.contains_key(key)
    }

    /// The value of a key, and its version.
    pub fn read(&self, key: &K) -> (Option<V>, Version) {
        match self.inner.entries.get(key) {
            Some(entry) => (Some(entry.1.clone()), Version(entry.0)),
            None => (None, ABSENT),
        }
    }

    /// Stores a value, or removes that of the key, and returns the one before.
    pub fn set(&self, key: K, value: Option<V>) -> Option<V> {
        let before = match value {
            Some(value) => self.inner.entries.insert(key, (self.next_version(), value)),
            None => self.inner.entries.remove(&key).map(|(_, before)| before),
        };
        before.map(|(_, before)| before)
    }

    /// Does the same if the key still has the value of this version.
    ///
    /// # Errors
    /// The value comes back if it has another.
    pub fn replace(&self, key: &K, version: Version, value: Option<V>) -> Result<(), Option<V>> {
        let next = self.next_version();
        // What goes is dropped when the entry's lock is released.
        let _before;
        match (self.inner.entries.entry(key.clone()), value) {
            (Entry::Occupied(mut entry), Some(value)) if entry.get().0 == version.0 => {
                _before = Some(entry.insert((next, value)));
            }
            (Entry::Occupied(entry), None) if entry.get().0 == version.0 => {
                _before = Some(entry.remove());
            }
            (Entry::Vacant(entry), Some(value)) if version == ABSENT => drop(entry.insert((next, value))),
            (Entry::Vacant(_), None) if version == ABSENT => {}
            (_, value) => return Err(value),
        }
        Ok(())
    }

    /// Changes the value of a key as one step. `change` may be called again, if another was faster.
    pub fn update(&self, key: &K, mut change: impl FnMut(Option<V>) -> Option<V>) {
        loop {
            let (value, version) = self.read(key);
            if self.replace(key, version, change(value)).is_ok() {
                return;
            }
        }
    }

    /// The value of a key, which is this one if it had none.
    pub fn get_or_insert(&self, key: K, value: V) -> V {
        match self.inner.entries.entry(key) {
            Entry::Occupied(entry) => entry.get().1.clone(),
            Entry::Vacant(entry) => entry.insert((self.next_version(), value)).1.clone(),
        }
    }

    /// All keys with their values. Each is one that the key has had during the call; it is not one instant for all.
    pub fn snapshot(&self) -> Vec<(K, V)> {
        self.inner.entries.iter().map(|entry| (entry.key().clone(), entry.value().1.clone())).collect()
    }

    /// How many keys have a value.
    pub fn len(&self) -> usize {
        self.inner.entries.len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.inner.entries.is_empty()
    }

    fn next_version(&self) -> u64 {
        self.inner.versions.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Clone for SharedMap<K, V> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K: Eq + Hash, V> fmt::Debug for SharedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedMap").field("len", &self.inner.entries.len()).finish_non_exhaustive()
    }
}
