//! The certificate after the present one, which is the proof of who asks, also when it has ended.

use percolate_runtime::enrolment::{Issued, Octets, RENEWALS_PATH, RenewalAsked};

use super::enrol::given;
use super::hub::{Failure, Given, Hub};
use super::member::{Held, Member};

/// Asks for another certificate for the same key.
pub(super) async fn renew(hub: &Hub, member: &Member, held: &Held) -> Result<Given, Failure> {
    let asked = RenewalAsked {
        csr: Octets(member.request()?),
        certificates: held.certificates.iter().cloned().map(Octets).collect(),
    };
    let issued: Issued = hub.ask(RENEWALS_PATH, &asked).await?;
    given(member, issued)
}
