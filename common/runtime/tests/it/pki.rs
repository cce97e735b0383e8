//! What we make, as OpenSSL sees it; and the CA's folder.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use percolate_common::identity::certificate::Certificate;
use percolate_common::identity::names::HUB_DNS_NAME;
use percolate_common::identity::pem::{Label, encode};
use percolate_common::identity::serial::Serial;
use percolate_common::journal::SigningKey;
use percolate_common::time::UtcMillis;
use percolate_runtime::pki::{
    Authority, CHAIN_FILE, INTERMEDIATE_FILE, INTERMEDIATE_KEY_FILE, PkiError, ROOT_FILE, Usage, Wanted, request,
};
use tempfile::TempDir;

use crate::chain::{NAME, NOW, TestChain, day, hub, node, pem};

/// Runs OpenSSL in a folder; `None`, and a word about it, where there is none.
fn openssl(folder: &Path, arguments: &[&str]) -> Option<Output> {
    match Command::new("openssl").current_dir(folder).args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) => {
            println!("SKIPPED: what we make is not shown to OpenSSL: {error}");
            None
        }
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Whether OpenSSL believes `leaf.pem` at an instant, for a purpose.
fn believes(folder: &Path, at: UtcMillis, more: &[&str]) -> Option<bool> {
    let at = (at.get() / 1_000).to_string();
    let files = ["-CAfile", ROOT_FILE, "-untrusted", INTERMEDIATE_FILE];
    let arguments = [&["verify", "-x509_strict", "-attime", &at], &files[..], more, &["leaf.pem"]].concat();
    Some(openssl(folder, &arguments)?.status.success())
}

#[test]
fn openssl_believes_our_certificates_for_what_they_are_for() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path();
    let chain = TestChain::new(1);
    chain.write(folder);
    for (principal, usage, right, wrong) in
        [(node(), Usage::Client, "sslclient", "sslserver"), (hub(), Usage::Server, "sslserver", "sslclient")]
    {
        let papers = chain.issue(&principal, usage, day(-1), day(90));
        fs::write(folder.join("leaf.pem"), pem(&papers.certificates[0])).unwrap();
        let Some(believed) = believes(folder, NOW, &["-purpose", right]) else { return };
        assert!(believed, "{usage:?}");
        assert_eq!(believes(folder, NOW, &["-purpose", wrong]), Some(false), "{usage:?} for {wrong}");
        assert_eq!(believes(folder, day(91), &["-purpose", right]), Some(false), "afterwards");
        assert_eq!(believes(folder, day(-2), &["-purpose", right]), Some(false), "before");
        let host = principal.dns();
        assert_eq!(believes(folder, NOW, &["-verify_hostname", &host]), Some(true), "{host}");
        assert_eq!(believes(folder, NOW, &["-verify_hostname", "hub.example"]), Some(false));
    }
    TestChain::new(2).write(folder);
    assert_eq!(believes(folder, NOW, &[]), Some(false), "of another chain");
}

