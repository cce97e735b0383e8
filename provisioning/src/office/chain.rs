//! `provision chain init`.

use std::path::Path;

use percolate_common::time::UtcMillis;
use percolate_runtime::files::{FileError, read_secret_text};
use percolate_runtime::invitation::{OWNER_FILE, OwnerInvitation, Secret};
use percolate_runtime::pki::{BUNDLE_KEY_FILE, Founding, PkiError, found};
use percolate_runtime::seal::SealKey;
use percolate_runtime::system::{OsEntropy, clock_from_option};
use serde_json::{Value, json};

use super::{ChainInit, tell};
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// The CA's folder in the hub's data folder, where the hub looks for it.
const CA: &str = "ca";

pub(super) fn init(options: &ChainInit, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let (ca, safe) = (options.data.join(CA), &options.out);
    if safe.starts_with(&options.data) {
        return Err(Failure::usage("--out must not lie in --data: the root's key is to be taken away from the hub"));
    }
    let clock = clock_from_option(None).map_err(|error| Failure::new(Exit::Failed, error))?;
    let founding = found(&options.name, (&ca, safe), clock.now(), &OsEntropy).map_err(|error| {
        let exit = if matches!(error, PkiError::Name { .. }) { Exit::Usage } else { Exit::Failed };
        Failure::new(exit, error)
    })?;
    let (chain, is_new) = match founding {
        Founding::Made(chain) => (chain, true),
        Founding::There(chain) => (chain, false),
    };
    let fingerprint = fingerprint(&ca)?;
    let invited = owner(options, clock.now()).map_err(|error| Failure::new(Exit::Failed, error))?;
    let object = json!({
        "outcome": if is_new { "founded" } else { "there" }, "chain": chain.id, "name": chain.name,
        "ca": ca.display().to_string(), "fingerprint": fingerprint,
        "admin": invited.as_ref().map_or(Value::Null, |invited| json!({
            "name": invited.name.as_str(), "invitation": invited.secret.to_text(),
        })),
    });
    let lines = if is_new {
        format!(
            "The chain {} is founded.\n  \
             certificates for the hub   {}\n  \
             the root's key             {}\n  \
             its fingerprint            {fingerprint}, as on every sheet\n\
             Take the root's key away from this machine now, and keep it in a safe: whoever has it can speak for every shop.\n\
             Start the hub again: it enrols boxes from then on.\n",
            chain.name,
            ca.display(),
            safe.display(),
        )
    } else {
        format!(
            "The chain {} was founded before, in {}: nothing was changed. Its fingerprint is {fingerprint}.\n",
            chain.name,
            ca.display()
        )
    };
    let invitation = invited.map(|invited| {
        format!(
            "{} is invited to be the first owner, within a week: start the hub, and open there\n  \
             https://HUB:8444/#invitation={}\n\
             The same stands in {}.\n",
            invited.name,
            invited.secret.to_text(),
            options.data.join(OWNER_FILE).display(),
        )
    });
    tell(screen, json, &object, &(lines + &invitation.unwrap_or_default()))
}

/// The first owner's invitation: the one that is there, or a new one.
fn owner(options: &ChainInit, now: UtcMillis) -> Result<Option<OwnerInvitation>, FileError> {
    let Some(name) = &options.admin else { return Ok(None) };
    if let Some(there) = OwnerInvitation::read(&options.data)?.filter(|there| there.name == *name) {
        return Ok(Some(there));
    }
    let invited = OwnerInvitation { name: name.clone(), secret: Secret::draw(&OsEntropy), made_at: now };
    invited.write(&options.data)?;
    Ok(Some(invited))
}

/// What techs compare: of the key that seals the chain's bundles.
fn fingerprint(ca: &Path) -> Result<String, Failure> {
    let failed = |error: anyhow::Error| Failure::new(Exit::Failed, error);
    let text = read_secret_text(&ca.join(BUNDLE_KEY_FILE)).map_err(|error| failed(error.into()))?;
    let key = SealKey::from_text(&text).map_err(|error| failed(error.into()))?;
    Ok(key.public_key().fingerprint().to_string())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn the_first_owner_is_invited_once() {
        let dir = TempDir::new().unwrap();
        let options = |admin: Option<&str>| ChainInit {
            name: "Bytes & Brews".to_owned(),
            data: dir.path().to_owned(),
            out: dir.path().join("safe"),
            admin: admin.map(|name| name.parse().unwrap()),
        };
        let asked = |admin| owner(&options(admin), UtcMillis::new(7)).unwrap();
        assert_eq!(asked(None), None);
        let first = asked(Some("ann")).unwrap();
        assert_eq!(asked(Some("ann")), Some(first.clone()), "run again, it is the same");
        assert_eq!(OwnerInvitation::read(dir.path()).unwrap(), Some(first.clone()));
        assert_ne!(asked(Some("bea")).unwrap().secret, first.secret);
    }
}
