//! The tree as the rules see it: files with their paths, their layers, and what of them is test code.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::LazyLock;

use crate::lexer::{Layers, Mention, layers, mentions};

/// Folders that hold nothing of ours: built, fetched or written by a run.
const SKIPPED_FOLDERS: &[&str] = &["target", "scratch", ".git", "node_modules", "dist"];

/// Largest file that is read as text, in bytes. The project holds no big blobs.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// A breach of a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) path: String,
    /// Counted from 1; 0 is the file as a whole.
    pub(crate) line: usize,
    /// What is wrong and what to do.
    pub(crate) text: String,
}

/// One text file of the project.
#[derive(Debug)]
pub(crate) struct Source {
    /// From the root of the project, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// Only for Rust.
    rust: Option<Rust>,
}

#[derive(Debug)]
struct Rust {
    layers: Layers,
    mentions: Vec<Mention>,
    /// Per line: whether it is inside `#[cfg(test)]`.
    tested: Vec<bool>,
}

/// Every text file of the project, in the order of their paths.
pub(crate) static TREE: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sources = Vec::new();
    walk(&root, "", &mut sources).expect("invariant: the project's own tree can be read");
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(sources.iter().any(|s| s.path == "Cargo.toml"), "the walk did not find the project's root");
    sources
});

fn walk(folder: &Path, prefix: &str, sources: &mut Vec<Source>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() && !SKIPPED_FOLDERS.contains(&name.as_str()) {
            walk(&entry.path(), &path, sources)?;
        } else if kind.is_file() && entry.metadata()?.len() <= TEXT_BYTES_MAX {
            // A file that is not UTF-8 is a picture or a golden: nothing for these rules.
            if let Ok(text) = String::from_utf8(fs::read(entry.path())?) {
                sources.push(Source::new(&path, &text));
            }
        }
    }
    Ok(())
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let rust = path.ends_with(".rs").then(|| {
            let layers = layers(text);
            let mentions = mentions(&layers.bare);
            let tested = tested_lines(&layers.bare);
            Rust { layers, mentions, tested }
        });
        Self { path: path.to_owned(), text: text.to_owned(), rust }
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.rust.is_some()
    }

    /// Whether the whole file is test code: the package of system tests, a `tests` folder, a `tests.rs`, a benchmark.
    pub(crate) fn is_test_file(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || self.path.contains("/benches/")
            || self.path.ends_with("/tests.rs")
    }

    /// Whether `line` (from 1) is product code rather than a test.
    fn is_product(&self, line: usize) -> bool {
        let tested = self.rust.as_ref().and_then(|r| r.tested.get(line.saturating_sub(1))).copied();
        !self.is_test_file() && tested == Some(false)
    }

    /// All lines as they stand, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        numbered(&self.text)
    }

    /// Lines of product code without comments, from 1; empty when this is not Rust.
    pub(crate) fn product_code(&self) -> impl Iterator<Item = (usize, &str)> {
        let code = self.rust.as_ref().map_or("", |r| r.layers.code.as_str());
        numbered(code).filter(|(line, _)| self.is_product(*line))
    }

    /// Lines of product code without comments and without text in literals.
    pub(crate) fn product_bare(&self) -> impl Iterator<Item = (usize, &str)> {
        numbered(self.bare()).filter(|(line, _)| self.is_product(*line))
    }

    /// The whole file without comments and without text in literals, tests included; empty when this is not Rust.
    pub(crate) fn bare(&self) -> &str {
        self.rust.as_ref().map_or("", |r| r.layers.bare.as_str())
    }

    /// Paths that product code names.
    pub(crate) fn product_mentions(&self) -> impl Iterator<Item = &Mention> {
        let all = self.rust.as_ref().map_or(&[][..], |r| r.mentions.as_slice());
        all.iter().filter(|m| self.is_product(m.line))
    }

    pub(crate) fn finding(&self, line: usize, text: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, text: text.into() }
    }
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line))
}

/// Marks the lines of every item that stands under `#[cfg(test)]`.
fn tested_lines(bare: &str) -> Vec<bool> {
    let mut marks = Vec::new();
    let mut inside = Item::Outside;
    for line in bare.lines() {
        let starts = inside == Item::Outside && line.trim_start().starts_with("#[cfg(test)]");
        if starts {
            inside = Item::Open(0);
        }
        marks.push(inside != Item::Outside);
        if let Item::Open(depth) = inside {
            inside = item_after(depth, line);
        }
    }
    marks
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Item {
    Outside,
    /// Braces that are open.
    Open(usize),
}

fn item_after(mut depth: usize, line: &str) -> Item {
    for c in line.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return Item::Outside,
            '}' => depth -= 1,
            ';' if depth == 0 => return Item::Outside,
            _ => {}
        }
    }
    Item::Open(depth)
}

/// Runs `rule` over the tree and fails with every finding, one on a line.
pub(crate) fn assert_clean(rule: impl Fn(&Source) -> Vec<Finding>) {
    let findings: Vec<Finding> = TREE.iter().flat_map(rule).collect();
    assert_none(&findings);
}

/// Fails with every finding, one on a line.
pub(crate) fn assert_none(findings: &[Finding]) {
    let list: Vec<String> = findings.iter().map(|f| format!("  {}:{}: {}", f.path, f.line, f.text)).collect();
    assert!(list.is_empty(), "{} findings\n{}", list.len(), list.join("\n"));
}

/// How many findings `rule` has on a file of that path and text.
pub(crate) fn count(rule: impl Fn(&Source) -> Vec<Finding>, path: &str, text: &str) -> usize {
    rule(&Source::new(path, text)).len()
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn what_stands_under_cfg_test_is_not_product() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { if true {} }\n}\nfn c() {}\n#[cfg(test)]\nmod t;\nfn d() {}\n";
        let source = Source::new("common/src/x.rs", text);
        let lines: Vec<usize> = source.product_bare().map(|(line, _)| line).collect();
        assert_eq!(lines, [1, 6, 9]);
    }

    #[test]
    fn test_files_hold_no_product_code() {
        assert_eq!(Source::new("store-node/tests/it/main.rs", "fn a() {}").product_bare().count(), 0);
        assert_eq!(Source::new("store-node/src/store/tests.rs", "fn a() {}").product_bare().count(), 0);
        assert_eq!(Source::new("store-node/src/store/mod.rs", "fn a() {}").product_bare().count(), 1);
    }
}
