//! [`Object`]: what both sides of a packet share instead of copying.

use std::sync::Arc;

use mlua::{AnyUserData, Lua, Value};

use crate::api::{
    AtomicIntObject, BarrierObject, BroadcasterObject, CancelledObject, ChannelObject, CircuitBreakerObject,
    CondObject, ContextObject, HandleObject, MutexObject, Named, OnceObject, PoolObject, RateLimiterObject,
    RwMutexObject, ScopeObject, SemaphoreObject, SharedObject, WaitGroupObject,
};
use crate::goroutine::GoroutineHandle;
use crate::raw::{Kind, Stack, protected};
use crate::state::{State, vital};

/// About how many bytes an object takes outside Lua, if it is no handle.
const OTHERS: usize = 256;

/// A reference object. Within one state the same object is always the same Lua value.
#[derive(Clone)]
pub(crate) enum Object {
    Handle(HandleObject),
    WaitGroup(WaitGroupObject),
    AtomicInt(AtomicIntObject),
    Channel(ChannelObject),
    Cancelled(CancelledObject),
    Scope(ScopeObject),
    Mutex(MutexObject),
    RwMutex(RwMutexObject),
    Semaphore(SemaphoreObject),
    Once(OnceObject),
    Cond(CondObject),
    Barrier(BarrierObject),
    Context(ContextObject),
    Shared(SharedObject),
    RateLimiter(RateLimiterObject),
    CircuitBreaker(CircuitBreakerObject),
    Broadcaster(BroadcasterObject),
    Pool(PoolObject),
}

/// The classes of reference objects: under which name their methods are kept, and what they are called in messages.
/// In the order of [`Object::class`].
pub(crate) const CLASSES: [(&str, &str); 18] = [
    (HandleObject::CLASS, HandleObject::NAME),
    (WaitGroupObject::CLASS, WaitGroupObject::NAME),
    (AtomicIntObject::CLASS, AtomicIntObject::NAME),
    (ChannelObject::CLASS, ChannelObject::NAME),
    (CancelledObject::CLASS, CancelledObject::NAME),
    (ScopeObject::CLASS, ScopeObject::NAME),
    (MutexObject::CLASS, MutexObject::NAME),
    (RwMutexObject::CLASS, RwMutexObject::NAME),
    (SemaphoreObject::CLASS, SemaphoreObject::NAME),
    (OnceObject::CLASS, OnceObject::NAME),
    (CondObject::CLASS, CondObject::NAME),
    (BarrierObject::CLASS, BarrierObject::NAME),
    (ContextObject::CLASS, ContextObject::NAME),
    (SharedObject::CLASS, SharedObject::NAME),
    (RateLimiterObject::CLASS, RateLimiterObject::NAME),
    (CircuitBreakerObject::CLASS, CircuitBreakerObject::NAME),
    (BroadcasterObject::CLASS, BroadcasterObject::NAME),
    (PoolObject::CLASS, PoolObject::NAME),
];

impl Object {
    /// Pushes the Lua value for this object: the one that is there already, or a new one.
    pub(crate) fn push(&self, stack: &mut Stack<'_>, state: &State) {
        let top = stack.top();
        state.push_vitals(stack);
        stack.raw_get_index(top + 1, vital::OBJECTS);
        let place = match self {
            Self::Handle(handle) => state.places.of(&handle.0),
            _ => None,
        };
        if place.is_none_or(|place| stack.raw_get_index(top + 2, place) != Kind::Userdata) {
            stack.truncate(top + 2);
            stack.raw_get_pointer(top + 2, self.key());
        }
        if stack.kind(-1) != Kind::Userdata {
            stack.pop(3);
            return self.clone().push_new(stack, state);
        }
        stack.replace(top + 1);
        stack.pop(1);
    }

    /// The same for an object that was just made, and so is not there already.
    pub(crate) fn push_new(self, stack: &mut Stack<'_>, state: &State) {
        let (top, key, class, outside) = (stack.top(), self.key(), self.class(), self.outside());
        state.made_objects.set(true);
        state.push_vitals(stack);
        stack.raw_get_index(top + 1, vital::METATABLES + class);
        stack.push_object(self, top + 2);
        stack.raw_get_index(top + 1, vital::OBJECTS);
        stack.push_copy(top + 3);
        stack.raw_set_pointer(top + 4, key);
        stack.pop(1);
        stack.replace(top + 1);
        stack.pop(1);
        if let Some(bytes) = state.allocated_outside(outside) {
            stack.collect_for(bytes);
        }
    }

