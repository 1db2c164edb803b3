//! `configure`.

use mlua::MultiValue;

use super::options::Options;
use super::{Answer, Primitives};

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    prim.function("configure", |context, args| {
        args.table(1)?;
        let options = Options::read(&args, 1, &["copy_modules"])?;
        let modules = options.strings("copy_modules")?.unwrap_or_default();
        for name in &modules {
            // The module itself has to be the goroutine's own, and so have the globals.
            if matches!(&*name.as_bytes(), b"goroutine" | b"_G") {
                let name = name.to_string_lossy();
                let why = format!("name of a module that can be copied expected, got '{name}'");
                return Err(options.bad("copy_modules", &why));
            }
        }
        for name in modules {
            context.state.tables.copy_module.call::<()>(name)?;
        }
        Ok(Answer::Values(MultiValue::new()))
    })
}
