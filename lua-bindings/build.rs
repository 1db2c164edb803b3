//! Says what is wrong with a choice of features. Without a Lua the library would fail in hundreds of places, a `compile_error!`
//! among them; with several of them mlua fails as well, and which of the two is heard first is left to chance.

const LUAS: [&str; 6] = ["lua51", "lua52", "lua53", "lua54", "lua55", "luajit"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is_on =
        |feature: &str| std::env::var_os(format!("CARGO_FEATURE_{}", feature.to_uppercase())).is_some();
    let chosen: Vec<_> = LUAS.into_iter().filter(|lua| is_on(lua)).collect();
    let choices = LUAS.join(", ");
    match chosen.len() {
        1 => {}
        0 => println!("cargo::error=no Lua is chosen: enable one of the features {choices}"),
        _ => println!(
            "cargo::error=several Luas are chosen, {}: enable exactly one of the features {choices}; lua54 is a default feature, \
             to choose another say `default-features = false`",
            chosen.join(" and ")
        ),
    }
    if is_on("vendored") && is_on("module") {
        println!(
            "cargo::error=the features `vendored` (a Lua compiled in, for programs) and `module` (the interpreter's own, for a \
             library that it loads) exclude each other"
        );
    }
}
