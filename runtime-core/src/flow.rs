//! [`fan_out`], [`fan_in`] and [`stage`]: what stands between channels.
//!
//! Each is a future that ends when there is nothing more to do, and then closes what it gives values to. If those who take them
//! have closed that first, it closes what it gets values from, so that their senders hear of it. A future that is dropped
//! does both; a value that it was passing on goes with it.
//!
//! They wait for nothing but sends and receives, so who wakes them is said in [`channel`](crate::channel).

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use crate::channel::{Channel, Happened, Select};

/// Closes its channels when it is dropped, which is how each of these ends.
struct ClosesAll<T>(Vec<Channel<T>>);

impl<T> Drop for ClosesAll<T> {
    fn drop(&mut self) {
        for channel in &self.0 {
            channel.close();
        }
    }
}

/// Gives every value of `input` to every one of `outputs`, and goes on to the next when all have taken it: the slowest sets
/// the pace. They may take it in any order. An output that its reader has closed gets no more; once all are closed, so is `input`.
///
/// ```
/// # use runtime_core::{Channel, block_on, fan_out, testing::BareBackend};
/// let (input, a, b) = (Channel::new(2), Channel::new(2), Channel::new(2));
/// input.try_send(1)?;
/// input.try_send(2)?;
/// input.close();
/// block_on(&BareBackend::new(), fan_out(input, vec![a.clone(), b.clone()]));
/// assert_eq!([a.try_receive(), a.try_receive(), b.try_receive(), b.try_receive()], [Ok(1), Ok(2), Ok(1), Ok(2)]);
/// assert!(a.is_closed() && b.is_closed());
/// # Ok::<(), runtime_core::TrySendError<i32>>(())
/// ```
pub async fn fan_out<T: Clone>(input: Channel<T>, outputs: Vec<Channel<T>>) {
    let _input = ClosesAll(vec![input.clone()]);
    let mut outputs = ClosesAll(outputs);
    while !outputs.0.is_empty() {
        let Some(value) = input.receive().await else {
            return;
        };
        let mut sends: Vec<_> = outputs.0.iter().map(|output| Some(output.send(value.clone()))).collect();
        drop(value);
        let mut closed = vec![false; sends.len()];
        poll_fn(|cx| {
            let mut pending = false;
            for (index, place) in sends.iter_mut().enumerate() {
                let Some(send) = place else { continue };
                match Pin::new(send).poll(cx) {
                    Poll::Pending => pending = true,
                    Poll::Ready(sent) => {
                        closed[index] = sent.is_err();
                        *place = None;
                    }
                }
            }
            if pending { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        let mut closed = closed.into_iter();
        outputs.0.retain(|_| closed.next() != Some(true));
    }
}

/// Gives the values of all of `inputs` to `output`, each input's in their order, until all are closed and drained. If the
/// reader closes `output`, the inputs are closed.
///
/// ```
/// # use runtime_core::{Channel, block_on, fan_in, testing::BareBackend};
/// let (a, b, output) = (Channel::new(1), Channel::new(1), Channel::new(2));
/// a.try_send(1)?;
/// b.try_send(2)?;
/// a.close();
/// b.close();
/// block_on(&BareBackend::new(), fan_in(vec![a, b], output.clone()));
/// let sum: i32 = std::iter::from_fn(|| output.try_receive().ok()).sum();
/// assert_eq!((sum, output.is_closed()), (3, true));
/// # Ok::<(), runtime_core::TrySendError<i32>>(())
/// ```
pub async fn fan_in<T>(inputs: Vec<Channel<T>>, output: Channel<T>) {
    let _output = ClosesAll(vec![output.clone()]);
    let mut open = inputs.clone();
    let _inputs = ClosesAll(inputs);
    while !open.is_empty() {
        let mut select = Select::new();
        for input in &open {
            select.receive(input);
        }
        let selected = select.await;
        match selected.happened {
            Happened::Received(Some(value)) => {
                if output.send(value).await.is_err() {
                    return;
                }
            }
            _ => drop(open.remove(selected.case)),
        }
    }
}

/// One worker of a stage: gives what `work` makes of each value of `input` to `output`, in order; nothing where it makes `None`.
/// Several may share an input and an output; then the first that is through with the input closes the output, so
/// give each an output of its own, and [`fan_in`].
///
/// ```
/// # use runtime_core::{Channel, block_on, stage, testing::BareBackend};
/// let (input, output) = (Channel::new(3), Channel::new(3));
/// for n in 1..=3 {
///     input.try_send(n)?;
/// }
/// input.close();
/// block_on(&BareBackend::new(), stage(input, output.clone(), async |n| (n != 2).then_some(n * 10)));
/// assert_eq!([output.try_receive().ok(), output.try_receive().ok(), output.try_receive().ok()], [Some(10), Some(30), None]);
/// # Ok::<(), runtime_core::TrySendError<i32>>(())
/// ```
pub async fn stage<T, U>(input: Channel<T>, output: Channel<U>, mut work: impl AsyncFnMut(T) -> Option<U>) {
    let (_input, _output) = (ClosesAll(vec![input.clone()]), ClosesAll(vec![output.clone()]));
    while let Some(value) = input.receive().await {
        if let Some(made) = work(value).await
            && output.send(made).await.is_err()
        {
            return;
        }
    }
}
