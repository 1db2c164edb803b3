//! Two kinds of backend in one process, and each inside the other's context.

use std::sync::Arc;

use backend_threads::Threads;
use backend_tokio::Tokio;
use runtime_core::{Backend, conformance};

fn both() -> [(Arc<dyn Backend>, Arc<dyn Backend>); 2] {
    let make =
        || -> (Arc<dyn Backend>, Arc<dyn Backend>) { (Arc::new(Threads::new()), Arc::new(Tokio::new())) };
    let ((threads, tokio), (other_threads, other_tokio)) = (make(), make());
    [(threads, tokio), (other_tokio, other_threads)]
}

#[test]
fn they_wait_for_each_other() {
    both().into_iter().for_each(|(one, other)| conformance::two_backends_wait_for_each_other(one, other));
}

#[test]
fn a_worker_of_one_may_block_on_the_other() {
    both()
        .into_iter()
        .for_each(|(one, other)| conformance::a_worker_may_block_on_another_backend(one, other));
}

#[test]
fn dropping_one_leaves_the_other_alone() {
    both()
        .into_iter()
        .for_each(|(one, other)| conformance::dropping_a_backend_leaves_another_alone(one, other));
}
