//! The backend keeps what the trait promises.

use std::sync::Arc;

use backend_async_std::AsyncStd;
use runtime_core::Backend;

fn async_std() -> Arc<dyn Backend> {
    Arc::new(AsyncStd::new())
}

runtime_core::conformance_tests!(async_std);

/// The same, made and used by a thread that is inside the runtime.
mod inside {
    use super::async_std;

    fn enter(test: impl FnOnce()) {
        async_std::task::block_on(async { test() });
    }

    runtime_core::conformance_tests!(async_std, inside enter);
}
