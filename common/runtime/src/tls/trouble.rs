//! What went wrong with a certificate, and whose it was.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError};

/// Why two ends do not come together over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlsTrouble {
    /// The other end's certificate has ended, or our clock is ahead.
    #[error("the other end's certificate has ended, by our clock")]
    Expired,
    /// The other end's certificate does not hold yet: our clock is behind.
    #[error("the other end's certificate does not hold yet, by our clock")]
    NotYetValid,
    /// The other end is of another chain, or somebody reads the line.
    #[error("the other end's certificate is not of this chain")]
    UnknownIssuer,
    /// The other end is of our chain, and not what we look for.
    #[error("the other end's certificate is not the hub's")]
    WrongName,
    /// The other end's certificate was revoked.
    #[error("the other end's certificate was revoked")]
    Revoked,
    /// Ours has ended or does not hold yet, by the other end's clock.
    #[error("our certificate has ended, by the other end's clock")]
    WeAreExpired,
    /// Ours was revoked.
    #[error("our certificate was revoked")]
    WeAreRevoked,
    /// Ours is not known there, is for something else, or is missing.
    #[error("our certificate is not accepted there")]
    WeAreUnknown,
    /// The other end does not speak TLS.
    #[error("the other end does not speak TLS")]
    NoTls,
    /// Something else between the two.
    #[error("TLS failed")]
    Other,
}

/// What TLS has to do with an error; `None` if it is of another kind. Looks at causes too, however they are wrapped.
#[must_use]
pub fn trouble(error: &(dyn Error + 'static)) -> Option<TlsTrouble> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref() {
            return Some(of(error));
        }
        // An I/O error shows what it carries only here: as its cause it gives the cause of that.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(carried) => Some(carried),
            None => error.source(),
        };
    }
    None
}

#[expect(clippy::wildcard_enum_match_arm, reason = "rustls adds errors with any version; the rest is one to us")]
fn of(error: &rustls::Error) -> TlsTrouble {
    match error {
        rustls::Error::InvalidCertificate(theirs) => of_theirs(theirs),
        rustls::Error::AlertReceived(alert) => of_ours(*alert),
        rustls::Error::InvalidMessage(_) => TlsTrouble::NoTls,
        _ => TlsTrouble::Other,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "rustls adds errors with any version; the rest is one to us")]
fn of_theirs(error: &CertificateError) -> TlsTrouble {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsTrouble::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsTrouble::NotYetValid,
        CertificateError::NotValidForName
        | CertificateError::NotValidForNameContext { .. }
        | CertificateError::InvalidPurpose
        | CertificateError::InvalidPurposeContext { .. } => TlsTrouble::WrongName,
        CertificateError::Revoked => TlsTrouble::Revoked,
        // One that cannot even be judged, as those that proxies sign for themselves, is none of this chain.
        _ => TlsTrouble::UnknownIssuer,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "rustls knows all alerts there are; the rest is one to us")]
fn of_ours(alert: AlertDescription) -> TlsTrouble {
    match alert {
        AlertDescription::CertificateExpired => TlsTrouble::WeAreExpired,
        AlertDescription::CertificateRevoked => TlsTrouble::WeAreRevoked,
        AlertDescription::AccessDenied
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateRequired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::UnsupportedCertificate => TlsTrouble::WeAreUnknown,
        _ => TlsTrouble::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[test]
    fn trouble_is_found_however_deep_it_is_wrapped() {
        let revoked = || rustls::Error::AlertReceived(AlertDescription::CertificateRevoked);
        assert_eq!(trouble(&revoked()), Some(TlsTrouble::WeAreRevoked));
        let carried = || io::Error::other(revoked());
        assert_eq!(trouble(&carried()), Some(TlsTrouble::WeAreRevoked));
        assert_eq!(trouble(&Outer(io::Error::other(Outer(carried())))), Some(TlsTrouble::WeAreRevoked));
        assert_eq!(trouble(&Outer(io::Error::from(io::ErrorKind::ConnectionReset))), None);
        assert_eq!(trouble(&io::Error::other("plain")), None);
    }
}
