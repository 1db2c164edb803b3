//! The backend keeps what the trait promises.

use std::sync::Arc;

use backend_threads::Threads;
use runtime_core::Backend;

fn threads() -> Arc<dyn Backend> {
    Arc::new(Threads::new())
}

runtime_core::conformance_tests!(threads);

/// The same, made and used by a thread that is inside an embedder's runtime.
mod inside_tokio {
    use super::threads;

    fn enter(test: impl FnOnce()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.unwrap_or_else(|error| panic!("no runtime: {error}")).block_on(async { test() });
    }

    runtime_core::conformance_tests!(threads, inside enter);
}
