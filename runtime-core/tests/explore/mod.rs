//! How the loom tests explore.

use loom::model::Builder;

/// Explores every way with up to three preemptions.
pub(crate) fn model(test: impl Fn() + Send + Sync + 'static) {
    explore(3, test);
}

/// The same with up to two, for three threads: with three that takes minutes.
pub(crate) fn model_of_three(test: impl Fn() + Send + Sync + 'static) {
    explore(2, test);
}

fn explore(preemptions: usize, test: impl Fn() + Send + Sync + 'static) {
    let mut bounded = Builder::new();
    bounded.preemption_bound = Some(preemptions);
    bounded.check(test);
}
