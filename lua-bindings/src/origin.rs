//! [`Origin`]: what the goroutines have in common that were started one after another from one place.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use parking_lot::Mutex;
use runtime_core::WaitGroup;

use crate::code::Code;
use crate::goroutine::GoroutineWatch;
use crate::registry::Listed;
use crate::system::System;

/// How many goroutines share an origin, at most.
///
/// Whoever starts counts it up and whoever ends it counts it down, and two cores that write the same memory by turns wait
/// for each other each time. By the time that the first goroutines of a lot end, the next lot is mostly being started.
const LOT: u32 = 64;

/// Where goroutines come from. Each has a share in it until it has ended.
pub(crate) struct Origin {
    pub(crate) system: Arc<System>,
    /// `file:line` of the call that started them.
    pub(crate) started_at: Arc<str>,
    /// The goroutine that the home state has started and that they descend from; `None` if that has started these.
    pub(crate) root: Option<u64>,
    /// The code of their function, for those that need no packet.
    pub(crate) code: Option<Arc<Code>>,
    /// Those that live, for those who look in.
    members: Mutex<Vec<Option<GoroutineWatch>>>,
    _listed: Listed,
    _family: Family,
}

impl Origin {
    /// Those that live.
    pub(crate) fn members(&self) -> Vec<GoroutineWatch> {
        self.members.lock().iter().flatten().cloned().collect()
    }
}

/// One goroutine's share in its origin, until it has ended.
pub(crate) struct Member {
    origin: Arc<Origin>,
    at: usize,
}

impl Deref for Member {
    type Target = Origin;

    fn deref(&self) -> &Origin {
        &self.origin
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let watch = self.origin.members.lock().get_mut(self.at).and_then(Option::take);
        if let Some(watch) = watch {
            self.origin.system.registry.ended(watch.status());
        }
    }
}

/// One place in the count of those who wait with `wait_all`. Given back when dropped.
struct Family(WaitGroup);

impl Drop for Family {
    fn drop(&mut self) {
        let _ = self.0.done();
    }
}

/// The goroutines that one goroutine, or the home state, has started.
///
/// The group counts their origins. The last one is kept here for goroutines to come, but not while anybody waits: then the
/// group is at zero as soon as the last goroutine has ended.
#[derive(Default)]
pub(crate) struct Children {
    /// Of the one whose children these are; see [`Origin::root`].
    root: Option<u64>,
    group: WaitGroup,
    last: RefCell<Option<(Arc<Origin>, u32)>>,
    waits: Rc<Cell<usize>>,
}

impl Children {
    /// Those of a goroutine with this root.
    pub(crate) fn of(root: u64) -> Self {
        Self { root: Some(root), ..Self::default() }
    }

    /// Counts a goroutine that is about to be started. `code`: that of its function, if no packet has it.
    pub(crate) fn add(
        &self,
        system: &Arc<System>,
        started_at: &Arc<str>,
        code: Option<Arc<Code>>,
        watch: GoroutineWatch,
    ) -> Member {
        let origin = self.origin(system, started_at, code);
        let mut members = origin.members.lock();
        let at = members.len();
        members.push(Some(watch));
        drop(members);
        Member { origin, at }
    }

    fn origin(&self, system: &Arc<System>, started_at: &Arc<str>, code: Option<Arc<Code>>) -> Arc<Origin> {
        if let Some((origin, left)) = &mut *self.last.borrow_mut()
            && *left > 0
            && Arc::ptr_eq(&origin.started_at, started_at)
            && origin.code.as_ref().map(|code| code.id) == code.as_ref().map(|code| code.id)
        {
            *left -= 1;
            return Arc::clone(origin);
        }
        // Cannot fail: the counter is far from its range's end.
        let _ = self.group.add(1);
        let family = Family(self.group.clone());
        let origin = system.registry.enter(|listed| Origin {
            system: Arc::clone(system),
            started_at: Arc::clone(started_at),
            root: self.root,
            code,
            members: Mutex::default(),
            _listed: listed,
            _family: family,
        });
        if self.waits.get() == 0 {
            let before = self.last.replace(Some((Arc::clone(&origin), LOT - 1)));
            drop(before);
        }
        origin
    }

    /// Ready once all have ended that were started.
    pub(crate) fn wait(&self) -> impl Future<Output = ()> + 'static + use<> {
        struct Waiting(Rc<Cell<usize>>);
        impl Drop for Waiting {
            fn drop(&mut self) {
                self.0.set(self.0.get() - 1);
            }
        }
        let before = self.last.take();
        drop(before);
        self.waits.set(self.waits.get() + 1);
        let waiting = Waiting(Rc::clone(&self.waits));
        let group = self.group.clone();
        async move {
            let _waiting = waiting;
            group.wait().await;
        }
    }
}
