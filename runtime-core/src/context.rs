//! [`Context`]: what ends work that belongs together.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant, SystemTime};

use event_listener::Event;
use parking_lot::Mutex;

use crate::alarm::Alarm;
use crate::backend::Backend;

/// What ends work that belongs together, as Go's `context.Context`: it is cancelled, or its time is over, and so is then
/// everything that was made from it. Clones are the same context.
///
/// **Who holds whom.** A context holds its parent; a parent knows its children, and does not hold them. What waits for
/// a context holds it. So one that nobody has any more is gone, with its timer, and nothing of it is left in its parent.
///
/// **Who wakes whom.** The first to end a context (whoever cancels it, its timer, its parent) notes why, and then, with
/// no lock held, wakes all who wait for it, does what was to be done at its end, and ends its children. A waiter registers
/// before it looks for the last time; a child is entered in its parent only while that has not ended, under one lock.
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use runtime_core::{Backend, Context, EndOfContext, conformance::MovedClock, testing::BareBackend};
/// let clock = MovedClock::new(Arc::new(BareBackend::new()));
/// let backend: Arc<dyn Backend> = Arc::new(clock.clone());
/// let request = Context::new().with_timeout(&backend, Duration::from_secs(10));
/// let query = request.with_cancel();
/// assert_eq!(query.ended(), None);
/// clock.advance(Duration::from_secs(10));
/// assert_eq!(query.ended(), Some(EndOfContext::DeadlineExceeded));
/// assert_eq!(query.ended().unwrap().to_string(), "context deadline exceeded");
/// ```
#[derive(Clone, Default)]
pub struct Context {
    node: Arc<Node>,
}

/// Why a context has ended. In Go's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndOfContext {
    /// It was cancelled, or a context that it was made from.
    #[error("context canceled")]
    Canceled,
    /// Its time is over.
    #[error("context deadline exceeded")]
    DeadlineExceeded,
}

#[derive(Default)]
struct Node {
    parent: Option<Context>,
    /// Its number among its parent's children.
    number: u64,
    deadline: Option<Deadline>,
    end: OnceLock<EndOfContext>,
    ended: Event,
    attached: Mutex<Attached>,
}

/// When the time is over: its own, or an earlier one of those it was made from.
#[derive(Clone)]
struct Deadline {
    backend: Arc<dyn Backend>,
    at: Instant,
    /// The same by the clock on the wall.
    wall: SystemTime,
}

/// What the end of a context reaches. Empty once it has ended.
#[derive(Default)]
struct Attached {
    ended: bool,
    next: u64,
    children: BTreeMap<u64, Weak<Node>>,
    actions: BTreeMap<u64, Action>,
    alarm: Option<Alarm>,
}

type Action = Box<dyn FnOnce(EndOfContext) + Send>;

impl Context {
    /// One that only cancelling ends.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that ends with this one, or earlier.
    pub fn with_cancel(&self) -> Self {
        self.child(None)
    }

    /// One that ends with this one, or after `time`, whatever comes first.
    pub fn with_timeout(&self, backend: &Arc<dyn Backend>, time: Duration) -> Self {
        let ends = backend.now().checked_add(time).zip(SystemTime::now().checked_add(time));
        self.child(ends.map(|(at, wall)| Deadline { backend: Arc::clone(backend), at, wall }))
    }

    /// One that ends with this one, or at `wall`, whatever comes first. If the wall clock is set later, the time does not
    /// change.
    pub fn with_deadline(&self, backend: &Arc<dyn Backend>, wall: SystemTime) -> Self {
        let left = wall.duration_since(SystemTime::now()).unwrap_or_default();
        let at = backend.now().checked_add(left);
        self.child(at.map(|at| Deadline { backend: Arc::clone(backend), at, wall }))
    }

    fn child(&self, own: Option<Deadline>) -> Self {
        let inherited = self.node.deadline.as_ref();
        // What the parent's end does anyway needs no timer of its own.
        let own = own.filter(|own| inherited.is_none_or(|inherited| own.at < inherited.at));
        let rings = own.as_ref().map(|own| (Arc::clone(&own.backend), own.at));
        let _ = self.ended(); // whose time may be over
        let node = Arc::new_cyclic(|child: &Weak<Node>| {
            let mut attached = self.node.attached.lock();
            let number = attached.next;
            if !attached.ended {
                attached.next += 1;
                attached.children.insert(number, Weak::clone(child));
            }
            Node {
                parent: Some(self.clone()),
                number,
                deadline: own.or_else(|| inherited.cloned()),
                end: OnceLock::new(),
                ended: Event::new(),
                attached: Mutex::default(),
            }
        });
        let made = Self { node };
        // The parent's end may have passed by while the child could not be reached yet. Looked for under the lock: an end
        // that comes later reaches it.
        let ended = self.node.attached.lock().ended;
        if let (true, Some(end)) = (ended, self.node.end.get()) {
            made.node.end(*end);
        } else if let Some((backend, at)) = rings {
            let node = Arc::downgrade(&made.node);
            let alarm = Alarm::new(&*backend, at, move || {
                if let Some(node) = node.upgrade() {
                    node.end(EndOfContext::DeadlineExceeded);
                }
            });
            let mut attached = made.node.attached.lock();
            let unused = if attached.ended { Some(alarm) } else { attached.alarm.replace(alarm) };
            drop(attached);
            drop(unused);
        }
        made
    }

