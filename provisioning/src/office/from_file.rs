//! Shops from a JSON file.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Map, Value};

use super::plan::{Asked, Wanted};
use crate::exit::{Exit, Failure};

/// Bytes of a file with shops.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The shops of a file, by number. Two with one number, or with one box, are a mistake.
pub(super) fn shops(file: &Path) -> Result<Asked, Failure> {
    let shops = read(file).map_err(|error| Failure::new(Exit::Usage, error))?;
    Ok(Asked { shops, ..Asked::default() })
}

fn read(file: &Path) -> anyhow::Result<Vec<Wanted>> {
    let shown = file.display();
    let said = json(file)?;
    let list = match said {
        Value::Array(list) => list,
        Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => vec![said],
    };
    let (mut shops, mut boxes) = (BTreeMap::new(), BTreeMap::new());
    for (place, shop) in list.into_iter().enumerate() {
        let place = place + 1;
        let Value::Object(mut site) = shop else { anyhow::bail!("shop {place} of {shown} is no object") };
        let number = site.remove("store").and_then(|number| u32::try_from(number.as_u64()?).ok());
        let store = number.with_context(|| format!("shop {place} of {shown} has no number: \"store\": 42"))?;
        if let Some(node) = site.get("node").and_then(Value::as_u64)
            && let Some(other) = boxes.insert(node, store)
        {
            anyhow::bail!("{shown} gives box {node} to shop {other} and to shop {store}");
        }
        anyhow::ensure!(shops.insert(store, site).is_none(), "{shown} has shop {store} twice");
    }
    anyhow::ensure!(!shops.is_empty(), "{shown} has no shops");
    Ok(shops.into_iter().map(|(store, site)| Wanted { store, site }).collect())
}

/// What is in a file. What is wrong with it is told by its place: people's PINs may stand in it.
fn json(file: &Path) -> anyhow::Result<Value> {
    let shown = file.display();
    let size = std::fs::metadata(file).with_context(|| format!("could not read {shown}"))?.len();
    anyhow::ensure!(size <= FILE_BYTES_MAX, "{shown} has {size} bytes, and at most {FILE_BYTES_MAX} are read");
    let text = std::fs::read_to_string(file).with_context(|| format!("could not read {shown}"))?;
    let parsed: Result<Value, _> = serde_json::from_str(&text);
    parsed.map_err(|error| anyhow::anyhow!("{shown} is no JSON: line {}, column {}", error.line(), error.column()))
}

/// The one object of a file.
pub(super) fn object(file: &Path) -> Result<Map<String, Value>, Failure> {
    match json(file).map_err(|error| Failure::new(Exit::Usage, error))? {
        Value::Object(object) => Ok(object),
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Err(Failure::usage(format!("{} is to hold one object in JSON", file.display())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("shops.json");
        std::fs::write(&file, text).unwrap();
        read(&file).unwrap_err().to_string()
    }

    #[test]
    fn shops_are_told_apart_by_number_and_by_box() {
        assert!(refused(r#"[{"store": 42, "node": 1}, {"store": 42, "node": 2}]"#).contains("shop 42 twice"));
        assert!(
            refused(r#"[{"store": 42, "node": 1}, {"store": 43, "node": 1}]"#)
                .contains("box 1 to shop 42 and to shop 43")
        );
        assert!(refused(r#"[{"store": 42}, {"node": 2}]"#).contains("shop 2 of"));
        assert!(refused("[]").contains("no shops"));
        assert!(refused("[7]").contains("no object"));
    }

    #[test]
    fn what_is_no_json_is_told_by_its_place_and_not_repeated() {
        let said = refused("{\"store\": 42,\n \"staff\": [{\"pin\": 2468x}]}");
        assert!(said.contains("line 2") && !said.contains("2468"), "{said}");
    }
}
