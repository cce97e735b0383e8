//! A bundle on its way from head office to a box.

use percolate_common::entropy::SeededEntropy;
use percolate_common::identity::bundle::{BundleV1, ChainV1, PurposeV1};
use percolate_common::identity::code::Code;
use percolate_common::identity::site::SiteV1;
use percolate_runtime::seal::{Known, SealError, SealKey, open};

use crate::chain::{NAME, NOW, TestChain, day, pem};

fn bundle(chain: &TestChain) -> BundleV1 {
    let [intermediate, root] = chain.issuing.certificates() else { panic!("two certificates") };
    BundleV1 {
        chain: ChainV1 {
            id: (*chain.id.as_bytes()).into(),
            name: NAME.to_owned(),
            root: pem(root),
            intermediate: pem(intermediate),
            https: vec!["https://hub.example:8444".to_owned()],
            mqtt: vec!["hub.example:8883".to_owned()],
        },
        number: 1,
        made_at_ms: NOW.get(),
        expires_at_ms: day(7).get(),
        site: SiteV1 {
            store: 42,
            node: 142,
            name: "Harbour".to_owned(),
            zone: "America/New_York".to_owned(),
            currency: "USD".to_owned(),
            cutover_hour: 4,
            hours: Vec::new(),
            lan_names: Vec::new(),
            terminals: Vec::new(),
            printers: Vec::new(),
            staff: Vec::new(),
            stock: Vec::new(),
            sign_in: None,
            badge_use: None,
            card_forward: None,
            address: None,
            receipts: None,
        },
        code: Code::draw(&SeededEntropy::new(3)).to_string(),
        purpose: PurposeV1::New,
        journals: vec![vec![7; 90_000].into()],
        software: Vec::new(),
    }
}

#[test]
fn a_box_reads_what_head_office_wrote_and_nothing_that_was_meddled_with() {
    let sent = bundle(&TestChain::new(1));
    let key = SealKey::draw(&SeededEntropy::new(2)).unwrap();
    let file = key.close(&sent.encode().unwrap()).unwrap();
    assert!(file.len() < 10_000, "it is packed: {}", file.len());
    let known = Known::Fingerprint(key.public_key().fingerprint().to_string().parse().unwrap());
    assert_eq!(BundleV1::decode(open(&file, known).unwrap().content()), Ok(sent));
    for at in (0..file.len()).step_by(97) {
        let mut changed = file.clone();
        changed[at] ^= 1;
        assert!(open(&changed, known).is_err(), "byte {at}");
    }
    for length in [0, 7, 113, 114, file.len() - 1] {
        let refused = open(&file[..length], known).unwrap_err();
        assert!(matches!(refused, SealError::Truncated { .. }), "{length}: {refused}");
    }
}