    /// The same for the handle of a goroutine that was just made, which no other state knows: it gets a place. `vitals`: where these are on
    /// the stack. What it has taken from there lies below it.
    pub(crate) fn push_new_handle(handle: HandleObject, stack: &mut Stack<'_>, state: &State, vitals: i32) {
        let place = state.places.claim(&handle.0);
        let handle = Self::Handle(handle);
        let (top, class, outside) = (stack.top(), handle.class(), handle.outside());
        state.made_objects.set(true);
        stack.raw_get_index(vitals, vital::OBJECTS);
        stack.raw_get_index(vitals, vital::METATABLES + class);
        stack.push_object(handle, top + 2);
        stack.push_copy(top + 3);
        stack.raw_set_index(top + 1, place);
        if let Some(bytes) = state.allocated_outside(outside) {
            stack.collect_for(bytes);
        }
    }

    /// Bytes that it takes, about, besides those that Lua sees.
    fn outside(&self) -> usize {
        match self {
            Self::Handle(_) => GoroutineHandle::FOOTPRINT,
            _ => OTHERS,
        }
    }

    /// The Lua value for this object, for mlua.
    ///
    /// # Errors
    /// When memory runs out.
    pub(crate) fn to_value(&self, lua: &Lua, state: &State) -> mlua::Result<Value> {
        let mut values = protected(lua, (), |stack| {
            if stack.reserve(8) {
                self.push(stack, state);
            }
        })?;
        values.pop_front().ok_or_else(|| mlua::Error::runtime("the Lua stack is full"))
    }

    /// The object behind a value, if it is one of ours.
    pub(crate) fn from_value(lua: &Lua, value: &Value) -> Option<Self> {
        value.as_userdata().and_then(|userdata| Self::from_userdata(lua, userdata))
    }

    /// The object behind a userdata, if it is one of ours.
    pub(crate) fn from_userdata(lua: &Lua, userdata: &AnyUserData) -> Option<Self> {
        crate::raw::object_of(lua, userdata)
    }

    /// What it is called in messages.
    pub(crate) fn name(&self) -> &'static str {
        CLASSES[self.class()].1
    }

    fn class(&self) -> usize {
        match self {
            Self::Handle(_) => 0,
            Self::WaitGroup(_) => 1,
            Self::AtomicInt(_) => 2,
            Self::Channel(_) => 3,
            Self::Cancelled(_) => 4,
            Self::Scope(_) => 5,
            Self::Mutex(_) => 6,
            Self::RwMutex(_) => 7,
            Self::Semaphore(_) => 8,
            Self::Once(_) => 9,
            Self::Cond(_) => 10,
            Self::Barrier(_) => 11,
            Self::Context(_) => 12,
            Self::Shared(_) => 13,
            Self::RateLimiter(_) => 14,
            Self::CircuitBreaker(_) => 15,
            Self::Broadcaster(_) => 16,
            Self::Pool(_) => 17,
        }
    }

    /// A number that is this object's alone while it lives: its address, which leaves the low bits for the kinds of a
    /// view.
    pub(crate) fn key(&self) -> usize {
        match self {
            Self::Handle(object) => object.0.address(),
            Self::WaitGroup(object) => object.0.address(),
            Self::AtomicInt(object) => object.0.address(),
            Self::Channel(object) => object.channel.address() + object.direction as usize,
            Self::Cancelled(object) => object.address(),
            Self::Scope(object) => Arc::as_ptr(&object.0) as usize,
            Self::Mutex(object) => object.0.address(),
            Self::RwMutex(object) => object.0.address(),
            Self::Semaphore(object) => object.0.address(),
            Self::Once(object) => object.0.address(),
            Self::Cond(object) => object.0.address(),
            Self::Barrier(object) => object.0.address(),
            Self::Context(object) => Arc::as_ptr(&object.0) as usize,
            Self::Shared(object) => Arc::as_ptr(&object.0) as usize,
            Self::RateLimiter(object) => object.0.address(),
            Self::CircuitBreaker(object) => object.0.address(),
            Self::Broadcaster(object) => object.0.address(),
            Self::Pool(object) => object.0.address(),
        }
    }
}
