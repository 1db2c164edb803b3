//! Bytes that no compiler wrote: an error or a wrong answer, soon, and never a panic.

use std::time::{Duration, Instant};

use super::version::{ALL, Version};
use super::{Random, analyse};

/// Dumps of a version, whole and stripped, as many as there is time for.
fn some_dumps(version: &Version, of: usize) -> Vec<&'static [u8]> {
    let dumped = version.all_dumped().into_iter().step_by(of);
    dumped.flat_map(|dumped| [dumped.whole, dumped.stripped]).filter(|dump| dump.len() < 2000).collect()
}

#[test]
fn the_beginning_of_a_dump_is_not_taken_for_a_dump() {
    for version in ALL {
        for dump in some_dumps(version, 3) {
            assert!(analyse(dump).is_ok());
            for len in 0..dump.len() {
                assert!(analyse(&dump[..len]).is_err(), "{}: {len} of {} bytes", version.name, dump.len());
            }
            assert!(analyse(&[dump, &[0]].concat()).is_err(), "{}", version.name);
        }
    }
}

#[test]
fn a_changed_byte_never_panics_and_takes_no_longer() {
    for (version, seed) in ALL.iter().zip(1..) {
        let dumps = some_dumps(version, 1);
        let mut random = Random(seed * 0x60_7075_7469_6e65);
        let begin = Instant::now();
        let mut refused = 0;
        for _ in 0..10_000 {
            let mut dump = dumps[random.below(dumps.len())].to_vec();
            for _ in 0..=random.below(3) {
                let at = random.below(dump.len());
                dump[at] = random.below(256) as u8;
            }
            refused += usize::from(analyse(&dump).is_err());
        }
        assert!(refused > 1000, "{}: {refused}", version.name);
        assert!(begin.elapsed() < Duration::from_secs(60), "{}: {:?}", version.name, begin.elapsed());
    }
}

#[test]
fn a_number_that_is_as_large_as_can_be_costs_nothing() {
    for version in ALL {
        let begin = Instant::now();
        for dump in some_dumps(version, 8) {
            for at in 0..dump.len() {
                for (byte, len) in [(0xff, 1), (0xff, 4), (0xff, 8), (0x7f, 1), (0x7f, 4)] {
                    let mut dump = dump.to_vec();
                    dump[at..].iter_mut().take(len).for_each(|changed| *changed = byte);
                    let _ = analyse(&dump);
                    // The highest bits of a number, without those that make it negative.
                    dump.get_mut(at + 3).into_iter().for_each(|changed| *changed = 0x7f);
                    let _ = analyse(&dump);
                }
            }
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{}: {:?}", version.name, begin.elapsed());
    }
}

#[test]
fn bytes_at_random_after_a_good_header_never_panic() {
    let mut random = Random(7);
    for version in ALL {
        let dump = some_dumps(version, 1)[0];
        for _ in 0..5_000 {
            let mut dump = dump[..34.min(dump.len())].to_vec();
            // Small numbers are counts that can be met; others mostly end the game at once.
            dump.extend((0..random.below(200)).map(|_| match random.below(3) {
                0 => random.below(256) as u8,
                1 => 0,
                _ => random.below(8) as u8,
            }));
            let _ = analyse(&dump);
        }
    }
}
