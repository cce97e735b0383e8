//! PEM: how certificates lie in files. One file may hold several, leaf first.

use p256::pkcs8::der::pem::{LineEnding, decode_vec, encode_string};

/// Characters of a text that is read.
pub const PEM_CHARS_MAX: usize = 256 * 1024;
/// Documents of one text; a chain of certificates has two or three.
pub const PEM_DOCUMENTS_MAX: usize = 8;

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// A certificate.
    Certificate,
    /// A request for one.
    Request,
    /// A list of revoked ones.
    RevocationList,
}

/// A text that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// Nothing of the kind stands there.
    #[error("there is no {label} in the text: it should begin with -----BEGIN {label}-----")]
    Absent {
        /// What was looked for.
        label: &'static str,
    },
    /// Something of another kind stands there.
    #[error("there is a {found} where only {label} is expected")]
    Other {
        /// What was looked for.
        label: &'static str,
        /// What stands there.
        found: String,
    },
    /// Not well-formed.
    #[error("malformed PEM: {reason}")]
    Malformed {
        /// What the decoder says.
        reason: String,
    },
    /// More than is read.
    #[error("too much PEM: at most {PEM_CHARS_MAX} characters and {PEM_DOCUMENTS_MAX} documents are read")]
    TooMuch,
}

impl Label {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "CERTIFICATE",
            Self::Request => "CERTIFICATE REQUEST",
            Self::RevocationList => "X509 CRL",
        }
    }
}

fn malformed(error: impl core::fmt::Display) -> PemError {
    PemError::Malformed { reason: error.to_string() }
}

/// Writes a document.
///
/// # Errors
/// [`PemError::Malformed`] if it is too large to be written.
pub fn encode(label: Label, der: &[u8]) -> Result<String, PemError> {
    encode_string(label.as_str(), LineEnding::LF, der).map_err(malformed)
}

/// Reads all documents of a text, in their order: 1 to [`PEM_DOCUMENTS_MAX`], all of the one kind. Text between them is
/// skipped, as tools that write certificates put their description there.
///
/// # Errors
/// [`PemError`].
pub fn decode(label: Label, text: &str) -> Result<Vec<Vec<u8>>, PemError> {
    if text.len() > PEM_CHARS_MAX {
        return Err(PemError::TooMuch);
    }
    let mut documents = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("-----BEGIN ") {
        let from = rest.get(at..).unwrap_or_default();
        let closing = from.find("-----END ").ok_or_else(|| malformed("the end of a document is missing"))?;
        let line = from.get(closing..).unwrap_or_default();
        let end = closing + line.find('\n').map_or(line.len(), |newline| newline + 1);
        let (document, after) = from.split_at_checked(end).unwrap_or((from, ""));
        let (found, der) = decode_vec(document.as_bytes()).map_err(malformed)?;
        if found != label.as_str() {
            return Err(PemError::Other { label: label.as_str(), found: found.to_owned() });
        }
        if documents.len() == PEM_DOCUMENTS_MAX {
            return Err(PemError::TooMuch);
        }
        documents.push(der);
        rest = after;
    }
    if documents.is_empty() { Err(PemError::Absent { label: label.as_str() }) } else { Ok(documents) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_chain_of_documents_is_read_in_its_order() {
        let (leaf, issuer) =
            (encode(Label::Certificate, &[1; 100]).unwrap(), encode(Label::Certificate, b"2").unwrap());
        for text in [format!("{leaf}{issuer}"), format!("subject=x\n{leaf}\nissuer=y\n{issuer}end")] {
            assert_eq!(decode(Label::Certificate, &text).unwrap(), [vec![1; 100], b"2".to_vec()]);
        }
        assert_eq!(decode(Label::Certificate, leaf.trim_end()).unwrap(), [vec![1; 100]]);
    }

    #[test]
    fn what_is_not_expected_is_refused() {
        let request = encode(Label::Request, b"1").unwrap();
        let list = encode(Label::RevocationList, b"1").unwrap();
        assert!(request.starts_with("-----BEGIN CERTIFICATE REQUEST-----\n"));
        assert!(list.starts_with("-----BEGIN X509 CRL-----\n"));
        assert!(matches!(decode(Label::Certificate, &request), Err(PemError::Other { .. })));
        assert!(matches!(decode(Label::Certificate, ""), Err(PemError::Absent { .. })));
        assert!(matches!(decode(Label::Request, &request[..40]), Err(PemError::Malformed { .. })));
        assert!(matches!(decode(Label::Request, &request.replace("MQ==", "M*==")), Err(PemError::Malformed { .. })));
        let many = request.repeat(PEM_DOCUMENTS_MAX);
        assert_eq!(decode(Label::Request, &many).unwrap().len(), PEM_DOCUMENTS_MAX);
        assert_eq!(decode(Label::Request, &format!("{many}{request}")), Err(PemError::TooMuch));
        assert_eq!(decode(Label::Request, &" ".repeat(PEM_CHARS_MAX + 1)), Err(PemError::TooMuch));
    }

    proptest! {
        #[test]
        fn documents_round_trip(der in prop::collection::vec(any::<u8>(), 1..500)) {
            let text = encode(Label::RevocationList, &der).unwrap();
            prop_assert_eq!(decode(Label::RevocationList, &text).unwrap(), [der]);
        }

        #[test]
        fn nonsense_never_panics(text in "(-----(BEGIN|END) ?[A-Zé ]{0,12}-----\n?|[A-Za-zé=\n]{0,9}){0,8}") {
            let _outcome = decode(Label::Certificate, &text);
        }
    }
}
