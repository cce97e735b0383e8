//! What another menu changes, field by field, in words that a person reads before it is published.

use std::collections::BTreeMap;

use percolate_common::domain::catalog::{Catalog, Draft};
use percolate_common::money::Currency;

use super::menu::Menu;

mod fields;

use fields::{of_item, of_rule};

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
            Some(earlier) => changed(&what, &earlier, &fields, &mut found),
        }
    }
    let gone = was.into_iter().filter(|(what, _)| !STAYS.iter().any(|kind| what.starts_with(kind)));
    found.extend(gone.map(|(what, fields)| Difference { field: what, before: Some(whole(&fields)), after: None }));
    found
}

fn changed(what: &str, earlier: &Fields, fields: &Fields, found: &mut Vec<Difference>) {
    let was: BTreeMap<&str, &String> = earlier.iter().map(|(name, text)| (*name, text)).collect();
    for (name, text) in fields {
        let before = was.get(name).copied();
        if before != Some(text) {
            let field = format!("{what}, {name}");
            let said = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
            found.push(Difference { field, before: before.and_then(said), after: said(text) });
        }
    }
}

/// What stays on the menu though nothing of it is said any more: shops may have stock of it.
const STAYS: [&str; 4] = ["the menu", "tax class ", "category ", "stock item "];

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
    all.extend(content.categories.values().map(|it| {
        let station = it.station.as_ref().map(ToString::to_string).unwrap_or_default();
        (format!("category {}", it.id), vec![("name", it.name.clone()), ("station", station)])
    }));
    all.extend(content.stock_items.values().map(|it| {
        (format!("stock item {}", it.id), vec![("name", it.name.clone()), ("unit", it.unit.as_str().to_owned())])
    }));
    all.extend(content.items.values().map(|it| (format!("item {}", it.id), of_item(it, content, currency))));
    all.extend(content.rules.iter().map(|rule| of_rule(rule, content, currency)));
    all
}

#[cfg(test)]
mod tests {
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
        let catalog =
            before.map(|menu| menu.content.publish(menu.content.revision(1, menu.currency, Vec::new())).unwrap());
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
        let stations = menu("Espresso\"}", "Espresso\",\"station\":\"bar\"}");
        assert_eq!(told(Some(&first), &stations), ["category 1, station: - > bar"]);
        let other = menu("{\"id\":102", "{\"id\":103");
        let expected = [
            "item 103: - > Cortado; 4.00; Espresso (1); Food (1)",
            "item 102: Cortado; 4.00; Espresso (1); Food (1) > -",
        ];
        assert_eq!(told(Some(&first), &other), expected);
        assert_eq!(told(None, &first).len(), 6);
    }

    /// Everything but what every menu has.
    const RULES: &str = r#""products":[{"id":1,"name":"Latte"}],
        "modifier_groups":[{"id":2,"name":"Milk","at_least":0,"at_most":1,"modifiers":[7]}],
        "modifiers":[{"id":7,"name":"Oat","price_minor":80,"uses":[],"swap":{"from":1,"to":1}}],
        "combos":[{"id":3,"name":"Break","price_minor":600,"slots":[{"name":"A","choices":[{"item":101}]},
                   {"name":"B","choices":[{"item":102,"surcharge_minor":50}]}]}],
        "price_rules":[{"id":1,"item":101,"store":10,"channel":"web","from":"2026-12-01","price_minor":475}],
        "jurisdictions":[{"id":7,"name":"Atlanta","basis":"ticket","stores":[1,2]}],
        "tax_rules":[{"id":1,"tax_class":1,"jurisdiction":7,"consumption":"dine_in","from":"2026-01-01","rate_micro":90000}],
        "happy_hours":[{"id":1,"name":"Late","hours":{"weekdays":[1,5],"from_minute":900,"until_minute":1020},
                        "from":"2026-11-01","items":[101],"percent_micro":200000}],
        "discounts":[{"id":5,"name":"Regulars","scope":"ticket","percent_micro":100000}],
        "service_charges":[{"id":1,"name":"Service","rate_micro":180000,"stores":[2]}],
        "cash_step_minor":5,
        "house_accounts":[{"id":3,"name":"Atelier","per_ticket_minor":5000,"per_day_minor":20000}]"#;

    fn with_rules(from: &str, to: &str) -> Menu {
        assert!(RULES.contains(from), "{from}");
        let text = MENU.trim_end().strip_suffix('}').unwrap();
        Menu::parse(&format!("{text},{}}}", RULES.replacen(from, to, 1))).unwrap()
    }

    #[test]
    fn rules_of_every_kind_are_told() {
        let before = with_rules("", "");
        assert_eq!(told(Some(&before), &before), [""; 0]);
        for (from, to, expected) in [
            ("\"name\":\"Latte\"", "\"name\":\"Lattes\"", "product 1, name: Latte > Lattes"),
            ("\"at_most\":1", "\"at_most\":2", "modifier group 2, choose: 0 to 1 > 0 to 2"),
            ("\"price_minor\":80", "\"price_minor\":90", "modifier 7, price: 0.80 > 0.90"),
            (",\"swap\":{\"from\":1,\"to\":1}", "", "modifier 7, swap: Beans (1) for Beans (1) > -"),
            (
                "\"surcharge_minor\":50",
                "\"surcharge_minor\":60",
                "combo 3, parts: A: Espresso (101); B: Cortado (102) +0.50 > A: Espresso (101); B: Cortado (102) +0.60",
            ),
            (",\"price_minor\":475", "", "price rule 1, price: 4.75 > not sold"),
            ("\"stores\":[1,2]", "\"stores\":[1]", "jurisdiction 7, shops: 1, 2 > 1"),
            ("90000", "95000", "tax rule 1, rate: 9 % > 9.5 %"),
            (
                "\"weekdays\":[1,5],\"from_minute\":900",
                "\"weekdays\":[7],\"from_minute\":905",
                "happy hour 1, hours: Mon, Fri 15:00 to 17:00 > Sun 15:05 to 17:00",
            ),
            ("\"percent_micro\":100000", "\"amount_minor\":100,\"approval\":true", "discount 5, less: 10 % > 1.00"),
            ("\"stores\":[2]", "\"stores\":[]", "service charge 1, shops: 2 > all"),
            ("\"cash_step_minor\":5", "\"cash_step_minor\":10", "cash, rounded to: 0.05 > 0.10"),
            ("_day_minor\":20000", "_day_minor\":25000", "house account 3, of a day: 200.00 > 250.00"),
        ] {
            let found = told(Some(&before), &with_rules(from, to));
            assert_eq!(found.first().map(String::as_str), Some(expected), "{found:?}");
        }
        let gone = told(Some(&before), &menu("", ""));
        assert_eq!(gone.len(), 12, "{gone:?}");
        assert!(gone.iter().all(|line| line.ends_with("> -")), "{gone:?}");
    }
}
