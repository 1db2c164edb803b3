//! The backend keeps what the trait promises.

use std::sync::Arc;

use backend_smol::Smol;
use runtime_core::Backend;

fn smol() -> Arc<dyn Backend> {
    Arc::new(Smol::new())
}

runtime_core::conformance_tests!(smol);

/// The same, made and used by a thread that is inside the runtime.
mod inside {
    use super::smol;

    fn enter(test: impl FnOnce()) {
        async_io::block_on(async { test() });
    }

    runtime_core::conformance_tests!(smol, inside enter);
}