#[test]
fn openssl_reads_names_and_limits_as_they_were_wanted() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path();
    let chain = TestChain::new(1);
    chain.write(folder);
    let key = SigningKey::from_random(&[7; 32]).unwrap();
    let addresses = ["Box.Shop.example", "192.168.7.20", "fd00::7"].map(|name| name.parse().unwrap());
    let made = chain.issuing.issue(&Wanted {
        principal: &node(),
        public_key: &key.public_key(),
        addresses: &addresses,
        serial: &"4a0102030405060708090a0b0c0d0e0f".parse().unwrap(),
        from: day(-1),
        until: day(90),
        usage: Usage::Server,
    });
    fs::write(folder.join("leaf.pem"), pem(&made.unwrap()[0])).unwrap();
    let Some(text) = openssl(folder, &["x509", "-in", "leaf.pem", "-noout", "-text"]) else { return };
    let names = format!(
        "URI:percolate:{}:node:11, DNS:n11.percolate.internal, DNS:box.shop.example, IP Address:192.168.7.20, \
         IP Address:FD00:0:0:0:0:0:0:7",
        chain.id
    );
    for expected in [
        "4a:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f",
        "ecdsa-with-SHA256",
        "prime256v1",
        &names,
        "Digital Signature\n",
        "TLS Web Server Authentication\n",
        "Issuer: O = Maven Coffee, CN = Percolate issuing 1",
        "Subject: O = Maven Coffee, CN = n11",
    ] {
        assert!(said(&text).contains(expected), "{expected} in {}", said(&text));
    }
    // That it is no CA is what DER says by saying nothing.
    assert!(!said(&text).contains("Basic Constraints"), "{}", said(&text));
    let root = openssl(folder, &["x509", "-in", ROOT_FILE, "-noout", "-text"]).unwrap();
    let id = format!("Subject: O = Maven Coffee, CN = Percolate root, serialNumber = {}", chain.id);
    for expected in ["CA:TRUE, pathlen:1", "Certificate Sign, CRL Sign", id.as_str()] {
        assert!(said(&root).contains(expected), "{expected} in {}", said(&root));
    }
    let issuing = openssl(folder, &["x509", "-in", INTERMEDIATE_FILE, "-noout", "-text"]).unwrap();
    assert!(said(&issuing).contains("CA:TRUE, pathlen:0"), "{}", said(&issuing));
}

#[test]
fn openssl_verifies_our_requests() {
    let dir = TempDir::new().unwrap();
    let key = SigningKey::from_random(&[7; 32]).unwrap();
    let made = request(&key, "n11").unwrap();
    let verify = |der: &[u8]| {
        fs::write(dir.path().join("request.pem"), encode(Label::Request, der).unwrap()).unwrap();
        openssl(dir.path(), &["req", "-in", "request.pem", "-verify", "-noout", "-subject"])
    };
    let Some(output) = verify(&made) else { return };
    assert!(output.status.success() && said(&output).contains("verify OK"), "{}", said(&output));
    assert!(said(&output).contains("CN = n11"), "{}", said(&output));
    let mut changed = made.clone();
    *changed.last_mut().unwrap() ^= 1;
    let output = verify(&changed).unwrap();
    assert!(!said(&output).contains("verify OK"), "{}", said(&output));
}

#[test]
fn openssl_refuses_what_our_list_revokes() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path();
    let chain = TestChain::new(1);
    chain.write(folder);
    let leaf = chain.node().certificates.swap_remove(0);
    fs::write(folder.join("leaf.pem"), pem(&leaf)).unwrap();
    let serial = Certificate::read(&leaf).unwrap().serial;
    let another: Serial = "4a01".parse().unwrap();
    for (revoked, expected) in [(vec![], true), (vec![(another, NOW)], true), (vec![(serial, NOW)], false)] {
        let list = chain.issuing.crl(7, &revoked, day(-1), day(7)).unwrap();
        fs::write(folder.join("crl.pem"), encode(Label::RevocationList, &list).unwrap()).unwrap();
        let checked = ["-crl_check", "-CRLfile", "crl.pem"];
        let Some(believed) = believes(folder, NOW, &checked) else { return };
        assert_eq!(believed, expected, "{} revoked", revoked.len());
        assert_eq!(believes(folder, day(8), &checked), Some(false), "the list has ended");
    }
    assert!(matches!(chain.issuing.crl(8, &[], NOW, NOW), Err(PkiError::Lifetime { .. })));
}

#[test]
fn a_ca_that_is_opened_again_issues_the_same() {
    let dir = TempDir::new().unwrap();
    let chain = TestChain::new(1);
    chain.write(dir.path());
    let opened = Authority::open(dir.path()).unwrap();
    assert_eq!((opened.chain(), opened.certificates()), (&chain.id, chain.issuing.certificates()));
    let key = SigningKey::from_random(&[7; 32]).unwrap().public_key();
    let serial = "4a01".parse().unwrap();
    let wanted = Wanted {
        principal: &node(),
        public_key: &key,
        addresses: &[],
        serial: &serial,
        from: day(-1),
        until: day(90),
        usage: Usage::Client,
    };
    assert_eq!(opened.issue(&wanted).unwrap(), chain.issuing.issue(&wanted).unwrap(), "to the byte");
    assert_eq!(opened.crl(1, &[], NOW, day(7)).unwrap(), chain.issuing.crl(1, &[], NOW, day(7)).unwrap());
}

