//! Bugs that are planted into a copy of the code, to see that the simulator catches them.
//!
//! `tests/planted/NN-name.edit` says in its first line what the bug is, then which promises may catch it, and what is to
//! be put in which file in the place of texts that occur there exactly once. The product itself knows nothing of it: only
//! the copy asks `planted::on(NN)`, so that one build has all bugs and each run only one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

/// What a copy asks, and the variable that answers.
const OVERLAY: &str = r#"//! Which of the planted bugs is on.
#![expect(missing_docs, clippy::disallowed_methods, reason = "this is a copy that is made to be wrong")]

pub fn on(number: u32) -> bool {
    static PLANTED: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *PLANTED.get_or_init(|| std::env::var("PERCOLATE_PLANTED").ok().and_then(|n| n.parse().ok()).unwrap_or(0)) == number
}
"#;

/// What a copy of the work tree is made without.
const LEFT_OUT: [&str; 5] = ["target", ".git", "scratch", "node_modules", ".github"];

/// A bug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Its number.
    pub number: u32,
    /// What is wrong, in a sentence.
    pub words: String,
    /// The promises that may catch it.
    pub caught_by: Vec<String>,
    steps: Vec<Step>,
}

/// What is put in the place of what.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    file: PathBuf,
    find: String,
    plant: String,
}

impl Edit {
    /// Reads an edit from its file's name and text.
    ///
    /// # Errors
    /// If it is not of that form.
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        let number = name.split('-').next().and_then(|number| number.parse().ok());
        let number = number.with_context(|| format!("{name} does not begin with a number"))?;
        let mut parts = text.split("--- in ");
        let mut head = parts.next().unwrap_or_default().lines();
        let words = head.next().unwrap_or_default().to_owned();
        let caught_by = head.next().and_then(|line| line.strip_prefix("caught by:"));
        let caught_by = caught_by.with_context(|| format!("{name} does not say by what it is caught"))?;
        let step = |part: &str| {
            let (file, rest) = part.split_once('\n').with_context(|| format!("{name} looks for nothing"))?;
            let (find, plant) = rest.split_once("--- plant\n").with_context(|| format!("{name} plants nothing"))?;
            Ok(Step { file: PathBuf::from(file), find: find.to_owned(), plant: plant.to_owned() })
        };
        let steps = parts.map(step).collect::<Result<Vec<_>>>()?;
        ensure!(!steps.is_empty(), "{name} changes nothing");
        Ok(Self { number, words, caught_by: caught_by.split_whitespace().map(str::to_owned).collect(), steps })
    }

    /// Plants the bug into files of a tree: those of `files`, and others that are read below `root` and added.
    ///
    /// # Errors
    /// If a text that it looks for is not there exactly once.
    pub fn plant(&self, root: &Path, files: &mut BTreeMap<PathBuf, String>) -> Result<()> {
        for Step { file, find, plant } in &self.steps {
            let text = match files.get(file) {
                Some(text) => text.clone(),
                None => std::fs::read_to_string(root.join(file))
                    .with_context(|| format!("planted bug {} is in {}", self.number, file.display()))?,
            };
            let times = text.matches(find.as_str()).count();
            ensure!(
                times == 1,
                "planted bug {} looks for this in {}, where it stands {times} times instead of once:\n{find}",
                self.number,
                file.display()
            );
            files.insert(file.clone(), text.replacen(find.as_str(), plant, 1));
        }
        Ok(())
    }
}

/// The edits of a work tree, by number.
///
/// # Errors
/// If one cannot be read.
pub fn edits(root: &Path) -> Result<Vec<Edit>> {
    let mut edits = Vec::new();
    for entry in std::fs::read_dir(root.join("tests/planted"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".edit") {
            edits.push(Edit::parse(&name, &std::fs::read_to_string(&path)?)?);
        }
    }
    edits.sort_by_key(|edit| edit.number);
    Ok(edits)
}

