//! What is left to chance.

/// Brings a few items into an order in which each is as likely to come first as any other.
#[cfg(not(loom))]
pub(crate) fn shuffle<T>(items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(last as u64 + 1) as usize);
    }
}

/// Loom has to find the same steps each time.
#[cfg(loom)]
pub(crate) fn shuffle<T>(_items: &mut [T]) {}

/// A number less than `limit`, from a generator of this thread (Marsaglia's xorshift, with a multiplication).
#[cfg(not(loom))]
fn below(limit: u64) -> u64 {
    use std::cell::Cell;
    use std::hash::{BuildHasher, RandomState};

    thread_local! {
        // Anything but 0, which it would never leave.
        static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(0) | 1);
    }
    let next = |state: &Cell<u64>| {
        let mut x = state.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        state.set(x);
        x.wrapping_mul(0x2545_F491_4F6C_DD1D)
    };
    // In a thread whose thread-locals are gone chance has to do without.
    let drawn = STATE.try_with(next).unwrap_or(0);
    ((u128::from(drawn) * u128::from(limit)) >> 64) as u64
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::shuffle;

    #[test]
    fn each_is_as_likely_to_come_first() {
        let mut first = [0_u32; 5];
        for _ in 0..50_000 {
            let mut order = [0, 1, 2, 3, 4];
            shuffle(&mut order);
            first[order[0]] += 1;
        }
        // 10,000 expected, with a standard deviation of 90.
        assert!(first.iter().all(|count| (9_300..=10_700).contains(count)), "{first:?}");
    }
}
