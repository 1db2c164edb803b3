//! stub
use super::Primitives;
pub(super) fn add(_prim: &Primitives<'_>) -> mlua::Result<()> {
    Ok(())
}
