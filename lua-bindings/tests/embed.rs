//! The example of an embedder does what it says.

#![cfg(all(feature = "backend-tokio", feature = "vendored"))]

#[allow(dead_code, reason = "its `main` is for those who run it")]
#[path = "../examples/embed.rs"]
mod embed;

#[test]
fn an_embedders_functions_overlap_and_a_panic_stays_in_its_goroutine() {
    if let Err(error) = embed::run() {
        panic!("{error}");
    }
}