    /// Ends it as cancelled. Returns whether this call did.
    pub fn cancel(&self) -> bool {
        // A time that is over came first, also if its timer is late.
        self.ended().is_none() && self.node.end(EndOfContext::Canceled)
    }

    /// Whether, and why, it has ended.
    pub fn ended(&self) -> Option<EndOfContext> {
        if let Some(end) = self.node.end.get() {
            return Some(*end);
        }
        let deadline = self.node.deadline.as_ref()?;
        if deadline.backend.now() < deadline.at {
            return None;
        }
        self.node.end(EndOfContext::DeadlineExceeded);
        self.node.end.get().copied()
    }

    /// When its time is over, by the clock on the wall.
    pub fn deadline(&self) -> Option<SystemTime> {
        self.node.deadline.as_ref().map(|deadline| deadline.wall)
    }

    /// A future that is ready once it has ended, with why. It holds the context.
    pub fn wait(&self) -> impl Future<Output = EndOfContext> + Send + 'static + use<> {
        let context = self.clone();
        async move {
            loop {
                let ended = context.node.ended.listen();
                if let Some(end) = context.ended() {
                    return end;
                }
                ended.await;
            }
        }
    }

    /// Does `action` at its end, unless the result is dropped before; at once if it has ended already. It should be
    /// short: it may be a timer that does it.
    pub fn at_end(&self, action: impl FnOnce(EndOfContext) + Send + 'static) -> AtEnd {
        let node = Arc::downgrade(&self.node);
        if let Some(end) = self.ended() {
            action(end);
            return AtEnd { node, number: None };
        }
        let mut attached = self.node.attached.lock();
        if attached.ended {
            drop(attached);
            action(self.node.end.get().copied().unwrap_or(EndOfContext::Canceled));
            return AtEnd { node, number: None };
        }
        let number = attached.next;
        attached.next += 1;
        attached.actions.insert(number, Box::new(action));
        AtEnd { node, number: Some(number) }
    }

    /// How many contexts that were made from it, and have not ended, there are.
    pub fn children(&self) -> usize {
        self.node.attached.lock().children.len()
    }

    /// An address that is this context's alone while any clone of it lives.
    pub fn address(&self) -> usize {
        Arc::as_ptr(&self.node) as usize
    }
}

impl Node {
    /// Ends it, and what was made from it; false if it has ended already. By a list, not by recursion: contexts may be
    /// made from one another without end.
    fn end(&self, end: EndOfContext) -> bool {
        let Some(mut ending) = self.end_alone(end) else {
            return false;
        };
        while let Some(child) = ending.pop() {
            if let Some(child) = child.upgrade()
                && let Some(children) = child.end_alone(end)
            {
                ending.extend(children);
            }
        }
        true
    }

    /// Ends it, and gives the children that are to be ended.
    fn end_alone(&self, end: EndOfContext) -> Option<Vec<Weak<Node>>> {
        let attached = {
            let mut attached = self.attached.lock();
            if attached.ended {
                return None;
            }
            // Under the lock: whoever sees `ended` finds out why.
            let _ = self.end.set(end);
            std::mem::replace(&mut *attached, Attached { ended: true, ..Attached::default() })
        };
        self.ended.notify(usize::MAX);
        attached.actions.into_values().for_each(|action| action(end));
        Some(attached.children.into_values().collect())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let Some(mut parent) = self.parent.take() else {
            return;
        };
        parent.node.attached.lock().children.remove(&self.number);
        // A long line of contexts is dropped one after the other, not one within the other.
        while let Some(mut node) = Arc::into_inner(parent.node) {
            let Some(next) = node.parent.take() else {
                return;
            };
            next.node.attached.lock().children.remove(&node.number);
            parent = next;
        }
    }
}

/// Made by [`Context::at_end`]: dropped, it takes the action back. It does not hold the context.
#[must_use = "dropped, it takes the action back"]
pub struct AtEnd {
    node: Weak<Node>,
    number: Option<u64>,
}

impl Drop for AtEnd {
    fn drop(&mut self) {
        if let (Some(number), Some(node)) = (self.number, self.node.upgrade()) {
            let action = node.attached.lock().actions.remove(&number);
            drop(action);
        }
    }
}

impl fmt::Debug for AtEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AtEnd").finish_non_exhaustive()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("ended", &self.node.end.get()).finish_non_exhaustive()
    }
}
