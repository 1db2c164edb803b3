//! Warnings: those of `warn`, once the script has switched them on as in every Lua, and errors of finalizers, which nobody else is told of.

use std::cell::RefCell;
use std::sync::Arc;

use mlua::Lua;

use crate::shared::Shared;

#[derive(Default)]
struct State {
    is_on: bool,
    /// The pieces of a warning that have come.
    text: String,
}

pub(super) fn install(lua: &Lua, shared: &Arc<Shared>) {
    let (shared, state) = (Arc::clone(shared), RefCell::new(State::default()));
    // It may be called while the state is being closed, and calls no Lua.
    lua.set_warning_function(move |_, piece, goes_on| {
        let mut state = state.borrow_mut();
        if state.text.is_empty() && !goes_on && piece.starts_with('@') {
            match piece {
                "@on" => state.is_on = true,
                "@off" => state.is_on = false,
                _ => {}
            }
            return Ok(());
        }
        state.text.push_str(piece);
        if !goes_on {
            let text = std::mem::take(&mut state.text);
            if state.is_on || text.starts_with("error in ") {
                shared.sink.warning(&text);
            }
        }
        Ok(())
    });
}
