use std::sync::LazyLock;

use super::*;
use crate::domain::catalog::Draft;
use crate::domain::catalog::tests::small_menu;
use crate::money::Currency;

/// The example of docs/menu.md: one of everything that a menu may say.
static WHOLE: LazyLock<String> = LazyLock::new(|| {
    let text = include_str!("../../../../docs/menu.md");
    text.split("```json\n").nth(1).unwrap().split("```").next().unwrap().to_owned()
});

fn parsed(text: &str) -> MenuV1 {
    serde_json::from_str(text).unwrap()
}

fn draft(text: &str) -> Draft {
    parsed(text).into_draft().unwrap().1
}

#[test]
fn whatever_a_menu_says_is_read_and_written_again_as_it_was() {
    let content = draft(&WHOLE);
    content.check().unwrap();
    assert_eq!(content.rules.count(), 13);
    let (again, before): (serde_json::Value, serde_json::Value) =
        (serde_json::to_value(MenuV1::new(Currency::USD, &content)).unwrap(), serde_json::from_str(&WHOLE).unwrap());
    assert_eq!(again, before);
    let small = small_menu().content;
    assert_eq!(MenuV1::new(Currency::USD, &small).into_draft(), Ok((Currency::USD, small)));
}

#[test]
fn the_facts_of_a_menu_rebuild_it() {
    let content = draft(&WHOLE);
    let mut rebuilt = Draft::default();
    content.changes_from(&Draft::default()).iter().for_each(|event| rebuilt.apply(event));
    assert_eq!(rebuilt, content);
    let mut emptied = content.clone();
    Draft::default().changes_from(&content).iter().for_each(|event| emptied.apply(event));
    assert_eq!((emptied.items.len(), emptied.rules.count()), (0, 0));
}

#[test]
fn every_fault_says_where_it_is() {
    let fault = |from: &str, to: &str| {
        let text = WHOLE.replacen(from, to, 1);
        assert_ne!(text, *WHOLE, "the fault was not made");
        parsed(&text).into_draft().unwrap_err()[0].pointer().to_owned()
    };
    assert_eq!(fault("\"USD\"", "\"dollars\""), "/currency");
    assert_eq!(fault("\"ul\"", "\"l\""), "/stock_items/0/unit");
    assert_eq!(fault("09506000134352", "09506000134353"), "/items/0/barcodes");
    assert_eq!(fault("[\"milk\"]", "[\"butter\"]"), "/items/0/allergens");
    assert_eq!(fault("\"size\": \"12 oz\", ", ""), "/items/0/size");
    assert_eq!(fault("\"product\": 9, ", ""), "/items/0/product");
    assert_eq!(fault("[\"counter\"]", "[\"kiosk\"]"), "/items/0/channels");
    assert_eq!(fault("[1, 5]", "[0]"), "/items/0/hours");
    assert_eq!(fault("\"station\": \"bar\"", "\"station\": \"none\""), "/categories/0/station");
    assert_eq!(fault("\"station\": \"none\"", "\"station\": \"None\""), "/items/1/station");
    assert_eq!(fault("\"id\": 102, \"name\"", "\"id\": 101, \"name\""), "/items/1/id");
    assert_eq!(
        fault("{\"item\": 102, \"surcharge_minor\": 0}", "{\"item\": 1}, {\"item\": 1}"),
        "/combos/0/slots/1/choices/1/item"
    );
    assert_eq!(fault("\"2026-12-31\"", "\"31/12/26\""), "/price_rules/0/until");
    assert_eq!(fault("\"id\": 2, \"item\": 102", "\"id\": 1, \"item\": 102"), "/price_rules/1/id");
    assert_eq!(fault("\"basis\": \"line\"", "\"basis\": \"item\""), "/jurisdictions/0/basis");
    assert_eq!(
        fault("\"consumption\": \"dine_in\", \"from\"", "\"consumption\": \"here\", \"from\""),
        "/tax_rules/0/consumption"
    );
    assert_eq!(
        fault("\"percent_micro\": 200000", "\"percent_micro\": 1, \"amount_minor\": 1"),
        "/happy_hours/0/percent_micro"
    );
    assert_eq!(fault("\"scope\": \"ticket\"", "\"scope\": \"all\""), "/discounts/0/scope");
    let text = WHOLE.replacen("\"cash_step_minor\": 5", "\"cash_step\": 5", 1);
    assert!(serde_json::from_str::<MenuV1>(&text).is_err(), "what nobody knows is not passed over");
}

