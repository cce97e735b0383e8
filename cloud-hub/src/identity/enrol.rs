//! Who is given a certificate: who knows a code, or has the certificate before it and its key.

use percolate_common::entropy::Entropy;
use percolate_common::identity::bundle::PurposeV1;
use percolate_common::identity::certificate::Certificate;
use percolate_common::identity::names::Principal;
use percolate_common::identity::request::Csr;
use percolate_common::ids::{NodeId, StoreId};
use percolate_common::journal::PublicKey;
use percolate_common::time::UtcMillis;
use percolate_runtime::enrolment::{EnrolmentAsked, EnrolmentRefusal, Issued, Octets, RenewalAsked};
use percolate_runtime::pki::CertificateDer;
use percolate_runtime::storage::{ReadTx, WriteTx};

use super::certificates::{lan_names, revoked_facts};
use super::error::IdentityError;
use super::issuer::{BACKDATED_MS, Issuer};
use super::kept::Fact;
use super::store::{
    CodeRow, Use, code_fetch, code_tried, code_used, issued_delete, issued_fetch, issued_insert, site_by_node,
};
use crate::kernel::auth::store::{
    Device, DeviceState, device_delete, device_fetch, device_insert, device_state_set, node_device_list,
};

/// Wrong proofs that are heard for one code.
pub(super) const TRIES_MAX: u64 = 20;

/// How long after its end a certificate still asks for the next one; then a tech brings a code.
const RENEWAL_GRACE_MS: i64 = 30 * 24 * 60 * 60 * 1_000;

/// Certificates that one key is given within so many milliseconds: 6 an hour, 24 a day. A box asks once in two months.
const RENEWALS_MAX: [(usize, i64); 2] = [(6, 60 * 60 * 1_000), (24, 24 * 60 * 60 * 1_000)];

/// How long after its end a certificate is still listed: a month longer than it asks for the next one.
const ENDED_FOR_MS: i64 = 2 * RENEWAL_GRACE_MS;

/// What becomes of a question.
pub(super) enum Given {
    Issued(Enrolled),
    Refused(EnrolmentRefusal),
}

/// A box that is let in.
pub(super) struct Enrolled {
    pub(super) issued: Issued,
    /// The code's, by which the answer is proven.
    pub(super) key: [u8; 32],
    /// What must not be forgotten of it.
    pub(super) facts: Vec<Fact>,
}

type Chance<'e> = (UtcMillis, &'e dyn Entropy);

/// Answers a box that has a code. A refusal may leave something behind: how often it was tried.
pub(super) fn enrol(
    tx: &WriteTx<'_>,
    asked: &EnrolmentAsked,
    issuer: &Issuer,
    (now, entropy): Chance<'_>,
) -> Result<Given, IdentityError> {
    let refused = |refusal| Ok(Given::Refused(refusal));
    let Some(code) = code_fetch(tx, &asked.code_id.0)? else { return refused(EnrolmentRefusal::CodeUnknown) };
    if code.tries >= TRIES_MAX {
        return refused(EnrolmentRefusal::TooManyTries);
    }
    if !asked.is_proven(&code.key, issuer.root_hash()) {
        code_tried(tx, &code.id)?;
        return refused(EnrolmentRefusal::ProofWrong);
    }
    if code.store != StoreId::new(asked.store) {
        return refused(EnrolmentRefusal::CodeOtherStore);
    }
    let Some(key) = requested_key(&asked.csr) else { return refused(EnrolmentRefusal::CsrInvalid) };
    if let Some(by) = &code.used {
        return again(tx, &code, by, key);
    }
    if code.expires_at <= now {
        return refused(EnrolmentRefusal::CodeExpired);
    }
    // The database may be an older one than that which knew what became of the code.
    match issuer.kept().used_by(&code.id) {
        Some(by) if by != key => return refused(EnrolmentRefusal::CodeUsed),
        Some(_) => {}
        None if issuer.kept().has_ended(code.store, code.bundle) => return refused(EnrolmentRefusal::CodeExpired),
        None => {}
    }
    if issuer.kept().is_shut_out(&key, code.bundle) {
        return refused(EnrolmentRefusal::CertificateRevoked);
    }
    for device in node_device_list(tx, code.node)? {
        // The same box with a new code goes on.
        if device.public_key == key || device.state == DeviceState::Revoked {
            continue;
        }
        match code.purpose {
            PurposeV1::Replace => {
                device_state_set(tx, &device.serial, DeviceState::Revoked, now)?;
            }
            // Two boxes of one number would both sell. That one takes the place of the other must be meant.
            PurposeV1::New if device.not_after > now => return refused(EnrolmentRefusal::KeyChanged),
            PurposeV1::New => {}
        }
    }
    let issued = issue(tx, (code.node, key), issuer, (now, entropy))?;
    let machine = asked.machine.map(|machine| machine.0);
    code_used(tx, &code.id, &Use { at: now, key, machine })?;
    Ok(Given::Issued(Enrolled { issued, key: code.key, facts: facts(tx, &code, (key, now))? }))
}

/// What must not be forgotten: that the code is used, and who was shut out by that.
fn facts(tx: &ReadTx<'_>, code: &CodeRow, (key, at): (PublicKey, UtcMillis)) -> Result<Vec<Fact>, IdentityError> {
    let mut facts = revoked_facts(node_device_list(tx, code.node)?, (code.node, code.bundle), "replaced");
    facts.push(Fact::CodeUsed { id: code.id, node: code.node, at, key });
    Ok(facts)
}

