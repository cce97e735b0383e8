//! The first certificate, for a code.

use percolate_common::entropy::Entropy;
use percolate_common::identity::code::Code;
use percolate_runtime::enrolment::{Asking, ENROLMENTS_PATH, EnrolmentAnswer, EnrolmentAsked, Issued};

use super::hub::{Failure, Given, Hub};
use super::member::{Member, Unfit, bytes};

/// Asks for a certificate. The code is not said: each end shows the other that it knows it. An answer that is lost is asked
/// for again: the hub gives the same key the same certificate.
pub(super) async fn enrol(hub: &Hub, member: &Member, code: &Code, entropy: &dyn Entropy) -> Result<Given, Failure> {
    let mut nonce = [0; 32];
    entropy.fill(&mut nonce);
    let asking = Asking {
        nonce,
        root: &member.root,
        csr: member.request()?,
        store: member.store.get(),
        machine: member.machine,
    };
    let asked = EnrolmentAsked::new(code, asking);
    let answer: EnrolmentAnswer = hub.ask(ENROLMENTS_PATH, &asked).await?;
    if !answer.is_proven(&asked, &code.key()) {
        return Err(Failure::NotProven);
    }
    given(member, answer.issued)
}

/// Looks at what was given. When it ends is what the certificate says, whatever else was said.
pub(super) fn given(member: &Member, issued: Issued) -> Result<Given, Failure> {
    let Issued { node, certificates, lan_certificates, .. } = issued;
    if node != member.node.get() {
        return Err(Unfit::OtherName.into());
    }
    let held = member.own(bytes(certificates))?;
    Ok(Given { held, lan: member.own_lan(bytes(lan_certificates))? })
}