#[test]
fn a_menu_that_dangles_is_not_sold() {
    let refused = |from: &str, to: &str| draft(&WHOLE.replacen(from, to, 1)).check().unwrap_err().to_string();
    assert!(refused("\"modifiers\": [7]", "\"modifiers\": [8]").contains("modifier group 2 names modifier 8"));
    assert!(refused("\"swap\": {\"from\": 4", "\"swap\": {\"from\": 6").contains("modifier 7 names stock item 6"));
    assert!(refused("\"product\": 9", "\"product\": 8").contains("item 101 names product 8"));
    assert!(refused("\"jurisdiction\": 7", "\"jurisdiction\": 8").contains("tax rule 1 names jurisdiction 8"));
    assert!(refused("\"items\": [101], ", "\"items\": [999], ").contains("happy hour 1 names item 999"));
    assert!(refused("\"cash_step_minor\": 5", "\"cash_step_minor\": 3").contains("rounding of cash"));
    assert!(refused("\"at_most\": 1", "\"at_most\": 21").contains("limits of modifier group 2"));
    assert!(refused("\"until\": \"2026-11-30\"", "\"until\": \"2026-10-30\"").contains("last day of happy hour 1"));
    let two = WHOLE.replacen("\"station\": \"none\"}]", "\"barcodes\": [\"9506000134352\"]}]", 1);
    assert!(draft(&two).check().unwrap_err().to_string().contains("barcode 09506000134352 of item 102"));
}

#[test]
fn all_faults_are_told_at_once_each_with_its_place_in_the_text() {
    let mut text = WHOLE.clone();
    for (from, to) in [
        // Two that cannot be read, and entries in another order than by number: places are those of the text.
        ("\"unit\": \"ul\"}, {", "\"unit\": \"l\"}, {"),
        ("[\"counter\"]", "[\"kiosk\"]"),
        ("{\"id\": 1, \"item\": 101, \"store\": 10", "{\"id\": 3, \"item\": 999, \"store\": 10"),
        ("\"2026-12-31\", \"price_minor\": 475", "\"2026-11-30\", \"price_minor\": -1"),
        ("\"quantity\": 240000", "\"quantity\": 0"),
        (
            "{\"item\": 102, \"surcharge_minor\": 0}",
            "{\"item\": 102, \"surcharge_minor\": 0}, {\"item\": 7, \"surcharge_minor\": -1}",
        ),
        ("\"name\": \"Bite\"", "\"name\": \"\""),
        ("\"modifiers\": [7]", "\"modifiers\": [7, 8]"),
        ("\"swap\": {\"from\": 4", "\"swap\": {\"from\": 6"),
        ("\"percent_micro\": 200000", "\"percent_micro\": 1000001"),
        (
            "\"stores\": [1, 2]}]",
            "\"stores\": [1, 2]}, {\"id\": 6, \"name\": \"There\", \"basis\": \"line\", \"stores\": [3, 2]}]",
        ),
        ("\"cash_step_minor\": 5", "\"cash_step_minor\": 3"),
    ] {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    let faults = parsed(&text).into_sound().unwrap_err();
    let told: Vec<_> = faults.iter().map(|fault| (fault.pointer(), fault.code())).collect();
    let expected = [
        ("/stock_items/0/unit", "malformed"),
        ("/items/0/channels", "malformed"),
        ("/items/0/uses/0/quantity", "out_of_range"),
        ("/jurisdictions/0/stores/1", "twice"),
        ("/modifier_groups/0/modifiers/1", "unknown"),
        ("/modifiers/0/swap", "unknown"),
        ("/combos/0/slots/1/name", "out_of_range"),
        ("/combos/0/slots/1/choices/1/item", "unknown"),
        ("/combos/0/slots/1/choices/1/surcharge_minor", "out_of_range"),
        ("/price_rules/0/item", "unknown"),
        ("/price_rules/0/until", "out_of_range"),
        ("/price_rules/0/price_minor", "out_of_range"),
        ("/happy_hours/0/percent_micro", "out_of_range"),
        ("/cash_step_minor", "out_of_range"),
    ];
    assert_eq!(told, expected);
    assert!(parsed(&WHOLE).into_sound().is_ok());
}
