//! No card number ever reaches us: every text of a request is looked at, wherever it stands, before anything reads it.

use core::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::domain::tickets::tender::looks_like_card_number;

/// The smallest number that has as many digits as a card's.
const SHORTEST: u64 = 1_000_000_000_000;

/// Where the first text stands that may be a card's number, as a JSON pointer. What the texts are for does not matter: notes, names
/// and reasons that a later program adds are looked at, too. An id is none.
///
/// # Errors
/// Those of the body, if it cannot be read, or has a number that is not whole: then nobody knows what else is in it.
pub fn card_number_at<'d, D: Deserializer<'d>>(body: D) -> Result<Option<String>, D::Error> {
    let mut look = Look { place: String::new(), found: None };
    Place(&mut look).deserialize(body)?;
    Ok(look.found)
}

/// More digits in a row than an id of ours has, and fewer than any card's number.
const ID_DIGITS_MAX: usize = 12;

/// Whether a text is an id: of a ticket or a payment, of a line, or a badge's, as readers of badges tell it.
fn is_id(text: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digits_in_a_row = text.split(|letter: char| !letter.is_ascii_digit()).map(str::len).max().unwrap_or(0);
    let is_line = text.len() == 16 && is_hex(text) && digits_in_a_row <= ID_DIGITS_MAX;
    let has_letter = text.bytes().any(|byte| byte.is_ascii_alphabetic());
    let is_badge = has_letter && text.contains(':') && text.split(':').all(|pair| pair.len() == 2 && is_hex(pair));
    is_line || is_badge || uuid::Uuid::try_parse(text).is_ok_and(|id| id.hyphenated().to_string() == text)
}

struct Look {
    place: String,
    found: Option<String>,
}

impl Look {
    fn text(&mut self, text: &str) {
        if self.found.is_none() && !is_id(text) && looks_like_card_number(text) {
            self.found = Some(self.place.clone());
        }
    }

    /// Looks at what stands one step further in.
    fn within<T>(&mut self, step: &str, look: impl FnOnce(&mut Self) -> T) -> T {
        let here = self.place.len();
        self.place.push('/');
        self.place.push_str(&step.replace('~', "~0").replace('/', "~1"));
        let seen = look(self);
        self.place.truncate(here);
        seen
    }
}

struct Place<'l>(&'l mut Look);

impl<'d> DeserializeSeed<'d> for Place<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'d>>(self, body: D) -> Result<(), D::Error> {
        body.deserialize_any(self)
    }
}

