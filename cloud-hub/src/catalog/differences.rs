//! What another menu changes, field by field, in words that a person reads before it is published.

use std::collections::BTreeMap;

use percolate_common::domain::catalog::{Catalog, Draft, Item};
use percolate_common::money::Currency;

use super::menu::Menu;

/// A field that is otherwise than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// Which, as in `item 101, price`; without a field where the whole is new or gone.
    pub(super) field: String,
    /// What it was, if it was there.
    pub(super) before: Option<String>,
    /// What it is to be, if it stays.
    pub(super) after: Option<String>,
}

/// What something on the menu says: its fields, by name.
type Fields = Vec<(&'static str, String)>;

/// What is otherwise than what is for sale. What no item uses any more stays on the menu, and is not told.
pub(super) fn differences(before: Option<&Catalog>, after: &Menu) -> Vec<Difference> {
    let mut was: BTreeMap<String, Fields> = before
        .map(|catalog| all(&catalog.content, catalog.revision.currency))
        .unwrap_or_default()
        .into_iter()
        .collect();
    let mut found = Vec::new();
    for (what, fields) in all(&after.content, after.currency) {
        match was.remove(&what) {
            None => found.push(Difference { field: what, before: None, after: Some(whole(&fields)) }),
            Some(earlier) => changed(&what, &earlier, fields, &mut found),
        }
    }
    let gone = was.into_iter().filter(|(what, _)| what.starts_with(ITEM));
    found.extend(gone.map(|(what, fields)| Difference { field: what, before: Some(whole(&fields)), after: None }));
    found
}

fn changed(what: &str, earlier: &Fields, fields: Fields, found: &mut Vec<Difference>) {
    let was: BTreeMap<&str, &String> = earlier.iter().map(|(name, text)| (*name, text)).collect();
    for (name, text) in &fields {
        let before = was.get(name).copied();
        if before != Some(text) {
            let field = format!("{what}, {name}");
            found.push(Difference { field, before: before.cloned(), after: Some(text.clone()) });
        }
    }
}

/// What items are called here.
const ITEM: &str = "item ";

fn whole(fields: &Fields) -> String {
    fields.iter().map(|(_, text)| text.as_str()).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Everything on a menu, with its fields.
fn all(content: &Draft, currency: Currency) -> Vec<(String, Fields)> {
    let mut all = vec![("the menu".to_owned(), vec![("currency", currency.to_string())])];
    all.extend(content.tax_classes.values().map(|class| {
        let rate = format!("{} %", class.rate.to_percent());
        (format!("tax class {}", class.id), vec![("name", class.name.clone()), ("rate", rate)])
    }));
    all.extend(content.categories.values().map(|it| (format!("category {}", it.id), vec![("name", it.name.clone())])));
    all.extend(content.stock_items.values().map(|it| {
        (format!("stock item {}", it.id), vec![("name", it.name.clone()), ("unit", it.unit.as_str().to_owned())])
    }));
    all.extend(content.items.values().map(|it| (format!("{ITEM}{}", it.id), of_item(it, content, currency))));
    all
}

fn of_item(item: &Item, content: &Draft, currency: Currency) -> Fields {
    let category = content.categories.get(&item.category);
    let tax_class = content.tax_classes.get(&item.tax_class);
    let uses = item.uses.iter().map(|part| {
        let stock_item = content.stock_items.get(&part.stock_item);
        let unit = stock_item.map_or("", |it| it.unit.as_str());
        let name = named(stock_item.map(|it| it.name.as_str()), part.stock_item.get());
        format!("{name} {} {unit}", part.quantity.get())
    });
    vec![
        ("name", item.name.clone()),
        ("price", item.price.to_decimal(currency)),
        ("category", named(category.map(|it| it.name.as_str()), item.category.get())),
        ("tax", named(tax_class.map(|it| it.name.as_str()), item.tax_class.get())),
        ("uses", uses.collect::<Vec<_>>().join(", ")),
    ]
}

/// Something by its name and its number: two may have one name.
fn named(name: Option<&str>, number: u32) -> String {
    format!("{} ({number})", name.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use percolate_common::domain::catalog::Revision;

    use super::*;

    const MENU: &str = r#"{"currency":"USD","tax_classes":[{"id":1,"name":"Food","rate_micro":89000}],
        "categories":[{"id":1,"name":"Espresso"}],"stock_items":[{"id":1,"name":"Beans","unit":"mg"}],
        "items":[{"id":101,"name":"Espresso","category":1,"tax_class":1,"price_minor":300,
                  "uses":[{"stock_item":1,"quantity":18000}]},
                 {"id":102,"name":"Cortado","category":1,"tax_class":1,"price_minor":400,"uses":[]}]}"#;

    fn menu(from: &str, to: &str) -> Menu {
        Menu::parse(&MENU.replace(from, to)).unwrap()
    }

    fn told(before: Option<&Menu>, after: &Menu) -> Vec<String> {
        let catalog = before.map(|menu| {
            let item_count = u32::try_from(menu.content.items.len()).unwrap();
            menu.content.publish(Revision { number: 1, currency: menu.currency, item_count }).unwrap()
        });
        let text = |it: Option<String>| it.unwrap_or_else(|| "-".to_owned());
        let line = |it: Difference| format!("{}: {} > {}", it.field, text(it.before), text(it.after));
        differences(catalog.as_ref(), after).into_iter().map(line).collect()
    }

    #[test]
    fn what_is_new_gone_or_another_is_told_field_by_field() {
        let first = menu("", "");
        assert_eq!(told(Some(&first), &first), [""; 0]);
        assert_eq!(told(Some(&first), &menu("89000", "88750")), ["tax class 1, rate: 8.9 % > 8.875 %"]);
        assert_eq!(told(Some(&first), &menu("300", "325")), ["item 101, price: 3.00 > 3.25"]);
        assert_eq!(
            told(Some(&first), &menu("18000", "9000")),
            ["item 101, uses: Beans (1) 18000 mg > Beans (1) 9000 mg"]
        );
        let other = menu("{\"id\":102", "{\"id\":103");
        let expected = [
            "item 103: - > Cortado; 4.00; Espresso (1); Food (1)",
            "item 102: Cortado; 4.00; Espresso (1); Food (1) > -",
        ];
        assert_eq!(told(Some(&first), &other), expected);
        assert_eq!(told(None, &first).len(), 6);
    }
}
