//! The module `fs`. Files are read and written on threads of their own. Paths are bytes, as they are to the system.

use std::ffi::OsString;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use mlua::{IntoLuaMulti, Lua};

use super::args::Args;
use super::paths::{base_name, folder_name, joined};
use super::{Module, glob};
use crate::convert;
use crate::shared::Shared;

/// What is read at once at most.
const MAX_SIZE: u64 = 1 << 30;

pub(super) fn install(lua: &Lua, shared: &Arc<Shared>) -> mlua::Result<()> {
    let module = Module::new(lua, shared)?;
    let bytes = |lua: &Lua, bytes: Vec<u8>| lua.create_string(bytes);
    let list = |lua: &Lua, names: Vec<Vec<u8>>| {
        // An empty one is a list to `json` and `yaml`, too.
        if names.is_empty() {
            return convert::empty_list(lua);
        }
        let names: Vec<_> = names.iter().map(|name| lua.create_string(name)).collect::<mlua::Result<_>>()?;
        lua.create_sequence_from(names)
    };
    let yes = |_: &Lua, ()| Ok(true);
    let limit = shared.memory_limit.map(|limit| limit as u64);
    blocking(&module, "fs.read", move |args| Ok((path(args, 1)?, limit)), read, bytes)?;
    blocking(
        &module,
        "fs.write",
        |args| Ok((path(args, 1)?, args.bytes(2)?)),
        |(path, bytes)| told(fs::write(&path, bytes), &path),
        yes,
    )?;
    blocking(&module, "fs.append", |args| Ok((path(args, 1)?, args.bytes(2)?)), append, yes)?;
    blocking(&module, "fs.exists", |args| path(args, 1), exists, |_, there| Ok(there))?;
    blocking(
        &module,
        "fs.size",
        |args| path(args, 1),
        |path| told(fs::metadata(&path), &path).map(|data| data.len()),
        |_, size| Ok(size),
    )?;
    blocking(&module, "fs.ls", |args| path(args, 1), ls, list)?;
    blocking(&module, "fs.mkdir", |args| path(args, 1), make_folder, yes)?;
    blocking(&module, "fs.rm", |args| path(args, 1), |path| told(fs::remove_file(&path), &path), yes)?;
    blocking(&module, "fs.rmr", |args| path(args, 1), remove_all, yes)?;
    blocking(&module, "fs.copy", |args| Ok((path(args, 1)?, path(args, 2)?)), copy, yes)?;
    blocking(&module, "fs.move", |args| Ok((path(args, 1)?, path(args, 2)?)), rename, yes)?;
    blocking(&module, "fs.tmpname", |_| Ok(()), |()| temporary(), bytes)?;
    blocking(&module, "fs.glob", |args| args.bytes(1), matching, list)?;
    module.now("fs.basename", |lua, _, args| lua.create_string(base_name(&args.bytes(1)?)))?;
    module.now("fs.dirname", |lua, _, args| lua.create_string(folder_name(&args.bytes(1)?)))?;
    module.now("fs.join", |lua, _, args| {
        let parts = (1..=args.values.len().max(1)).map(|at| args.bytes(at));
        lua.create_string(joined(parts.collect::<mlua::Result<Vec<_>>>()?))
    })?;
    module.finish("fs")
}

/// A function that takes `look`'s view of its arguments, and does `work` on a thread that may block.
fn blocking<A: Send + 'static, T: Send + 'static, R: IntoLuaMulti + 'static>(
    module: &Module<'_>,
    name: &'static str,
    look: impl Fn(&Args) -> mlua::Result<A> + 'static,
    work: fn(A) -> Result<T, String>,
    finish: fn(&Lua, T) -> mlua::Result<R>,
) -> mlua::Result<()> {
    module.waiting(
        name,
        move |_, shared, args| {
            let arguments = look(&args)?;
            shared.io.block(move || work(arguments))
        },
        finish,
    )
}

fn path(args: &Args, at: usize) -> mlua::Result<PathBuf> {
    Ok(OsString::from_vec(args.bytes(at)?).into())
}

/// The error names the path.
fn told<T>(outcome: std::io::Result<T>, path: &Path) -> Result<T, String> {
    outcome.map_err(|error| {
        let why = reason(&error);
        // An empty one would be seen as nothing.
        if path.as_os_str().is_empty() { format!("'': {why}") } else { format!("{}: {why}", path.display()) }
    })
}

/// What went wrong, without the number that the system has for it.
pub(crate) fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "no such file or folder".into(),
        ErrorKind::PermissionDenied => "permission denied".into(),
        ErrorKind::IsADirectory => "it is a folder".into(),
        ErrorKind::NotADirectory => "not a folder".into(),
        _ => error.to_string(),
    }
}

