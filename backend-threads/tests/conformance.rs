//! The backend keeps what the trait promises.

use std::sync::Arc;

use backend_threads::Threads;
use runtime_core::Backend;

fn threads() -> Arc<dyn Backend> {
    Arc::new(Threads::new())
}

runtime_core::conformance_tests!(threads);
