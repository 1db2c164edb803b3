//! The backend of docs/backend.md keeps what the trait promises.
#![cfg(test)]
#![allow(unreachable_pub, reason = "the page shows it as it would be in a crate")]

mod toy;

use std::sync::Arc;

use runtime_core::Backend;
use toy::Toy;

fn toy() -> Arc<dyn Backend> {
    Arc::new(Toy)
}

runtime_core::conformance_tests!(toy);

#[test]
fn the_page_has_the_code_that_is_tested_here() {
    let page = include_str!("../../../docs/backend.md");
    let code = format!("```rust\n{}```\n", include_str!("toy.rs"));
    assert!(page.contains(&code), "docs/backend.md has to have the text of tests/toy/toy.rs as it is");
}
