//! [`Inside`]: a future that is polled inside the context of the embedder's runtime.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::runtime::Handle;

pin_project! {
    /// Which runtime polls it makes no difference: it wakes, and yields, as it does without this. What it asks tokio for is
    /// the embedder's.
    pub(crate) struct Inside<F> {
        embedder: Handle,
        #[pin]
        future: F,
    }
}

impl<F> Inside<F> {
    pub(crate) fn new(embedder: Handle, future: F) -> Self {
        Self { embedder, future }
    }
}

impl<F: Future> Future for Inside<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _inside = this.embedder.enter();
        this.future.poll(cx)
    }
}
