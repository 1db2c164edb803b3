//! [`Broadcaster`]: every value to all who listen.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::channel::{Channel, WeakChannel};

/// Gives every value to all who have subscribed before it was sent. Clones are the same broadcaster.
///
/// Each subscriber has a channel of its own. A broadcast waits for room in each of them, so a slow subscriber
/// holds up the sender, and nothing is lost unseen; who does not want that bounds the wait, or subscribes with a
/// larger capacity. A subscriber ends its subscription by closing its channel. One who drops it is forgotten as
/// well, but not by a broadcast that waits for it already.
///
/// **Who wakes whom.** A broadcast is a send on each channel. When the broadcaster is closed, or the last of it is dropped,
/// all channels are closed: what is in them can still be received.
///
/// ```
/// # use runtime_core::{Broadcaster, block_on, testing::BareBackend};
/// let news = Broadcaster::new();
/// let (one, two) = (news.subscribe(4), news.subscribe(4));
/// block_on(&BareBackend::new(), news.broadcast(|| "first"));
/// two.close();
/// block_on(&BareBackend::new(), news.broadcast(|| "second"));
/// drop(news);
/// assert_eq!(block_on(&BareBackend::new(), one.receive()), Some("first"));
/// assert_eq!(block_on(&BareBackend::new(), one.receive()), Some("second"));
/// assert_eq!(block_on(&BareBackend::new(), one.receive()), None);
/// ```
pub struct Broadcaster<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    /// `None` once it is closed.
    subscribers: Mutex<Option<Vec<WeakChannel<T>>>>,
}

impl<T> Broadcaster<T> {
    /// One that nobody has subscribed to.
    pub fn new() -> Self {
        Self { shared: Arc::new(Shared { subscribers: Mutex::new(Some(Vec::new())) }) }
    }

    /// A channel that gets every value from now on. It is closed already if the broadcaster is.
    pub fn subscribe(&self, capacity: usize) -> Channel<T> {
        let channel = Channel::new(capacity);
        match &mut *self.shared.subscribers.lock() {
            Some(subscribers) => {
                // Those who have left are forgotten here, and when something is sent.
                subscribers.retain(|subscriber| open(subscriber).is_some());
                subscribers.push(channel.downgrade());
            }
            None => drop(channel.close()),
        }
        channel
    }

    /// The channels that a value is to be sent on now; `None` once it is closed.
    pub fn subscribers(&self) -> Option<Vec<Channel<T>>> {
        let mut subscribers = self.shared.subscribers.lock();
        let subscribers = subscribers.as_mut()?;
        let open_ones: Vec<_> = subscribers.iter().filter_map(open).collect();
        *subscribers = open_ones.iter().map(Channel::downgrade).collect();
        Some(open_ones)
    }

    /// Sends a value, which is made anew for each, to all; to how many. Dropped while it waits, it has sent it to some.
    pub fn broadcast(&self, mut value: impl FnMut() -> T) -> impl Future<Output = usize> {
        let subscribers = self.subscribers().unwrap_or_default();
        async move {
            let mut sent = 0;
            for subscriber in subscribers {
                sent += usize::from(subscriber.send(value()).await.is_ok());
            }
            sent
        }
    }

    /// Closes it, and all channels. False: it was closed already.
    pub fn close(&self) -> bool {
        self.shared.close()
    }

    /// An address that is this broadcaster's alone while any clone of it lives.
    pub fn address(&self) -> usize {
        Arc::as_ptr(&self.shared) as *const () as usize
    }
}

/// The channel of one who has not left.
fn open<T>(subscriber: &WeakChannel<T>) -> Option<Channel<T>> {
    subscriber.upgrade().filter(|subscriber| !subscriber.is_closed())
}

impl<T> Shared<T> {
    fn close(&self) -> bool {
        let Some(subscribers) = self.subscribers.lock().take() else {
            return false;
        };
        for subscriber in subscribers.iter().filter_map(WeakChannel::upgrade) {
            subscriber.close();
        }
        true
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<T> Default for Broadcaster<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Broadcaster<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> fmt::Debug for Broadcaster<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcaster").field("open", &self.shared.subscribers.lock().is_some()).finish()
    }
}