/// The files of a tree as they are with all bugs planted; nothing is written.
///
/// # Errors
/// If a text that is looked for is not there exactly once.
pub fn planted_files(root: &Path, edits: &[Edit]) -> Result<BTreeMap<PathBuf, String>> {
    let mut files = BTreeMap::new();
    edits.iter().try_for_each(|edit| edit.plant(root, &mut files))?;
    Ok(files)
}

/// Copies a work tree with all bugs planted.
///
/// # Errors
/// If something cannot be read, written or planted.
pub fn copy_with_bugs(root: &Path, to: &Path, edits: &[Edit]) -> Result<()> {
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    copy_tree(root, to)?;
    for (file, text) in planted_files(root, edits)? {
        std::fs::write(to.join(file), text)?;
    }
    std::fs::write(to.join("common/src/planted.rs"), OVERLAY)?;
    let library = to.join("common/src/lib.rs");
    let text = std::fs::read_to_string(&library)?;
    Ok(std::fs::write(&library, format!("{text}\npub mod planted;\n"))?)
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if LEFT_OUT.iter().any(|left_out| name == *left_out) {
            continue;
        }
        let (kind, target) = (entry.file_type()?, to.join(&name));
        if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if kind.is_file() {
            let _bytes = std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// What the simulator said of a bug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catch {
    /// Simulated hours of that world.
    pub hours: u64,
    /// Its seed.
    pub seed: u64,
    /// The promise that was broken.
    pub oracle: String,
}

/// Reads the first broken promise from what the simulator printed, if there is one.
///
/// # Errors
/// If it is not of the form that is expected.
pub fn first_catch(printed: &str) -> Result<Option<Catch>> {
    let Some(line) = printed.lines().find(|line| line.starts_with("BROKEN after ")) else { return Ok(None) };
    let mut words = line.split([' ', ',', ':']).filter(|word| !word.is_empty());
    let (hours, seed, oracle) = (words.nth(2), words.nth(3), words.next());
    match (hours.and_then(|n| n.parse().ok()), seed.and_then(|n| n.parse().ok()), oracle) {
        (Some(hours), Some(seed), Some(oracle)) => Ok(Some(Catch { hours, seed, oracle: oracle.to_owned() })),
        _other => bail!("this is not understood: {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "It is wrong.\ncaught by: Once Sums\n--- in a.rs\nx\n--- plant\ny\n--- in a.rs\nz\n--- plant\n";

    #[test]
    fn an_edit_is_read_and_planted_where_its_text_stands_once() {
        let edit = Edit::parse("07-wrong.edit", TEXT).unwrap();
        assert_eq!((edit.number, edit.words.as_str()), (7, "It is wrong."));
        assert_eq!(edit.caught_by, ["Once", "Sums"]);
        let plant = |text: &str| {
            let mut files = BTreeMap::from([(PathBuf::from("a.rs"), text.to_owned())]);
            edit.plant(Path::new("nowhere"), &mut files).map(|()| files.into_values().next().unwrap_or_default())
        };
        assert_eq!(plant("a\nx\nz\nb\n").unwrap(), "a\ny\nb\n");
        assert!(plant("a\nz\n").unwrap_err().to_string().contains("0 times"));
        assert!(plant("x\nx\nz\n").unwrap_err().to_string().contains("2 times"));
        assert!(Edit::parse("wrong.edit", TEXT).is_err());
    }

    /// Whoever changes code that a bug is planted in finds out here, and plants it anew.
    #[test]
    fn every_bug_can_be_planted() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let edits = edits(&root).unwrap();
        assert!(edits.len() >= 8, "{} bugs", edits.len());
        planted_files(&root, &edits).unwrap();
    }

    #[test]
    fn the_first_broken_promise_is_read() {
        let printed = "\nBROKEN after 9 simulated hours, seed 41: Once: a ticket is lost\n    day 0\n";
        let found = first_catch(printed).unwrap().unwrap();
        assert_eq!(found, Catch { hours: 9, seed: 41, oracle: "Once".to_owned() });
        assert_eq!(first_catch("No promise was broken.").unwrap(), None);
    }
}
