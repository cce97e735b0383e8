//! Manifests: one place for versions and lints, and dependencies only where the invariants let them be.

use crate::source::{Finding, Source};

/// Who may depend on what; the same list stands in deny.toml for dependencies of dependencies.
const WRAPPERS: &[(&str, &[&str])] = &[
    ("rumqttc", &["common/runtime", "tests/bench"]),
    ("mqtt5", &["cloud-hub"]),
    ("rusqlite", &["common/runtime", "store-node", "tests", "tests/bench", "tests/slow-disk"]),
    ("postgres", &["common/runtime"]),
    ("axum", &["common/runtime", "store-node", "cloud-hub"]),
    ("reqwest", &["provisioning", "cloud-hub", "tests"]),
    ("rcgen", &["common/runtime"]),
    ("ring", &["common/runtime"]),
    ("argon2", &["common/runtime"]),
    ("rustls", &["common/runtime"]),
    ("tokio-rustls", &["common/runtime"]),
    ("hyper", &["common/runtime"]),
];

/// What the pure package never depends on, even if nobody names it yet.
const IMPURE: &[&str] =
    &["tokio", "tracing", "log", "metrics", "getrandom", "rand", "anyhow", "percolate-runtime", "tempfile"];

/// Lines that every member inherits from the workspace.
const INHERITED: &[&str] = &[
    "version.workspace = true",
    "edition.workspace = true",
    "rust-version.workspace = true",
    "license.workspace = true",
];

/// The folder of a member's manifest; `None` for other files and for the workspace's own.
fn member(source: &Source) -> Option<&str> {
    source.path.strip_suffix("/Cargo.toml")
}

/// Lines with the table they stand in.
fn tabled(source: &Source) -> impl Iterator<Item = (usize, &str, &str)> {
    let mut table = "";
    source.lines().filter_map(move |(line, text)| {
        let text = text.split('#').next().unwrap_or_default().trim();
        if let Some(name) = text.strip_prefix('[') {
            table = name.trim_matches(|c| "[]".contains(c));
            return None;
        }
        (!text.is_empty()).then_some((line, table, text))
    })
}

/// The name of the dependency that `text` declares in `table`.
fn dependency<'a>(table: &str, text: &'a str) -> Option<&'a str> {
    let inside =
        table == "dependencies" || table.ends_with("dev-dependencies") || table.ends_with("build-dependencies");
    inside.then(|| text.split(|c: char| c == '.' || c == '=' || c.is_whitespace()).next()).flatten()
}

fn stray_dependencies(source: &Source) -> Vec<Finding> {
    let Some(folder) = member(source) else { return Vec::new() };
    let mut findings = Vec::new();
    for (line, table, text) in tabled(source) {
        let Some(name) = dependency(table, text) else { continue };
        let wrapped = WRAPPERS.iter().find(|(wrapped, _)| *wrapped == name);
        if let Some((_, lawful)) = wrapped.filter(|(_, lawful)| !lawful.contains(&folder)) {
            findings.push(source.finding(line, format!("`{name}` may be a dependency of {} only", lawful.join(", "))));
        }
        if folder == "common" && table == "dependencies" && IMPURE.contains(&name) {
            findings.push(source.finding(line, format!("`{name}` is not pure: it belongs in common/runtime")));
        }
        if !text.contains("workspace = true") {
            findings.push(source.finding(line, format!("`{name}`: versions stand in the workspace's Cargo.toml only")));
        }
    }
    findings
}

fn uninherited(source: &Source) -> Vec<Finding> {
    if member(source).is_none() {
        return Vec::new();
    }
    let own: Vec<(&str, &str)> = tabled(source).map(|(_, table, text)| (table, text)).collect();
    let package = INHERITED.iter().filter(|text| !own.contains(&("package", text)));
    let mut findings: Vec<Finding> = package.map(|text| source.finding(0, format!("`{text}` is missing"))).collect();
    if !own.contains(&("lints", "workspace = true")) {
        findings.push(source.finding(0, "`[lints] workspace = true` is missing: no lint would be on"));
    }
    findings
}

