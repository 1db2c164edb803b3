//! `class`.

use mlua::{MultiValue, Value};

use super::{Answer, Primitives};
use crate::packet;

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    prim.function("class", |context, args| {
        let table = args.table(1)?;
        packet::make_class(context.lua, context.state, table.clone())?;
        Ok(Answer::Values(MultiValue::from_iter([Value::Table(table)])))
    })
}
