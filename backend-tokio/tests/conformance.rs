//! The backend keeps what the trait promises, with a home runtime of its own and with an embedder's.

use std::sync::Arc;

use backend_tokio::Tokio;
use runtime_core::Backend;

mod own_home {
    use super::*;

    fn tokio() -> Arc<dyn Backend> {
        Arc::new(Tokio::new())
    }

    runtime_core::conformance_tests!(tokio);
}

mod at_an_embedders {
    use std::sync::OnceLock;

    use super::*;

    fn tokio() -> Arc<dyn Backend> {
        static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
        let runtime = RUNTIME.get_or_init(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build();
            runtime.unwrap_or_else(|error| panic!("no runtime: {error}"))
        });
        let backend = Tokio::on(runtime.handle().clone());
        Arc::new(backend.unwrap_or_else(|error| panic!("{error}")))
    }

    runtime_core::conformance_tests!(tokio);
}

/// Made and used by a thread that is inside a runtime which nobody else drives meanwhile.
mod inside_tokio {
    use super::*;

    fn tokio() -> Arc<dyn Backend> {
        Arc::new(Tokio::new())
    }

    fn enter(test: impl FnOnce()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.unwrap_or_else(|error| panic!("no runtime: {error}")).block_on(async { test() });
    }

    runtime_core::conformance_tests!(tokio, inside enter);
}
