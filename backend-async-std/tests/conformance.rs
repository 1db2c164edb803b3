//! The backend keeps what the trait promises.

use std::sync::Arc;

use backend_async_std::AsyncStd;
use runtime_core::Backend;

fn async_std() -> Arc<dyn Backend> {
    Arc::new(AsyncStd::new())
}

runtime_core::conformance_tests!(async_std);
