//! [`Ties`]: who hears of the start and the end of a goroutine.

use runtime_core::Ended;

use crate::api::ContextMember;
use crate::pool::{LuaPool, Slot};
use crate::room::Place;
use crate::scope::Membership;

/// What hears of the start and the end of a goroutine, besides those who await it. Few have any, and the others no room for it.
#[derive(Default)]
pub(crate) struct Ties(Option<Box<Tied>>);

#[derive(Default)]
struct Tied {
    /// The pool in whose queue it stands, and its key there.
    queue: Option<(LuaPool, u64)>,
    /// The memory that it takes until it begins, where that is limited.
    place: Option<Place>,
    /// Where the pool counts it, for a pool's task.
    slot: Option<Slot>,
    /// The scope that waits for it.
    scope: Option<Membership>,
    /// The context that ends it.
    context: Option<ContextMember>,
}

impl Ties {
    fn tied(&mut self) -> &mut Tied {
        self.0.get_or_insert_default()
    }

    /// It stands in the queue of this pool, under this key.
    pub(crate) fn set_queue(&mut self, pool: LuaPool, key: u64) {
        self.tied().queue = Some((pool, key));
    }

    pub(crate) fn set_slot(&mut self, slot: Slot) {
        self.tied().slot = Some(slot);
    }

    pub(crate) fn set_place(&mut self, place: Place) {
        self.tied().place = Some(place);
    }

    pub(crate) fn set_scope(&mut self, scope: Membership) {
        self.tied().scope = Some(scope);
    }

    pub(crate) fn set_context(&mut self, context: ContextMember) {
        self.tied().context = Some(context);
    }

    pub(crate) fn leave_queue(&mut self) -> Option<(LuaPool, u64)> {
        self.0.as_mut()?.queue.take()
    }

    pub(crate) fn slot(&mut self) -> Option<Slot> {
        self.0.as_mut()?.slot.take()
    }

    /// It begins to run. Gives its place in its pool.
    pub(crate) fn begin(&mut self) -> Option<Slot> {
        drop(self.0.as_mut()?.place.take());
        let mut slot = self.slot()?;
        slot.begin();
        Some(slot)
    }

    pub(crate) fn end(self, slot: Option<Slot>, ended: Ended) {
        // Before its place in the pool is free: a map that has failed puts nobody there.
        if ended == Ended::Failed
            && let Some(scope) = self.0.as_ref().and_then(|tied| tied.scope.as_ref())
        {
            scope.note_failure();
        }
        // Whoever waits for a scope finds the counts of its pool right.
        if let Some(slot) = slot {
            slot.finish(ended);
        }
        if let Some(tied) = self.0 {
            let Tied { scope, context, .. } = *tied;
            drop(scope);
            drop(context);
        }
    }
}