/// The answer to a box that did not hear it: the same one. Another box is told that the code is used.
fn again(tx: &WriteTx<'_>, code: &CodeRow, by: &Use, key: PublicKey) -> Result<Given, IdentityError> {
    if by.key != key {
        return Ok(Given::Refused(EnrolmentRefusal::CodeUsed));
    }
    let devices = node_device_list(tx, code.node)?;
    let mut of_key: Vec<_> = devices.into_iter().filter(|device| device.public_key == key).collect();
    of_key.sort_by_key(|device| device.not_after);
    let Some(device) = of_key.pop().filter(|device| device.state != DeviceState::Revoked) else {
        return Ok(Given::Refused(EnrolmentRefusal::CertificateRevoked));
    };
    Ok(match issued_fetch(tx, &device.serial)? {
        // It may be that it could not be written down the first time.
        Some(issued) => Given::Issued(Enrolled { issued, key: code.key, facts: facts(tx, code, (key, by.at))? }),
        None => Given::Refused(EnrolmentRefusal::CodeUsed),
    })
}

/// Answers a box that has a certificate: the request is signed by its key, which is the proof.
pub(super) fn renew(
    tx: &WriteTx<'_>,
    asked: &RenewalAsked,
    issuer: &Issuer,
    (now, entropy): Chance<'_>,
) -> Result<Issued, IdentityError> {
    let refused = |refusal| Err(IdentityError::Refused(refusal));
    let leaf = asked.certificates.first().and_then(|leaf| Certificate::read(&leaf.0).ok());
    let named = leaf.as_ref().and_then(|leaf| leaf.principal(issuer.id()));
    let (Some(leaf), Some(Principal::Node(node))) = (leaf, named) else {
        return refused(EnrolmentRefusal::CertificateUnknown);
    };
    let Some(key) = requested_key(&asked.csr) else { return refused(EnrolmentRefusal::CsrInvalid) };
    if key != leaf.public_key {
        return refused(EnrolmentRefusal::KeyChanged);
    }
    // What was handed out is known by its number and its key; nobody else's word counts.
    let known = device_fetch(tx, &leaf.serial)?.filter(|known| known.node == node && known.public_key == key);
    let Some(known) = known else { return refused(EnrolmentRefusal::CertificateUnknown) };
    if known.state == DeviceState::Revoked {
        return refused(EnrolmentRefusal::CertificateRevoked);
    }
    if known.not_after.get().saturating_add(RENEWAL_GRACE_MS) < now.get() {
        return refused(EnrolmentRefusal::RenewalTooLate);
    }
    let devices = node_device_list(tx, node)?;
    if let Some(wait_ms) = too_often(&devices, &key, now) {
        return Err(IdentityError::RenewedTooOften { wait_ms });
    }
    // What was revoked is known for ever.
    let ended =
        |it: &&Device| it.not_after.get().saturating_add(ENDED_FOR_MS) < now.get() && it.state != DeviceState::Revoked;
    for device in devices.iter().filter(ended) {
        device_delete(tx, &device.serial)?;
        issued_delete(tx, &device.serial)?;
    }
    issue(tx, (node, key), issuer, (now, entropy))
}

/// How long a key that was given so many certificates waits for the next one.
fn too_often(devices: &[Device], key: &PublicKey, now: UtcMillis) -> Option<i64> {
    let mut issued: Vec<i64> = devices
        .iter()
        .filter(|it| it.public_key == *key)
        .map(|it| now.get() - (it.not_before.get() + BACKDATED_MS))
        .collect();
    issued.sort_unstable();
    RENEWALS_MAX.iter().find_map(|(count, within_ms)| {
        let ago_ms = issued.get(count - 1).filter(|ago_ms| *ago_ms < within_ms)?;
        Some(within_ms - ago_ms)
    })
}

fn issue(
    tx: &WriteTx<'_>,
    (node, key): (NodeId, PublicKey),
    issuer: &Issuer,
    (now, entropy): Chance<'_>,
) -> Result<Issued, IdentityError> {
    let row = site_by_node(tx, node)?.ok_or(IdentityError::NodeUnknown(node))?;
    let names = lan_names(&row.site);
    let made = issuer.issue((&Principal::Node(node), &key), &names, (now, entropy))?;
    let octets = |list: &[CertificateDer<'static>]| list.iter().map(|der| Octets(der.to_vec())).collect();
    let issued = Issued {
        node: node.get(),
        certificates: octets(&made.certificates),
        lan_certificates: octets(&made.lan_certificates),
        not_after_ms: made.until.get(),
    };
    let device = Device {
        serial: made.serial.clone(),
        node,
        public_key: key,
        not_before: made.from,
        not_after: made.until,
        state: DeviceState::Allowed,
        changed_at: now,
    };
    device_insert(tx, &device)?;
    issued_insert(tx, &made.serial, &issued, now)?;
    Ok(issued)
}

/// The key of a request that was made with it.
fn requested_key(csr: &Octets) -> Option<PublicKey> {
    Csr::read(&csr.0).ok().filter(Csr::is_signed).map(|csr| csr.public_key)
}