impl<'d> Visitor<'d> for Place<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.text(text);
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        if number >= SHORTEST {
            self.0.text(&number.to_string());
        }
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.visit_u64(number.unsigned_abs())
    }

    fn visit_bool<E: Error>(self, _truth: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'d>>(self, body: D) -> Result<(), D::Error> {
        self.deserialize(body)
    }

    fn visit_seq<A: SeqAccess<'d>>(self, mut list: A) -> Result<(), A::Error> {
        let mut at = 0_usize;
        while self.0.within(&at.to_string(), |look| list.next_element_seed(Place(look)))?.is_some() {
            at += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'d>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            // Its name may hide one, too.
            self.0.within(&name, |look| {
                look.text(&name);
                map.next_value_seed(Place(look))
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// A sale with every text that it may have, and some that it may have some day.
    fn sale() -> Value {
        json!({
            "terminal": "T1", "currency": "USD", "training": false, "tip_minor": 100, "name": "Ada",
            "lines": [{"item": 101, "quantity": 2, "note": "no sugar", "price_minor": 4_111_111_111_i64,
                "discounts": [{"amount_minor": 5, "reason": "spilt"}]}],
            "discounts": [{"percent_micro": 50_000, "reason": "regular"}, {"id": 3, "reason": null}],
            "exempt_reason": "embassy",
            "tenders": [{"kind": "card_external", "amount_minor": 5, "reference": "AUTH 1", "last_four": "1111"},
                {"kind": "card", "amount_minor": 5, "payment": "0190b2c4-7e5d-7c3a-9f00-0123456789ab"}],
        })
    }

    fn texts(value: &Value, place: &str, into: &mut Vec<String>) {
        match value {
            Value::String(_) => into.push(place.to_owned()),
            Value::Array(list) => {
                list.iter().enumerate().for_each(|(at, one)| texts(one, &format!("{place}/{at}"), into));
            }
            Value::Object(map) => map.iter().for_each(|(name, one)| texts(one, &format!("{place}/{name}"), into)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn found(body: &Value) -> Option<String> {
        card_number_at(&mut serde_json::Deserializer::from_str(&body.to_string())).unwrap()
    }

    /// Digits with the one that makes them pass the check.
    fn luhn(mut digits: Vec<u8>) -> String {
        let sum: u32 = digits
            .iter()
            .rev()
            .enumerate()
            .map(|(at, digit)| u32::from(*digit) * if at % 2 == 0 { 2 } else { 1 })
            .map(|value| if value > 9 { value - 9 } else { value })
            .sum();
        digits.push(u8::try_from((10 - sum % 10) % 10).unwrap());
        digits.iter().map(|digit| char::from(b'0' + digit)).collect()
    }

    #[test]
    fn a_sale_without_a_card_number_has_none() {
        assert_eq!(found(&sale()), None);
        assert_eq!(found(&json!({"payment": "41111111-1111-1111-9f00-0123456789ab"})), None, "an id is none");
        assert_eq!(found(&json!({"lines": ["4111111111a11111", "41111111b1111111"]})), None, "ids of lines are none");
        assert_eq!(found(&json!({"badge": "04:11:11:11:11:11:1A"})), None, "what a badge says is none");
        for text in ["41111111-1111-1111", "378282246310005a", "41:11:11:11:11:11:11:11"] {
            assert_eq!(found(&json!({"note": text})), Some("/note".to_owned()), "{text}");
        }
        assert_eq!(found(&json!({"a/b": {"4111111111111111": 1}})), Some("/a~1b/4111111111111111".to_owned()));
        let fraction = json!({"a": 0.5, "note": "4111111111111111"}).to_string();
        assert!(card_number_at(&mut serde_json::Deserializer::from_str(&fraction)).is_err(), "all numbers are whole");
        for number in ["4111111111111111.0", "-4111111111111111.5", "4.111111111111111e15", "41111111111111110000"] {
            let body = format!("{{\"tip_minor\":{number}}}");
            assert!(card_number_at(&mut serde_json::Deserializer::from_str(&body)).is_err(), "{number}");
        }
        assert_eq!(found(&json!({"tip_minor": 4_111_111_111_111_111_u64})), Some("/tip_minor".to_owned()));
        assert_eq!(found(&json!({"tip_minor": -4_111_111_111_111_111_i64})), Some("/tip_minor".to_owned()));
    }

    proptest! {
        #[test]
        fn a_card_number_in_any_text_of_a_sale_is_found_where_it_stands(
            digits in prop::collection::vec(0_u8..10, 12..19), first in 1_u8..10, at in any::<prop::sample::Index>(),
            gap in prop::sample::select(vec!["", " ", "-", ".", "/"]), before in "[a-z]{2,6} ", after in " [a-z]{2,6}",
        ) {
            let mut digits = digits;
            digits[0] = first;
            let number: Vec<char> = luhn(digits).chars().collect();
            let written = number.chunks(4).map(String::from_iter).collect::<Vec<_>>().join(gap);
            let mut body = sale();
            let mut places = Vec::new();
            texts(&body, "", &mut places);
            let place = at.get(&places);
            *body.pointer_mut(place).unwrap() = Value::String(format!("{before}{written}{after}"));
            let seen = found(&body);
            prop_assert_eq!(seen.as_ref(), Some(place));
        }
    }
}