#[test]
fn a_ca_whose_files_do_not_go_together_is_not_opened() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path();
    let (chain, other) = (TestChain::new(1), TempDir::new().unwrap());
    TestChain::new(2).write(other.path());
    let refused = |change: &dyn Fn()| {
        chain.write(folder);
        change();
        Authority::open(folder).unwrap_err()
    };
    for file in [CHAIN_FILE, ROOT_FILE, INTERMEDIATE_FILE] {
        let path = folder.join(file);
        assert!(matches!(refused(&|| fs::remove_file(&path).unwrap()), PkiError::Missing { .. }), "{file}");
        assert!(matches!(refused(&|| fs::write(&path, "x").unwrap()), PkiError::Content { .. }), "{file}");
    }
    let key = folder.join(INTERMEDIATE_KEY_FILE);
    assert!(matches!(refused(&|| fs::write(&key, "x").unwrap()), PkiError::Content { .. }));
    assert!(matches!(refused(&|| fs::remove_file(&key).unwrap()), PkiError::SecretFile(_)));
    let exposed = || fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(refused(&exposed), PkiError::SecretFile(_)));
    let others = |file: &'static str| {
        let (from, to) = (other.path().join(file), folder.join(file));
        move || assert!(fs::copy(&from, &to).unwrap() > 0)
    };
    assert!(matches!(refused(&others(INTERMEDIATE_KEY_FILE)), PkiError::OtherKey { .. }));
    assert!(matches!(refused(&others(INTERMEDIATE_FILE)), PkiError::OtherKey { .. }));
    let renamed = || {
        let text = fs::read_to_string(folder.join(CHAIN_FILE)).unwrap().replace(NAME, "Maven Tea");
        fs::write(folder.join(CHAIN_FILE), text).unwrap();
    };
    assert!(matches!(refused(&renamed), PkiError::OtherName { .. }));
    chain.write(folder);
    Authority::open(folder).unwrap();
}

#[test]
fn a_ca_makes_no_certificate_that_it_should_not() {
    let chain = TestChain::new(1);
    let key = SigningKey::from_random(&[7; 32]).unwrap().public_key();
    let serial = "4a01".parse().unwrap();
    let wanted = Wanted {
        principal: &node(),
        public_key: &key,
        addresses: &[],
        serial: &serial,
        from: day(-1),
        until: day(90),
        usage: Usage::Server,
    };
    let hubs_name = [HUB_DNS_NAME.to_uppercase().parse().unwrap()];
    let stray = Wanted { addresses: &hubs_name, ..wanted };
    assert!(matches!(chain.issuing.issue(&stray), Err(PkiError::Name { .. })), "a box with the hub's name");
    assert!(chain.issuing.issue(&Wanted { principal: &hub(), ..stray }).is_ok(), "the hub has it anyway");
    let backwards = Wanted { from: day(1), until: day(0), ..wanted };
    assert!(matches!(chain.issuing.issue(&backwards), Err(PkiError::Lifetime { .. })));
    let for_ever = Wanted { until: day(10_000), ..wanted };
    let made = Certificate::read(&chain.issuing.issue(&for_ever).unwrap()[0]).unwrap();
    let above = Certificate::read(&chain.issuing.certificates()[0]).unwrap();
    assert_eq!(made.not_after, above.not_after, "not longer than its CA");
    for name in ["", &"x".repeat(65)] {
        let entropy = percolate_common::entropy::SeededEntropy::new(1);
        assert!(matches!(Authority::new_root(chain.id, name, NOW, &entropy), Err(PkiError::Name { .. })), "{name}");
    }
}
