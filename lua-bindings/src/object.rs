//! [`Object`]: what both sides of a packet share instead of copying.

use std::any::TypeId;
use std::sync::Arc;

use mlua::{AnyUserData, Lua};

use crate::api::{
    AtomicIntObject, CancelledObject, ChannelObject, HandleObject, Named, ScopeObject, WaitGroupObject,
};
use crate::state::State;

/// A reference object. Within one state the same object is always the same Lua value.
#[derive(Clone)]
pub(crate) enum Object {
    Handle(HandleObject),
    WaitGroup(WaitGroupObject),
    AtomicInt(AtomicIntObject),
    Channel(ChannelObject),
    Cancelled(CancelledObject),
    Scope(ScopeObject),
}

impl Object {
    /// The object behind a userdata, if it is one of ours.
    pub(crate) fn from_userdata(userdata: &AnyUserData) -> Option<Self> {
        let kind = userdata.type_id()?;
        macro_rules! try_each {
            ($($variant:ident($object:ty)),+) => {$(
                if kind == TypeId::of::<$object>() {
                    return userdata.borrow::<$object>().ok().map(|object| Self::$variant(object.clone()));
                }
            )+};
        }
        try_each!(
            Handle(HandleObject),
            WaitGroup(WaitGroupObject),
            AtomicInt(AtomicIntObject),
            Channel(ChannelObject),
            Cancelled(CancelledObject),
            Scope(ScopeObject)
        );
        None
    }

    /// The Lua value for this object in `lua`: the one that is there already, or a new one.
    ///
    /// # Errors
    /// When memory runs out.
    pub(crate) fn to_userdata(&self, lua: &Lua, state: &State) -> mlua::Result<AnyUserData> {
        if let Some(known) = state.tables.objects.raw_get::<Option<AnyUserData>>(self.key())? {
            return Ok(known);
        }
        self.to_new_userdata(lua, state)
    }

    /// The same for an object that was just made, and so is not there already.
    ///
    /// # Errors
    /// When memory runs out.
    pub(crate) fn to_new_userdata(&self, lua: &Lua, state: &State) -> mlua::Result<AnyUserData> {
        let key = self.key();
        let userdata = match self.clone() {
            Self::Handle(object) => lua.create_userdata(object),
            Self::WaitGroup(object) => lua.create_userdata(object),
            Self::AtomicInt(object) => lua.create_userdata(object),
            Self::Channel(object) => lua.create_userdata(object),
            Self::Cancelled(object) => lua.create_userdata(object),
            Self::Scope(object) => lua.create_userdata(object),
        }?;
        state.tables.objects.raw_set(key, &userdata)?;
        Ok(userdata)
    }

    /// What it is called in messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Handle(_) => HandleObject::NAME,
            Self::WaitGroup(_) => WaitGroupObject::NAME,
            Self::AtomicInt(_) => AtomicIntObject::NAME,
            Self::Channel(_) => ChannelObject::NAME,
            Self::Cancelled(_) => CancelledObject::NAME,
            Self::Scope(_) => ScopeObject::NAME,
        }
    }

    /// A number that is this object's alone while it lives: its address, which leaves the low bits for the kinds of a
    /// view. It fits a Lua number exactly, in every Lua.
    fn key(&self) -> i64 {
        let key = match self {
            Self::Handle(object) => object.0.address(),
            Self::WaitGroup(object) => object.0.address(),
            Self::AtomicInt(object) => object.0.address(),
            Self::Channel(object) => object.channel.address() + object.direction as usize,
            Self::Cancelled(object) => object.address(),
            Self::Scope(object) => Arc::as_ptr(&object.0) as usize,
        };
        key as i64
    }
}
