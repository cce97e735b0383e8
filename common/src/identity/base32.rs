//! Digits that people read aloud and type: Crockford's alphabet, which leaves out `I`, `L`, `O` and `U`.

/// The digits by their values.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The digit of a value; only its lowest 5 bits count.
pub(super) fn digit(value: u8) -> char {
    ALPHABET.get(usize::from(value & 31)).copied().map_or('0', char::from)
}

/// The value of a digit that was written by [`digit`], and in no other way.
pub(super) fn value(digit: char) -> Option<u8> {
    let at = ALPHABET.iter().position(|known| char::from(*known) == digit)?;
    u8::try_from(at).ok()
}

/// The value of a digit that a person typed: small letters too, and the letters that look like a digit.
pub(super) fn value_typed(digit: char) -> Option<u8> {
    match digit.to_ascii_uppercase() {
        'I' | 'L' => Some(1),
        'O' => Some(0),
        other => value(other),
    }
}

/// The digit that is written after the others: `Σ aⁱ⁺¹·cᵢ` in GF(32). With itself as the digit before the first, up to 31 of
/// them have different factors other than zero: a single wrong digit changes the sum, and so do any two that are swapped.
pub(super) fn check_digit(digits: &[u8]) -> u8 {
    digits.iter().rev().fold(0, |sum, digit| times_a(sum ^ digit))
}

/// Multiplies by `a`, the root of x⁵ + x² + 1, whose powers are all 31 elements other than zero.
const fn times_a(element: u8) -> u8 {
    let shifted = element << 1;
    if shifted & 0b10_0000 == 0 { shifted } else { shifted ^ 0b10_0101 }
}

#[cfg(test)]
mod tests {
    use super::{digit, value, value_typed};

    #[test]
    fn every_value_has_a_digit_of_its_own() {
        for number in 0..32 {
            assert_eq!(value(digit(number)), Some(number));
            assert_eq!(value_typed(digit(number).to_ascii_lowercase()), Some(number));
        }
        for absent in "ILOUilou".chars() {
            assert_eq!(value(absent), None, "{absent}");
        }
        assert_eq!([value_typed('i'), value_typed('L'), value_typed('o')], [Some(1), Some(1), Some(0)]);
        assert_eq!(value_typed('u'), None);
    }
}
