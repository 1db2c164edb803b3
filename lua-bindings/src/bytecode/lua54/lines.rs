//! [`from_steps`]: the source lines of a function as Lua 5.4 and later write them.

use super::super::Malformed;

/// In place of a step: the line is in the next mark.
const MARKED: i8 = i8::MIN;

/// The line of each instruction.
///
/// Each of the `steps` is a signed byte: by how much a line differs from the one before. The `marks` are the
/// instructions and lines where the step would not fit, or a fixed point is due.
pub(in super::super) fn from_steps(
    line_defined: u32,
    steps: &[u8],
    mut marks: &[(u32, u32)],
) -> Result<Vec<u32>, Malformed> {
    let mut line = i64::from(line_defined);
    let mut lines = Vec::with_capacity(steps.len());
    for (pc, step) in steps.iter().enumerate() {
        match step.cast_signed() {
            MARKED => {
                let ((_, marked), rest) = marks
                    .split_first()
                    .filter(|((marked_pc, _), _)| *marked_pc as usize == pc)
                    .ok_or(Malformed::Invalid("lines and instructions don't match"))?;
                line = i64::from(*marked);
                marks = rest;
            }
            step => line += i64::from(step),
        }
        lines.push(u32::try_from(line).map_err(|_| Malformed::Invalid("no such line"))?);
    }
    Ok(lines)
}
