//! Who may name what: the invariants of ARCHITECTURE.md, each as something that is absent.

use std::collections::BTreeSet;

use crate::lexer::has_word;
use crate::source::{Finding, Source};

/// A path prefix that product code may name in few places only.
struct Ban {
    /// What must not be named, with everything below it.
    path: &'static str,
    /// Where it is banned: any of these starts of a file's path.
    inside: &'static [&'static str],
    /// Where it is lawful all the same.
    except: &'static [Place],
    why: &'static str,
}

/// A lawful place.
enum Place {
    /// The file itself, or everything in a folder when it ends with `/`.
    At(&'static str),
    /// Any file or folder of that name, at any depth; without the ending `.rs`.
    Named(&'static str),
}

const PURE: &[&str] = &["common/src/"];
const EVERYWHERE: &[&str] = &[""];
const PURE_WHY: &str = "common is pure: take it as an argument, or do it in common/runtime";
const SQL_WHY: &str = "SQL lives in store-node/src/store, hub */store, kernel/journal, kernel/{db,duty,outbox,projection,unread} \
                       and runtime's database files";
const ENGINE_WHY: &str = "the database crate lives in the runtime's database files and store-node/src/store; the hub names no \
                          engine, it takes percolate_runtime::storage";
const TLS_WHY: &str = "TLS is set up in common/runtime/src/tls/ only, so that nobody leaves out a check";
const STREET_WHY: &str = "one-way street: http -> app -> store, sync -> app and store, identity -> app; only node.rs and \
                          main.rs see them all";

/// Where the database crate is lawful: not in the hub, whose tables may be on another engine.
const ENGINE_PLACES: &[Place] = &[
    Place::At("common/runtime/src/checkpoint.rs"),
    Place::At("common/runtime/src/connection.rs"),
    Place::At("common/runtime/src/sqlite.rs"),
    Place::At("common/runtime/src/storage/"),
    Place::At("store-node/src/store/"),
];

/// Where TLS's own types are lawful: where it is set up, and where it is given something to carry.
const TLS_PLACES: &[Place] = &[
    Place::At("common/runtime/src/tls/"),
    Place::At("common/runtime/src/pki/"),
    Place::At("common/runtime/src/http/"),
    Place::At("common/runtime/src/mqtt.rs"),
];

/// Where SQL is lawful.
const SQL_PLACES: &[Place] = &[
    Place::At("common/runtime/src/checkpoint.rs"),
    Place::At("common/runtime/src/connection.rs"),
    Place::At("common/runtime/src/follower.rs"),
    Place::At("common/runtime/src/migrate.rs"),
    Place::At("common/runtime/src/postgres.rs"),
    Place::At("common/runtime/src/sqlite.rs"),
    Place::At("store-node/src/store/"),
    Place::At("cloud-hub/src/kernel/db.rs"),
    Place::At("cloud-hub/src/kernel/duty.rs"),
    Place::At("cloud-hub/src/kernel/journal/"),
    Place::At("cloud-hub/src/kernel/outbox.rs"),
    Place::At("cloud-hub/src/kernel/projection/positions.rs"),
    Place::At("cloud-hub/src/kernel/unread.rs"),
    Place::At("cloud-hub/src/moving/tables.rs"),
    Place::At("cloud-hub/src/prepare.rs"),
    Place::Named("store"),
];

const fn pure(path: &'static str) -> Ban {
    Ban { path, inside: PURE, except: &[], why: PURE_WHY }
}

const fn street(path: &'static str, inside: &'static [&'static str]) -> Ban {
    Ban { path, inside, except: &[], why: STREET_WHY }
}

const BANS: &[Ban] = &[
    pure("tokio"),
    pure("rusqlite"),
    pure("axum"),
    pure("rcgen"),
    pure("ring"),
    pure("rustls"),
    pure("rumqttc"),
    pure("mqtt5"),
    pure("tracing"),
    pure("metrics"),
    pure("log"),
    pure("rand"),
    pure("getrandom"),
    pure("anyhow"),
    pure("percolate_runtime"),
    pure("std::env"),
    pure("std::fs"),
    pure("std::net"),
    pure("std::process"),
    pure("std::thread"),
    pure("std::time::SystemTime"),
    pure("std::time::Instant"),
    Ban {
        path: "axum",
        inside: EVERYWHERE,
        except: &[Place::Named("http")],
        why: "axum lives in http.rs and http/ only; the composition root takes a finished router from there",
    },
    Ban {
        path: "rumqttc",
        inside: EVERYWHERE,
        except: &[
            Place::At("common/runtime/src/mqtt.rs"),
            Place::At("common/runtime/src/filters.rs"),
            Place::At("tests/bench/src/stores/link.rs"),
        ],
        why: "the MQTT client lives in common/runtime/src/mqtt.rs, with filters.rs beside it; a bench of thousands of stores has its codec",
    },
    Ban {
        path: "mqtt5",
        inside: EVERYWHERE,
        except: &[Place::At("cloud-hub/src/broker/")],
        why: "the embedded broker lives in cloud-hub/src/broker/ only",
    },
    Ban {
        path: "rcgen",
        inside: EVERYWHERE,
        except: &[Place::At("common/runtime/src/pki/")],
        why: "certificates are made in common/runtime/src/pki/ only",
    },
    Ban { path: "rustls", inside: EVERYWHERE, except: TLS_PLACES, why: TLS_WHY },
    Ban { path: "tokio_rustls", inside: EVERYWHERE, except: TLS_PLACES, why: TLS_WHY },
    Ban {
        path: "ring",
        inside: EVERYWHERE,
        except: &[
            Place::At("common/runtime/src/seal.rs"),
            Place::At("common/runtime/src/totp.rs"),
            Place::At("common/runtime/src/verify.rs"),
            Place::At("common/runtime/src/pki/fingerprint.rs"),
        ],
        why: "bundles are sealed in common/runtime/src/seal.rs, many signatures checked in verify.rs, codes made in totp.rs and \
              fingerprints in pki/fingerprint.rs, only; keys of authors are percolate_common::journal's",
    },
    Ban { path: "rusqlite", inside: EVERYWHERE, except: ENGINE_PLACES, why: ENGINE_WHY },
    Ban { path: "percolate_runtime::sqlite", inside: &["cloud-hub/"], except: &[], why: ENGINE_WHY },
    Ban {
        path: "anyhow",
        inside: EVERYWHERE,
        except: &[Place::Named("main"), Place::At("provisioning/")],
        why: "one error enum per boundary; anyhow is for main.rs, provisioning and tests",
    },
    Ban {
        path: "std::time::SystemTime::now",
        inside: EVERYWHERE,
        except: &[Place::At("common/runtime/src/system.rs")],
        why: "the wall clock is read in common/runtime/src/system.rs only",
    },
    Ban {
        path: "std::process::exit",
        inside: EVERYWHERE,
        except: &[Place::Named("main")],
        why: "only main decides the exit code, after everything has stopped in order",
    },
    street("crate::http", &["store-node/src/app/", "store-node/src/store/", "store-node/src/sync/"]),
    street("crate::sync", &["store-node/src/app/", "store-node/src/store/", "store-node/src/http/"]),
    street("crate::app", &["store-node/src/store/"]),
    street("crate::http", &["store-node/src/identity/", "store-node/src/devices/"]),
    street("crate::sync", &["store-node/src/identity/", "store-node/src/devices/"]),
    street(
        "crate::devices",
        &["store-node/src/app/", "store-node/src/store/", "store-node/src/http/", "store-node/src/sync/"],
    ),
    street("crate::store", &["store-node/src/identity/"]),
    street(
        "crate::identity",
        &["store-node/src/app/", "store-node/src/store/", "store-node/src/http/", "store-node/src/sync/"],
    ),
    street(
        "crate::node",
        &[
            "store-node/src/app/",
            "store-node/src/store/",
            "store-node/src/http/",
            "store-node/src/sync/",
            "store-node/src/identity/",
            "store-node/src/devices/",
        ],
    ),
    street("crate::wire", &["common/src/domain/", "common/src/crdt/", "common/src/journal", "common/src/identity/"]),
    street(
        "crate::sync",
        &["common/src/domain/", "common/src/crdt/", "common/src/journal", "common/src/identity/", "common/src/wire/"],
    ),
];

impl Place {
    fn holds(&self, path: &str) -> bool {
        match self {
            Self::At(place) if place.ends_with('/') => path.starts_with(place),
            Self::At(place) => path == *place,
            Self::Named(name) => path.split('/').any(|part| part.trim_end_matches(".rs") == *name),
        }
    }
}

/// Whether `path` is `prefix` or stands below it.
fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn banned_paths(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ban in BANS {
        let inside = ban.inside.iter().any(|start| source.path.starts_with(start));
        if !inside || ban.except.iter().any(|place| place.holds(&source.path)) {
            continue;
        }
        for mention in source.product_mentions().filter(|m| is_below(&m.path, ban.path)) {
            findings.push(source.finding(mention.line, format!("`{}`: {}", mention.path, ban.why)));
        }
    }
    findings
}

/// Text that starts a statement of SQL.
const SQL_STARTS: &[&str] = &[
    "SELECT ",
    "INSERT INTO",
    "INSERT OR",
    "DELETE FROM",
    "CREATE TABLE",
    "CREATE INDEX",
    "DROP TABLE",
    "ALTER TABLE",
    "PRAGMA ",
];

/// Whether statements may stand in the file.
pub(crate) fn is_sql_place(path: &str) -> bool {
    SQL_PLACES.iter().any(|place| place.holds(path))
}

fn stray_sql(source: &Source) -> Vec<Finding> {
    if is_sql_place(&source.path) {
        return Vec::new();
    }
    let is_sql = |text: &str| {
        let update = text.split_once("UPDATE ").is_some_and(|(_, rest)| rest.contains(" SET "));
        update || SQL_STARTS.iter().any(|start| text.contains(start))
    };
    source.product_code().filter(|(_, text)| is_sql(text)).map(|(line, _)| source.finding(line, SQL_WHY)).collect()
}

fn floats(source: &Source) -> Vec<Finding> {
    if !source.path.starts_with("common/src/") {
        return Vec::new();
    }
    let hits = source.product_bare().filter(|(_, text)| has_word(text, "f32") || has_word(text, "f64"));
    hits.map(|(line, _)| source.finding(line, "no floats in common: money, stock and time are integers")).collect()
}

fn glob_imports(source: &Source) -> Vec<Finding> {
    let globs = source.product_mentions().filter(|m| m.import && m.path.ends_with("::*"));
    globs
        .map(|m| source.finding(m.line, format!("`{}`: name what you use, so that the layers can be seen", m.path)))
        .collect()
}

/// Folders of the hub that are not services.
const HUB_SHARED: &[&str] = &["kernel", "sync"];

/// Folders beside the composition root that know every service, as it does.
const HUB_ROOTS: &[&str] = &["moving"];

/// The hub's services, by the folders that exist.
fn hub_services<'a>(tree: impl IntoIterator<Item = &'a Source>) -> BTreeSet<String> {
    let folders = tree.into_iter().filter_map(|s| s.path.strip_prefix("cloud-hub/src/")?.split_once('/'));
    let others = [HUB_SHARED, HUB_ROOTS].concat();
    folders.map(|(folder, _)| folder.to_owned()).filter(|f| !others.contains(&f.as_str())).collect()
}

/// Services meet in the journal only; what they stand on does not know them.
fn service_circles(source: &Source, services: &BTreeSet<String>) -> Vec<Finding> {
    let Some((own, _)) = source.path.strip_prefix("cloud-hub/src/").and_then(|rest| rest.split_once('/')) else {
        return Vec::new();
    };
    if HUB_ROOTS.contains(&own) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for mention in source.product_mentions() {
        let Some(first) = mention.path.trim_start_matches("super::").trim_start_matches("crate::").split("::").next()
        else {
            continue;
        };
        let climbs = mention.path.starts_with("crate::") || mention.path.starts_with("super::super::");
        if climbs && first != own && services.contains(first) {
            findings
                .push(source.finding(mention.line, format!("`{}`: services meet in the journal only", mention.path)));
        }
        if climbs && services.contains(own) && ["sync", "hub", "broker"].contains(&first) {
            findings.push(
                source.finding(mention.line, format!("`{}`: a service stands on kernel and common only", mention.path)),
            );
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{BANS, banned_paths, floats, glob_imports, hub_services, service_circles, stray_sql};
    use crate::source::{Finding, Source, TREE, assert_clean, count};

    #[test]
    fn nobody_names_what_is_banned_there() {
        assert_clean(banned_paths);
    }

    #[test]
    fn every_ban_fires() {
        for ban in BANS {
            for start in ban.inside {
                let folder = if start.is_empty() { "cloud-hub/src/".to_owned() } else { (*start).to_owned() };
                let path = format!("{}/sample.rs", folder.trim_end_matches('/'));
                let product = format!("use {}::{{a, b::C}};", ban.path);
                let test = format!("#[cfg(test)]\nmod tests {{ use {}::a; }}", ban.path);
                assert!(count(banned_paths, &path, &product) >= 1, "{} in {path}", ban.path);
                assert_eq!(count(banned_paths, &path, &test), 0, "{} in the tests of {path}", ban.path);
            }
        }
    }

    #[test]
    fn a_ban_knows_its_lawful_places_and_its_edges() {
        assert_eq!(count(banned_paths, "store-node/src/http/router.rs", "use axum::Router;"), 0);
        assert_eq!(count(banned_paths, "store-node/src/node.rs", "use axum::Router;"), 1);
        assert_eq!(count(banned_paths, "store-node/src/store/sales.rs", "fn f(c: &rusqlite::Connection) {}"), 0);
        assert_eq!(count(banned_paths, "cloud-hub/src/reporting/store.rs", "fn f(c: &rusqlite::Connection) {}"), 1);
        assert_eq!(count(banned_paths, "common/runtime/src/mqtt.rs", "use rumqttc::AsyncClient;"), 0);
        assert_eq!(count(banned_paths, "cloud-hub/src/broker/embedded.rs", "use mqtt5::broker;"), 0);
        assert_eq!(
            count(banned_paths, "common/src/a.rs", "use std::{time::Duration, environment::x}; // std::env::var"),
            0
        );
    }

    #[test]
    fn sql_stays_in_its_rooms() {
        assert_clean(stray_sql);
    }

    #[test]
    fn stray_sql_is_caught() {
        for sample in ["\"SELECT id FROM t\"", "\"INSERT INTO t\"", "\"UPDATE t SET a = 1\"", "\"PRAGMA user_version\""]
        {
            assert_eq!(count(stray_sql, "store-node/src/app/tickets.rs", sample), 1, "{sample}");
            assert_eq!(count(stray_sql, "store-node/src/store/tickets.rs", sample), 0, "{sample}");
            assert_eq!(count(stray_sql, "cloud-hub/src/kernel/http.rs", sample), 1, "{sample}");
        }
        assert_eq!(count(stray_sql, "store-node/src/app/tickets.rs", "// SELECT the item\nlet a = \"UPDATE it\";"), 0);
    }

    #[test]
    fn common_has_no_floats() {
        assert_clean(floats);
    }

    #[test]
    fn a_float_is_caught() {
        assert_eq!(count(floats, "common/src/money.rs", "fn a(x: f64) {}"), 1);
        assert_eq!(count(floats, "common/src/money.rs", "// f64\nfn a(x: i64) { b(\"f32\") }"), 0);
    }

    #[test]
    fn imports_are_explicit() {
        assert_clean(glob_imports);
    }

    #[test]
    fn a_glob_import_is_caught() {
        assert_eq!(count(glob_imports, "a/src/b.rs", "use crate::{c::D, e::*};"), 1);
        assert_eq!(count(glob_imports, "a/src/b.rs", "#[cfg(test)]\nmod tests {\n use super::*;\n}"), 0);
    }

    #[test]
    fn hub_services_meet_in_the_journal_only() {
        let services = hub_services(TREE.iter());
        assert_clean(|source| service_circles(source, &services));
    }

    #[test]
    fn a_circle_of_services_is_caught() {
        let services = BTreeSet::from(["catalog".to_owned(), "reporting".to_owned()]);
        let rule = |source: &Source| -> Vec<Finding> { service_circles(source, &services) };
        assert_eq!(count(rule, "cloud-hub/src/reporting/http.rs", "use crate::{kernel::db, catalog::store};"), 1);
        assert_eq!(count(rule, "cloud-hub/src/reporting/http.rs", "fn f() { super::super::catalog::app::go() }"), 1);
        assert_eq!(count(rule, "cloud-hub/src/kernel/http.rs", "use crate::reporting::Report;"), 1);
        assert_eq!(count(rule, "cloud-hub/src/reporting/http.rs", "use crate::sync::ingest;"), 1);
        assert_eq!(count(rule, "cloud-hub/src/reporting/http.rs", "use super::store; use crate::reporting::app;"), 0);
        assert_eq!(count(rule, "cloud-hub/src/hub.rs", "use crate::{catalog, reporting};"), 0);
    }

    #[test]
    fn services_are_the_folders_that_are_not_shared() {
        let tree = ["cloud-hub/src/kernel/db.rs", "cloud-hub/src/fleet/app.rs", "cloud-hub/src/hub.rs"]
            .map(|p| Source::new(p, ""));
        assert_eq!(hub_services(tree.iter()), BTreeSet::from(["fleet".to_owned()]));
    }
}
