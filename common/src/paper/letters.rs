//! Letters that every printer has. No character is a command, whoever has named an item or a shop.

/// A text in letters of ASCII: accents are left out, and what has no such letter is a question mark.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            ' '..='~' => plain.push(letter),
            other => plain.push_str(spelled(other)),
        }
    }
    plain
}

const fn spelled(letter: char) -> &'static str {
    match letter {
        'À'..='Å' | 'Ā' | 'Ă' | 'Ą' => "A",
        'Æ' => "AE",
        'Ç' | 'Ć' | 'Č' => "C",
        'È'..='Ë' | 'Ē' | 'Ė' | 'Ę' | 'Ě' => "E",
        'Ì'..='Ï' | 'Ī' | 'İ' => "I",
        'Ñ' | 'Ń' | 'Ň' => "N",
        'Ò'..='Ö' | 'Ø' | 'Ō' | 'Ő' => "O",
        'Œ' => "OE",
        'Ù'..='Ü' | 'Ū' | 'Ů' | 'Ű' => "U",
        'Ý' | 'Ÿ' => "Y",
        'Ł' => "L",
        'Ř' => "R",
        'Ś' | 'Š' | 'Ş' => "S",
        'Ź' | 'Ż' | 'Ž' => "Z",
        'à'..='å' | 'ā' | 'ă' | 'ą' => "a",
        'æ' => "ae",
        'ç' | 'ć' | 'č' => "c",
        'è'..='ë' | 'ē' | 'ė' | 'ę' | 'ě' => "e",
        'ğ' => "g",
        'ì'..='ï' | 'ī' | 'ı' => "i",
        'ñ' | 'ń' | 'ň' => "n",
        'ò'..='ö' | 'ø' | 'ō' | 'ő' => "o",
        'œ' => "oe",
        'ß' => "ss",
        'ù'..='ü' | 'ū' | 'ů' | 'ű' => "u",
        'ý' | 'ÿ' => "y",
        'ł' => "l",
        'ř' => "r",
        'ś' | 'š' | 'ş' => "s",
        'ź' | 'ż' | 'ž' => "z",
        '\u{2018}' | '\u{2019}' => "'",
        '\u{201c}' | '\u{201d}' => "\"",
        '\u{2013}' | '\u{2014}' => "-",
        '\u{2026}' => "...",
        '\u{a0}' => " ",
        '×' => "x",
        '€' => "EUR",
        '£' => "GBP",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_are_left_out_and_nothing_is_a_command() {
        assert_eq!(plain("Café Größe “Łódź” – 2 × 3 €"), "Cafe Grosse \"Lodz\" - 2 x 3 EUR");
        assert_eq!(plain("\u{1b}@\u{1d}V\u{0}\u{10}\u{4}\n\r\u{7f}咖啡"), "?@?V????????");
        for letter in '\u{0}'..='\u{2fff}' {
            assert!(plain(&letter.to_string()).bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{letter:?}");
        }
    }
}
