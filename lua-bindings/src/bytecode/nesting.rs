//! [`read`]: the functions of a dump of PUC Lua, in which each stands inside the one around it.

use super::Malformed;
use super::proto::{Proto, resolve};

/// A dump whose header is read, and how its Lua version writes one function.
pub(super) trait Dump<'a> {
    /// A function up to where its nested ones begin, and how many of these there are.
    fn begin(&mut self) -> Result<(Proto<'a>, u32), Malformed>;

    /// The rest of a function, after its nested ones.
    fn end(&mut self, proto: &mut Proto<'a>) -> Result<(), Malformed>;

    /// How many bytes are still to come.
    fn left(&self) -> usize;
}

/// All functions of a dump, each before those nested in it; the main one is first. There is always one.
pub(super) fn read<'a>(dump: &mut impl Dump<'a>) -> Result<Vec<Proto<'a>>, Malformed> {
    let (main, nested) = dump.begin()?;
    let mut protos = vec![main];
    // Functions that are begun and not yet ended wait here, each with the number of nested ones still to come.
    let mut begun: Vec<(usize, u32)> = vec![(0, nested)];
    while let Some((place, to_come)) = begun.last_mut() {
        let place = *place;
        let next = protos.len();
        let Some(proto) = protos.get_mut(place) else {
            break;
        };
        if *to_come == 0 {
            begun.pop();
            proto.end = next;
            dump.end(proto)?;
        } else {
            *to_come -= 1;
            proto.children.push(next);
            let (nested, to_come) = dump.begin()?;
            protos.push(Proto { parent: place, ..nested });
            begun.push((next, to_come));
        }
    }
    if dump.left() > 0 {
        return Err(Malformed::Invalid("bytes after the end"));
    }
    Ok(protos)
}

/// The same, and where each captured variable comes from.
pub(super) fn read_resolved<'a>(dump: &mut impl Dump<'a>) -> Result<Vec<Proto<'a>>, Malformed> {
    let mut protos = read(dump)?;
    resolve(&mut protos)?;
    Ok(protos)
}
