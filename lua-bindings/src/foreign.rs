//! The embedder's own types on their way to another state.
//!
//! A *foreign* value is a userdata that the embedder has made by mlua. If its type was registered with the builder it
//! travels as a [`Foreign`], which both sides hold: the state that receives it makes a userdata from it, once. A state
//! remembers, weakly, which userdata stands for which foreign value, so that one that comes back is the one that left.

use std::any::TypeId;
use std::sync::Arc;

use mlua::{AnyUserData, IntoLua, LightUserData, Lua, UserData, Value};
use parking_lot::Mutex;

use crate::state::State;

/// Makes a state's own of a value.
type Make = Box<dyn Fn(&Lua) -> mlua::Result<Value> + Send + Sync>;

/// Makes a foreign value of a userdata of the right type.
type Convert = Box<dyn Fn(&Lua, &AnyUserData) -> mlua::Result<Foreign> + Send + Sync>;

/// A value on its way.
pub(crate) struct Foreign {
    make: Make,
    /// Whether the userdata that it was made from, and those made from it, stand for the same thing ever after.
    pub(crate) shared: bool,
}

/// A type that the embedder has registered.
pub(crate) struct ForeignType {
    id: TypeId,
    send: Convert,
}

/// Keeps a foreign value with the userdata that stands for it.
struct Holder(Arc<Foreign>);

impl UserData for Holder {}

impl ForeignType {
    /// A type of which clones stand for the same thing.
    pub(crate) fn shareable<T: UserData + Clone + Send + 'static>() -> Self {
        Self {
            id: TypeId::of::<T>(),
            send: Box::new(|_, userdata| {
                let value = Mutex::new(userdata.borrow::<T>()?.clone());
                Ok(Foreign {
                    make: Box::new(move |lua| {
                        let clone = value.lock().clone();
                        lua.create_userdata(clone).map(Value::UserData)
                    }),
                    shared: true,
                })
            }),
        }
    }

    /// A type that travels as something else.
    pub(crate) fn converted<T, C, P, U, V>(pack: P, unpack: U) -> Self
    where
        T: 'static,
        C: Send + Sync + 'static,
        P: Fn(&Lua, &T) -> mlua::Result<C> + Send + Sync + 'static,
        U: Fn(&Lua, &C) -> mlua::Result<V> + Send + Sync + 'static,
        V: IntoLua,
    {
        let unpack = Arc::new(unpack);
        Self {
            id: TypeId::of::<T>(),
            send: Box::new(move |lua, userdata| {
                let carried = pack(lua, &*userdata.borrow::<T>()?)?;
                let unpack = Arc::clone(&unpack);
                let make = Box::new(move |lua: &Lua| unpack(lua, &carried)?.into_lua(lua));
                Ok(Foreign { make, shared: false })
            }),
        }
    }
}

impl Foreign {
    /// Of the userdata, if its type is one of those that travel.
    ///
    /// # Errors
    /// What the embedder's function says; that it is borrowed mutably just now; out of memory.
    pub(crate) fn of(lua: &Lua, state: &State, userdata: &AnyUserData) -> mlua::Result<Option<Arc<Self>>> {
        if let Some(holder) = state.tables.foreign.raw_get::<Option<AnyUserData>>(userdata)? {
            return Ok(Some(Arc::clone(&holder.borrow::<Holder>()?.0)));
        }
        let id = userdata.type_id();
        let Some(kind) = state.system.foreign.iter().find(|kind| Some(kind.id) == id) else {
            return Ok(None);
        };
        let foreign = Arc::new((kind.send)(lua, userdata)?);
        if foreign.shared {
            foreign.remember(lua, state, userdata)?;
        }
        Ok(Some(foreign))
    }

    /// The value that stands for it in this state; made, if there is none yet. It is also put where raw code finds it, in
    /// the list of objects.
    ///
    /// # Errors
    /// What the embedder's function says; out of memory.
    pub(crate) fn receive(self: &Arc<Self>, lua: &Lua, state: &State) -> mlua::Result<Value> {
        let known: Value = state.tables.objects.raw_get(self.key())?;
        if known != Value::Nil {
            return Ok(known);
        }
        let made = (self.make)(lua)?;
        if let (true, Value::UserData(userdata)) = (self.shared, &made) {
            self.remember(lua, state, userdata)?;
        }
        Ok(made)
    }

    fn remember(self: &Arc<Self>, lua: &Lua, state: &State, userdata: &AnyUserData) -> mlua::Result<()> {
        state.tables.objects.raw_set(self.key(), userdata)?;
        // As long as the userdata lives the address stays taken.
        state.tables.foreign.raw_set(userdata, lua.create_userdata(Holder(Arc::clone(self)))?)
    }

    fn key(self: &Arc<Self>) -> LightUserData {
        LightUserData(Arc::as_ptr(self).cast_mut().cast())
    }
}
