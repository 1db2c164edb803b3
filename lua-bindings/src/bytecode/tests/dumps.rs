//! Dumps that the compilers of all versions have made, so that each reader is tested whichever Lua is compiled in.
//!
//! `dumps/regenerate` makes them from the scripts of the tests; it has to run when scripts are added or changed.

use super::version::{ALL, Version};

/// A script, the dump of the function that it returns, and the same stripped.
pub(super) struct Dumped {
    pub(super) script: &'static str,
    pub(super) whole: &'static [u8],
    pub(super) stripped: &'static [u8],
}

impl Version {
    /// All dumps that there are of this version.
    pub(super) fn all_dumped(&self) -> Vec<Dumped> {
        let mut rest = self.dumps;
        let mut all = Vec::new();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, bytes) = rest.split_at(end + 1);
            let lengths = std::str::from_utf8(line).unwrap();
            let lengths: Vec<usize> = lengths.split_whitespace().map(|len| len.parse().unwrap()).collect();
            let [script, whole, stripped] = lengths[..] else { panic!("{lengths:?}") };
            let (script, bytes) = bytes.split_at(script);
            let (whole, bytes) = bytes.split_at(whole);
            let (stripped, bytes) = bytes.split_at(stripped);
            all.push(Dumped { script: std::str::from_utf8(script).unwrap(), whole, stripped });
            rest = bytes;
        }
        all
    }

    /// The dump that was made from this script.
    pub(super) fn dumped(&self, script: &str, strip: bool) -> Vec<u8> {
        let found = self.all_dumped().into_iter().find(|dumped| dumped.script == script);
        let found = found.unwrap_or_else(|| panic!("{}: run dumps/regenerate for: {script}", self.name));
        if strip { found.stripped.to_vec() } else { found.whole.to_vec() }
    }
}

#[test]
#[ignore = "for dumps/regenerate"]
fn write_scripts() {
    let folder = std::env::var("BYTECODE_SCRIPTS").unwrap();
    for version in ALL {
        let mut file = Vec::new();
        for script in version.scripts() {
            file.extend_from_slice(format!("{}\n{script}", script.len()).as_bytes());
        }
        std::fs::write(format!("{folder}/{}", version.name), file).unwrap();
    }
}

#[test]
fn every_dump_is_of_a_script_in_the_tests_and_the_other_way_round() {
    for version in ALL {
        let made: Vec<_> = version.all_dumped().into_iter().map(|dumped| dumped.script).collect();
        assert_eq!(made, version.scripts(), "{}: run dumps/regenerate", version.name);
    }
}
