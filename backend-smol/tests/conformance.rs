//! The backend keeps what the trait promises.

use std::sync::Arc;

use backend_smol::Smol;
use runtime_core::Backend;

fn smol() -> Arc<dyn Backend> {
    Arc::new(Smol::new())
}

runtime_core::conformance_tests!(smol);
