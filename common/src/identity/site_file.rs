//! What of a bundle lies on the box that it made: `site.json`, and the menu beside it. Whoever installs a bundle writes
//! them, the menu first, and the box reads them at each start.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::bundle::{BundleError, BundleV1, ChainV1, bound_frames, decoded, encoded};
use super::hex;
use super::site::SiteV1;

/// The name of the file that describes the box. Codes of people stand in it: it is not for everybody to read.
pub const SITE_FILE: &str = "site.json";

/// The name of the file with the menu, in the folder of [`SITE_FILE`].
pub const MENU_FILE: &str = "menu.batches";

/// Where a box that has a name in its shop serves its terminals: at all of its addresses.
const LAN_HTTPS: &str = "0.0.0.0:8443";

/// Bytes of a description that are read.
pub const SITE_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A box's description of itself, in JSON. What a newer program adds, an older one skips.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteFileV1 {
    /// The number of the bundle that it is from.
    pub bundle: u64,
    /// When that was made, in UTC milliseconds: no clock of the box may say less.
    pub made_at_ms: i64,
    /// The chain, with the root that the box believes.
    pub chain: ChainV1,
    /// The shop.
    pub site: SiteV1,
    /// Hash (BLAKE3) of the file with the menu, 64 small hexadecimal digits.
    pub menu: String,
    /// Where the box serves its terminals in the shop's network, as `HOST:PORT`; nowhere if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https: Option<String>,
}

/// The file with the menu: the catalog's journals as the frames that the hub would send, in their order.
#[derive(Encode, Decode)]
#[cbor(map)]
struct MenuFileV1 {
    #[n(0)]
    journals: Vec<ByteVec>,
}

impl SiteFileV1 {
    /// What is to be written of a bundle: the description, and the content of the file with the menu.
    ///
    /// # Errors
    /// [`BundleError`] if the bundle has more than is taken.
    pub fn of(bundle: &BundleV1) -> Result<(Self, Vec<u8>), BundleError> {
        bound_frames(&bundle.journals)?;
        let content = encoded(&MenuFileV1 { journals: bundle.journals.clone() }, WHAT)?;
        let file = Self {
            bundle: bundle.number,
            made_at_ms: bundle.made_at_ms,
            chain: bundle.chain.clone(),
            site: bundle.site.clone(),
            menu: hash(&content),
            https: (!bundle.site.lan_names.is_empty()).then(|| LAN_HTTPS.to_owned()),
        };
        file.check()?;
        Ok((file, content))
    }

    /// Whether no text and no list is longer than is taken.
    ///
    /// # Errors
    /// [`BundleError::TooMany`] names the first that is.
    pub fn check(&self) -> Result<(), BundleError> {
        self.chain.check()?;
        self.site.check()
    }

    /// The frames in the file with the menu.
    ///
    /// # Errors
    /// [`BundleError::OtherMenu`] if it is not the file that came with this description; [`BundleError`] if it is malformed or
    /// has more than is taken.
    pub fn menu_frames(&self, content: &[u8]) -> Result<Vec<ByteVec>, BundleError> {
        if hash(content) != self.menu {
            return Err(BundleError::OtherMenu);
        }
        let MenuFileV1 { journals } = decoded(content, WHAT)?;
        bound_frames(&journals)?;
        Ok(journals)
    }
}

const WHAT: &str = "menu";

/// The hash by which a server says which description it has read: of the file as it lies there.
#[must_use]
pub fn plan_of(site_file: &[u8]) -> String {
    hash(site_file)
}

fn hash(content: &[u8]) -> String {
    hex::encode(blake3::hash(content).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::bundle::tests::bundle;

    #[test]
    fn a_box_reads_what_was_installed() {
        let (file, menu) = SiteFileV1::of(&bundle()).unwrap();
        let text = serde_json::to_string(&file).unwrap();
        assert_eq!(serde_json::from_str::<SiteFileV1>(&text).unwrap(), file);
        assert_eq!(file.menu_frames(&menu), Ok(bundle().journals));
        assert_eq!((file.bundle, file.made_at_ms), (3, 1_795_000_000_000));
        for part in [
            r#""chain":{"id":"01040G2081040G2081040G2081","#,
            r#""https":["https://hub.example:8444"]"#,
            r#""site":{"store":42,"node":142,"name":"Harbour","zone":"America/New_York""#,
            r#""staff":[{"id":7,"name":"Ann","role":"lead","pin":"2468","badge":"04A224B9"}]"#,
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn what_a_newer_program_adds_is_skipped_and_what_is_missing_is_not_made_up() {
        let (file, _menu) = SiteFileV1::of(&bundle()).unwrap();
        let mut json = serde_json::to_value(&file).unwrap();
        json["site"]["colour"] = "red".into();
        assert_eq!(serde_json::from_value::<SiteFileV1>(json.clone()).unwrap(), file);
        json["chain"]["id"] = "X".into();
        assert!(serde_json::from_value::<SiteFileV1>(json).is_err());
        assert!(serde_json::from_str::<SiteFileV1>("{}").is_err());
    }

    #[test]
    fn another_menu_or_a_part_of_it_is_not_taken() {
        let (file, menu) = SiteFileV1::of(&bundle()).unwrap();
        for length in 0..menu.len() {
            assert_eq!(file.menu_frames(&menu[..length]), Err(BundleError::OtherMenu), "{length}");
        }
        let (other, _) = SiteFileV1::of(&BundleV1 { journals: vec![vec![9].into()], ..bundle() }).unwrap();
        assert_eq!(other.menu_frames(&menu), Err(BundleError::OtherMenu));
    }

    #[test]
    fn what_is_too_much_for_a_bundle_is_too_much_for_a_box() {
        let mut large = bundle();
        large.chain.mqtt = vec![String::new(); 9];
        assert!(matches!(SiteFileV1::of(&large), Err(BundleError::TooMany { .. })));
        let mut large = bundle();
        large.journals = vec![vec![0; 96 * 1024 + 1].into()];
        assert!(matches!(SiteFileV1::of(&large), Err(BundleError::TooMany { .. })));
    }
}
