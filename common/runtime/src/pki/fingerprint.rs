//! What a person compares of a certificate.

use ring::digest::{SHA256, digest};

/// The SHA-256 of a certificate in DER, in pairs of capital hexadecimal digits with colons: as browsers, tablets and openssl
/// show it.
#[must_use]
pub fn fingerprint(certificate: &[u8]) -> String {
    let pairs = digest(&SHA256, certificate).as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>();
    pairs.join(":")
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    #[test]
    fn a_fingerprint_is_written_as_devices_show_it() {
        // FIPS 180-2, appendix B.1: the hash of "abc".
        let expected =
            "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD";
        assert_eq!(fingerprint(b"abc"), expected);
    }
}
