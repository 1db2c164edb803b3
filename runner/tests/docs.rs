//! The Lua in the documentation runs, under every backend, and prints what stands under it.
//!
//! In `README.md` and `docs/*.md`, a block of `lua` that is followed by a block of `text` has to print exactly that, and end
//! well. `text exit N`: it ends with that exit code; `text stderr`: that is what it says on standard error. A block that is
//! not followed by one has to parse.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use std::path::Path;

use support::{BACKENDS, root, run_from, sloth, stems};

/// A block of Lua, and where it was found.
struct Example {
    page: String,
    /// Of its first line, from 1.
    line: usize,
    code: String,
    output: Option<String>,
    /// The exit code, and whether the output is that on standard error.
    exit: i32,
    stderr: bool,
}

#[test]
fn what_the_pages_show_is_what_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let examples: Vec<_> = examples().into_iter().filter(|example| example.output.is_some()).collect();
    for page in ["README.md", "docs/dsl.md", "docs/module.md", "docs/modules.md"] {
        assert!(examples.iter().any(|example| example.page == page), "no block with its output in {page}");
    }
    for Example { page, line, code, output, exit, stderr } in &examples {
        // The module is required on the first line of the example, so that the lines keep their numbers.
        let script = format!("local goroutine = require(\"goroutine\"); {code}");
        std::fs::write(folder.path().join("example.lua"), script).unwrap();
        for backend in BACKENDS {
            eprintln!("{page}:{line} under {backend}"); // seen if it fails
            let run = run_from(folder.path(), "example.lua", backend, &[]);
            assert_eq!(run.status.code(), Some(*exit), "{page}:{line} under {backend}: {run:#?}");
            let printed = if *stderr { run.stderr } else { run.stdout };
            assert_eq!(Some(&printed), output.as_ref(), "{page}:{line} under {backend}");
        }
    }
}

#[test]
fn what_the_pages_show_parses() {
    let folder = tempfile::tempdir().unwrap();
    let check = r#"assert(loadfile("example.lua"))"#;
    std::fs::write(folder.path().join("check.lua"), check).unwrap();
    let examples = examples();
    assert!(!examples.is_empty(), "no block of Lua found");
    for Example { page, line, code, .. } in examples.iter().filter(|example| example.output.is_none()) {
        std::fs::write(folder.path().join("example.lua"), code).unwrap();
        let run = run_from(folder.path(), "check.lua", BACKENDS[0], &[]);
        assert!(run.status.success(), "{page}:{line} does not parse: {run:#?}");
    }
}

#[test]
fn what_the_page_of_the_runner_shows_of_it_is_told() {
    let page = std::fs::read_to_string(root().join("docs/runner.md")).unwrap();
    let mut shown = 0;
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(arguments) = line.strip_prefix("    $ sloth-runner ") else { continue };
        let run = sloth(&root(), &arguments.split(' ').collect::<Vec<_>>());
        let told: Vec<_> = run.stdout.lines().chain(run.stderr.lines()).map(without_numbers).collect();
        while let Some(expected) = lines.next_if(|line| line.starts_with("    ")) {
            let expected = &expected[4..];
            assert!(expected == "..." || told.contains(&without_numbers(expected)), "{expected}: {run:#?}");
            shown += 1;
        }
    }
    assert!(shown > 5, "only {shown} lines are shown");
}

/// A line that may tell how long something took. The width of that is no matter either.
fn without_numbers(line: &str) -> String {
    let words = line.split_whitespace();
    let words: Vec<_> = words
        .map(|word| if word.trim_end_matches([':', ',']).parse::<f64>().is_ok() { "N" } else { word })
        .collect();
    words.join(" ").replace("N s", "N ms")
}

#[test]
fn blocks_are_found() {
    let page = "text\n```lua\na()\n\nb()\n```\n\n```text\nA\n```\n```lua\nc()\n```\nwords\n```text\nB\n```\n```text\n```\n";
    let found: Vec<_> = blocks("page", page)
        .into_iter()
        .map(|example| (example.line, example.code, example.output))
        .collect();
    assert_eq!(found, [(3, "a()\n\nb()\n".into(), Some("A\n".into())), (12, "c()\n".into(), None)]);
}

/// The Lua of all pages.
fn examples() -> Vec<Example> {
    let docs = stems(&root().join("docs"), "md").into_iter().map(|stem| format!("docs/{stem}.md"));
    std::iter::once("README.md".to_owned())
        .chain(docs)
        .flat_map(|page| {
            let text = std::fs::read_to_string(root().join(Path::new(&page))).unwrap();
            blocks(&page, &text)
        })
        .collect()
}

/// The Lua of a page. What a block prints is the block of `text` after it, with at most empty lines between them.
fn blocks(page: &str, text: &str) -> Vec<Example> {
    let mut examples = Vec::<Example>::new();
    // Whether the block that was read last is Lua, and nothing has come after it.
    let mut after_lua = false;
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            after_lua &= line.is_empty();
            continue;
        };
        let mut content = String::new();
        loop {
            match lines.next() {
                Some((_, "```")) => break,
                Some((_, line)) => content = content + line + "\n",
                None => panic!("{page}:{}: a block without an end", number + 1),
            }
        }
        match (language, examples.last_mut()) {
            (language, Some(example)) if after_lua && language.split(' ').next() == Some("text") => {
                example.output = Some(content);
                let mut words = language.split(' ').skip_while(|word| *word != "exit");
                example.exit = words.nth(1).map_or(0, |code| code.parse().unwrap());
                example.stderr = language.contains("stderr");
            }
            ("lua", _) => {
                examples.push(Example {
                    page: page.to_owned(),
                    line: number + 2,
                    code: content,
                    output: None,
                    exit: 0,
                    stderr: false,
                });
            }
            _ => {}
        }
        after_lua = language == "lua";
    }
    examples
}