/// The lints of a workspace, each with its table.
fn lints(source: &Source) -> Vec<(&str, &str)> {
    let all = tabled(source).map(|(_, table, text)| (table, text));
    all.filter(|(table, _)| table.starts_with("workspace.lints")).collect()
}

/// Lints of another workspace that are not those of ours.
fn own_lints(source: &Source, ours: &[(&str, &str)]) -> Vec<Finding> {
    let is_workspace = member(source).is_some() && source.lines().any(|(_, text)| text.trim() == "[workspace]");
    if is_workspace && lints(source) != ours {
        return vec![source.finding(0, "its `workspace.lints` are not those of the project's Cargo.toml")];
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::{IMPURE, WRAPPERS, lints, member, own_lints, stray_dependencies, uninherited};
    use crate::source::{TREE, assert_clean, count};

    const WHOLE: &str = "[package]\nname = \"a\"\nversion.workspace = true\nedition.workspace = true\nrust-version.workspace = true\n\
        license.workspace = true\n\n[lints]\nworkspace = true\n";

    #[test]
    fn dependencies_stay_where_they_may_be() {
        assert!(TREE.iter().filter(|s| member(s).is_some()).count() >= 6);
        assert_clean(stray_dependencies);
    }

    #[test]
    fn a_stray_dependency_is_caught() {
        for (name, lawful) in WRAPPERS {
            let text = format!("[dependencies]\n{name}.workspace = true\n");
            assert_eq!(count(stray_dependencies, "common/Cargo.toml", &text), 1, "{name}");
            assert_eq!(count(stray_dependencies, &format!("{}/Cargo.toml", lawful[0]), &text), 0, "{name}");
        }
        for name in IMPURE {
            let text = format!("[dependencies]\n{name} = {{ workspace = true, features = [\"x\"] }}\n");
            assert_eq!(count(stray_dependencies, "common/Cargo.toml", &text), 1, "{name}");
        }
        assert_eq!(count(stray_dependencies, "store-node/Cargo.toml", "[dev-dependencies]\nserde = \"1\"\n"), 1);
    }

    #[test]
    fn members_inherit_from_the_workspace() {
        assert_clean(uninherited);
    }

    #[test]
    fn all_workspaces_have_the_same_lints() {
        let ours = TREE.iter().find(|s| s.path == "Cargo.toml").map(lints).unwrap();
        assert!(!ours.is_empty());
        assert_clean(|source| own_lints(source, &ours));
    }

    #[test]
    fn a_workspace_with_other_lints_is_caught() {
        let ours = [("workspace.lints.rust", "unsafe_code = \"deny\"")];
        let own = "[workspace]\n[workspace.lints.rust]\nunsafe_code = \"deny\"\n";
        assert_eq!(count(|source| own_lints(source, &ours), "a/Cargo.toml", own), 0);
        assert_eq!(count(|source| own_lints(source, &ours), "a/Cargo.toml", &own.replace("deny", "warn")), 1);
        assert_eq!(count(|source| own_lints(source, &ours), "a/Cargo.toml", "[workspace]\n"), 1);
        assert_eq!(count(|source| own_lints(source, &ours), "a/Cargo.toml", WHOLE), 0);
    }

    #[test]
    fn a_member_of_its_own_mind_is_caught() {
        assert_eq!(count(uninherited, "a/Cargo.toml", WHOLE), 0);
        assert_eq!(
            count(uninherited, "a/Cargo.toml", &WHOLE.replace("version.workspace = true\ned", "version = \"1\"\ned")),
            1
        );
        assert_eq!(count(uninherited, "a/Cargo.toml", &WHOLE.replace("[lints]", "[other]")), 1);
    }
}
