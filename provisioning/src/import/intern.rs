//! Texts that come again and again, each kept once. A file of millions of rows names a few hundred products.

use std::collections::HashMap;

use percolate_common::domain::imports::LegacyItem;

/// The id of a row: almost always a plain number, and then without a text of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowId {
    /// A number as it is written: no leading zero, no sign.
    Number(u64),
    /// Any other text, by its place among the texts.
    Text(u32),
}

/// Products by their place, and the other way round.
#[derive(Debug, Default)]
pub struct Interner {
    texts: Vec<Box<str>>,
    text_places: HashMap<Box<str>, u32>,
    products: Vec<LegacyItem>,
    product_places: HashMap<[u32; 3], u32>,
}

impl Interner {
    /// The place of a text.
    fn text(&mut self, text: &str) -> u32 {
        if let Some(place) = self.text_places.get(text) {
            return *place;
        }
        let place = place_after(self.texts.len());
        self.texts.push(text.into());
        self.text_places.insert(text.into(), place);
        place
    }

    /// The short form of a row's id.
    pub fn row_id(&mut self, text: &str) -> RowId {
        let canonical = !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && (text == "0" || !text.starts_with('0'));
        match text.parse() {
            Ok(number) if canonical => RowId::Number(number),
            Ok(_) | Err(_) => RowId::Text(self.text(text)),
        }
    }

    /// The text of a row's id, exactly as it was.
    #[must_use]
    pub fn row_text(&self, id: RowId) -> String {
        match id {
            RowId::Number(number) => number.to_string(),
            RowId::Text(place) => self.texts.get(place as usize).map(|text| text.to_string()).unwrap_or_default(),
        }
    }

    /// An order of ids that does not depend on what was read first: numbers by value, then texts.
    #[must_use]
    pub fn order(&self, one: RowId, other: RowId) -> std::cmp::Ordering {
        let text = |place: u32| self.texts.get(place as usize);
        match (one, other) {
            (RowId::Number(one), RowId::Number(other)) => one.cmp(&other),
            (RowId::Number(_), RowId::Text(_)) => std::cmp::Ordering::Less,
            (RowId::Text(_), RowId::Number(_)) => std::cmp::Ordering::Greater,
            (RowId::Text(one), RowId::Text(other)) => text(one).cmp(&text(other)),
        }
    }

    /// The place of a product.
    pub fn product(&mut self, item: &LegacyItem) -> u32 {
        let key = [self.text(&item.id), self.text(&item.name), self.text(&item.category)];
        let next = place_after(self.products.len());
        let place = *self.product_places.entry(key).or_insert(next);
        if place == next {
            self.products.push(item.clone());
        }
        place
    }

    /// The product at a place.
    #[must_use]
    pub fn product_at(&self, place: u32) -> Option<&LegacyItem> {
        self.products.get(place as usize)
    }
}

/// Rows are limited to far fewer than there are places, and each row adds a few texts at most.
fn place_after(len: usize) -> u32 {
    u32::try_from(len).expect("invariant: IMPORT_ROWS_MAX rows hold fewer than 2^32 texts")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn item(id: &str, name: &str, category: &str) -> LegacyItem {
        LegacyItem { id: id.to_owned(), name: name.to_owned(), category: category.to_owned() }
    }

    #[test]
    fn the_same_product_has_one_place_and_fields_do_not_run_together() {
        let mut interner = Interner::default();
        let first = interner.product(&item("1", "23", ""));
        assert_eq!(interner.product(&item("1", "23", "")), first);
        let other = interner.product(&item("12", "3", ""));
        assert_ne!(other, first);
        assert_eq!(interner.product_at(other), Some(&item("12", "3", "")));
        assert_eq!(interner.product_at(other + 1), None);
    }

    #[test]
    fn ids_are_ordered_as_numbers_first_and_texts_after() {
        let mut interner = Interner::default();
        let mut ids = ["b", "10", "9", "007", "a"].map(|text| interner.row_id(text));
        ids.sort_by(|one, other| interner.order(*one, *other));
        assert_eq!(ids.map(|id| interner.row_text(id)), ["9", "10", "007", "a", "b"]);
    }

    proptest! {
        #[test]
        fn an_id_keeps_its_text(texts in prop::collection::vec("[0-9a-]{0,22}", 1..8)) {
            let mut interner = Interner::default();
            let ids: Vec<RowId> = texts.iter().map(|text| interner.row_id(text)).collect();
            let back: Vec<String> = ids.into_iter().map(|id| interner.row_text(id)).collect();
            prop_assert_eq!(back, texts);
        }
    }
}
