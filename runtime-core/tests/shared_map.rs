//! What a shared map promises.

use std::thread;

use runtime_core::SharedMap;

#[test]
fn a_value_that_has_been_there_before_is_not_taken_for_what_was_read() {
    let map = SharedMap::new();
    map.set("key", Some(1));
    let (read, version) = map.read(&"key");
    assert_eq!(read, Some(1));
    map.set("key", Some(2));
    map.set("key", Some(1));
    assert_eq!(map.replace(&"key", version, Some(3)), Err(Some(3)));
    assert_eq!(map.get(&"key"), Some(1));
    let (_, version) = map.read(&"key");
    assert_eq!(map.replace(&"key", version, None), Ok(()));
    assert_eq!((map.get(&"key"), map.len()), (None, 0));
    let (_, absent) = map.read(&"key");
    assert_eq!(map.replace(&"key", absent, Some(4)), Ok(()));
    assert_eq!(map.replace(&"key", absent, Some(5)), Err(Some(5)));
    assert_eq!(map.get_or_insert("key", 6), 4);
}

#[test]
fn updates_of_many_threads_are_all_there() {
    let map = SharedMap::new();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let map = map.clone();
            thread::spawn(move || {
                for n in 0..5000 {
                    map.update(&(n % 3), |count: Option<u32>| Some(count.unwrap_or(0) + 1));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let total: u32 = map.snapshot().into_iter().map(|(_, count)| count).sum();
    assert_eq!((map.len(), total), (3, 20_000));
}
