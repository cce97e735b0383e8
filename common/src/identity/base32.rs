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