/// With the folders above it. It is no success to make nothing.
fn make_folder(path: PathBuf) -> Result<(), String> {
    let made =
        if path.as_os_str().is_empty() { Err(ErrorKind::NotFound.into()) } else { fs::create_dir_all(&path) };
    told(made, &path)
}

/// What does not go into the memory that there may be is not read at all.
fn read((path, limit): (PathBuf, Option<u64>)) -> Result<Vec<u8>, String> {
    let most = limit.map_or(MAX_SIZE, |limit| limit.min(MAX_SIZE));
    let too_large = || match limit {
        Some(limit) if limit < MAX_SIZE => {
            format!("{}: larger than the {limit} bytes that may be used, see --memory-limit", path.display())
        }
        _ => format!("{}: larger than {} MiB", path.display(), MAX_SIZE >> 20),
    };
    let file = told(fs::File::open(&path), &path)?;
    // Of what is no file of the usual kind the size is not known before.
    if told(file.metadata(), &path)?.len() > most {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // One more than is allowed, to see whether there is more.
    told(file.take(most + 1).read_to_end(&mut bytes), &path)?;
    if bytes.len() as u64 > most {
        return Err(too_large());
    }
    Ok(bytes)
}

fn append((path, bytes): (PathBuf, Vec<u8>)) -> Result<(), String> {
    let file = fs::OpenOptions::new().create(true).append(true).open(&path);
    told(file.and_then(|mut file| file.write_all(&bytes)), &path)
}

/// Sorted.
fn ls(path: PathBuf) -> Result<Vec<Vec<u8>>, String> {
    let mut names = Vec::new();
    for entry in told(fs::read_dir(&path), &path)? {
        names.push(told(entry, &path)?.file_name().into_vec());
    }
    names.sort();
    Ok(names)
}

/// A path that leads to a root or nowhere is more likely a mistake than meant.
fn remove_all(path: PathBuf) -> Result<(), String> {
    if !path.components().any(|part| matches!(part, Component::Normal(_))) {
        return Err(format!("'{}' is not removed: it is no file or folder in one", path.display()));
    }
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Ok(data) if data.is_dir() => told(fs::remove_dir_all(&path), &path),
        _ => told(fs::remove_file(&path), &path),
    }
}

/// Below something that is no folder there is nothing.
fn exists(path: PathBuf) -> Result<bool, String> {
    match path.try_exists() {
        Err(error) if error.kind() == ErrorKind::NotADirectory => Ok(false),
        outcome => told(outcome, &path),
    }
}

/// The path that an error is about, of those of a call that reads `from` and writes `to`.
fn to_blame<'a>(from: &'a Path, to: &'a Path) -> &'a Path {
    if fs::symlink_metadata(from).is_ok() { to } else { from }
}

fn copy((from, to): (PathBuf, PathBuf)) -> Result<(), String> {
    let source = told(fs::metadata(&from), &from)?;
    if source.is_dir() {
        return Err(format!("{}: a folder, and only files are copied", from.display()));
    }
    if !source.is_file() {
        return Err(format!("{}: not a regular file, and only those are copied", from.display()));
    }
    // It would be empty before it is read.
    if fs::metadata(&to).is_ok_and(|target| (target.dev(), target.ino()) == (source.dev(), source.ino())) {
        return Err(format!("{}: the same file as {}", to.display(), from.display()));
    }
    told(fs::copy(&from, &to), to_blame(&from, &to)).map(|_| ())
}

/// To another file system it copies a file.
fn rename((from, to): (PathBuf, PathBuf)) -> Result<(), String> {
    match fs::rename(&from, &to) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices && from.is_file() => {
            told(fs::copy(&from, &to), &to)?;
            told(fs::remove_file(&from), &from)
        }
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            Err(format!("{}: only files are moved to another file system", from.display()))
        }
        outcome => told(outcome, to_blame(&from, &to)),
    }
}

/// A new empty file that is this user's alone.
fn temporary() -> Result<Vec<u8>, String> {
    let file = told(tempfile::Builder::new().prefix("sloth-").tempfile(), &std::env::temp_dir())?;
    let (_, path) = file.keep().map_err(|error| error.to_string())?;
    Ok(path.into_os_string().into_vec())
}

/// Sorted. What cannot be read is left out.
fn matching(pattern: Vec<u8>) -> Result<Vec<Vec<u8>>, String> {
    let found = glob::matching(Path::new("."), &pattern)
        .map_err(|error| format!("'{}': {error}", String::from_utf8_lossy(&pattern)))?;
    let mut names: Vec<_> = found.into_iter().map(|path| path.into_os_string().into_vec()).collect();
    names.sort();
    Ok(names)
}
