//! Codes that change every thirty seconds, as authenticator apps show them (RFC 6238 over RFC 4226, HMAC-SHA-1, six digits).

use std::fmt;

use percolate_common::entropy::Entropy;
use percolate_common::time::UtcMillis;
use ring::hmac;

/// How long a code holds, in milliseconds.
const STEP_MS: i64 = 30_000;
/// Codes so many steps before and after the present one are taken, too: phones' clocks are off.
const STEPS_OFF: i64 = 1;
/// A code has six digits.
const CODES: u32 = 1_000_000;
/// As RFC 4648 has them.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What an app and the hub both know: 160 bits.
#[derive(Clone, PartialEq, Eq)]
pub struct TotpSecret([u8; 20]);

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret")
    }
}

impl TotpSecret {
    /// Draws one.
    #[must_use]
    pub fn draw(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 20];
        entropy.fill(&mut bytes);
        Self(bytes)
    }

    /// Takes the 20 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The 20 bytes, to be kept.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The step in which a code was made, if it is one of now and later than `after`: a step is good once.
    #[must_use]
    pub fn step_of(&self, code: &str, now: UtcMillis, after: i64) -> Option<i64> {
        let present = now.get().div_euclid(STEP_MS);
        // All are looked at, and compared by hashes: the wait says nothing of the digits.
        let said = blake3::hash(code.as_bytes());
        let mut found = None;
        for step in present.saturating_sub(STEPS_OFF)..=present.saturating_add(STEPS_OFF) {
            if blake3::hash(self.code(step).as_bytes()) == said && step > after {
                found = Some(step);
            }
        }
        found
    }

    /// The code of a moment.
    #[must_use]
    pub fn code_at(&self, now: UtcMillis) -> String {
        self.code(now.get().div_euclid(STEP_MS))
    }

    fn code(&self, step: i64) -> String {
        format!("{:06}", value(&self.0, step) % CODES)
    }

    /// As an app takes it: by hand.
    #[must_use]
    pub fn to_text(&self) -> String {
        let digit = |value: u16| BASE32.get(usize::from(value & 31)).copied().map_or('A', char::from);
        let mut text = String::new();
        let (mut held, mut bits) = (0_u16, 0_u32);
        for byte in self.0 {
            held = (held << 8) | u16::from(byte);
            bits += 8;
            while bits >= 5 {
                bits -= 5;
                text.push(digit(held >> bits));
            }
            held &= (1 << bits) - 1;
        }
        text
    }

    /// As an app takes it: from a link or a picture of it.
    #[must_use]
    pub fn to_uri(&self, issuer: &str, account: &str) -> String {
        let (issuer, account) = (escaped(issuer), escaped(account));
        format!("otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}", self.to_text())
    }
}

/// RFC 4226's number before it is cut to digits.
fn value(secret: &[u8], step: i64) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let bytes = tag.as_ref();
    let at = bytes.last().map_or(0, |last| usize::from(last & 15));
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).unwrap_or_default();
    u32::from_be_bytes(four) & 0x7fff_ffff
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of RFC 6238's tests for SHA-1.
    const RFC: TotpSecret = TotpSecret::from_bytes(*b"12345678901234567890");

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B: seconds, and eight digits.
        for (seconds, digits) in [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000_i64, 65_353_130),
        ] {
            assert_eq!(value(&RFC.0, seconds / 30) % 100_000_000, digits, "at {seconds}");
            let six = format!("{:06}", digits % 1_000_000);
            assert_eq!(RFC.code_at(UtcMillis::new(seconds * 1_000)), six, "at {seconds}");
        }
    }

    #[test]
    fn a_code_is_taken_one_step_off_and_once() {
        let at = |step: i64| UtcMillis::new(step * STEP_MS + 7);
        let code = RFC.code(1_000);
        for (step, taken) in
            [(998, None), (999, Some(1_000)), (1_000, Some(1_000)), (1_001, Some(1_000)), (1_002, None)]
        {
            assert_eq!(RFC.step_of(&code, at(step), 0), taken, "at {step}");
        }
        assert_eq!(RFC.step_of(&code, at(1_000), 999), Some(1_000));
        assert_eq!(RFC.step_of(&code, at(1_000), 1_000), None, "it was used");
        assert_eq!(RFC.step_of(&code, at(1_000), 1_001), None, "a later one was used");
        for wrong in ["", "1", "000000000", "abcdef"] {
            assert_eq!(RFC.step_of(wrong, at(1_000), 0), None, "{wrong}");
        }
    }

    #[test]
    fn an_app_is_told_by_text_and_link() {
        assert_eq!(RFC.to_text(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(
            RFC.to_uri("Bytes & Brews", "ann@example.com"),
            "otpauth://totp/Bytes%20%26%20Brews:ann%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Bytes%20%26%20Brews"
        );
    }
}
