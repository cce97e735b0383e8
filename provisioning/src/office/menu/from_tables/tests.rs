use std::collections::BTreeMap;

use percolate_common::quantity::Unit;
use percolate_common::wire::menu::MenuV1;
use proptest::prelude::*;

use super::super::to_tables;
use super::*;

const MENU_CSV: &str = "Item,name,category,price,tax,barcode\n101,Espresso,Coffee,3.00,Food,x\n\
    102,\"Latte, large\",Coffee, 4.50 ,Food,\n201,Mug,Goods,12,Merchandise,\n";
const TAXES_CSV: &str = "rate,class\n8.9,Food\n8.875,Merchandise\n";
const STOCK_ITEMS_CSV: &str = "stock_item,name,unit\n1,Beans,mg\n2,Cups,each\n";
const RECIPES_CSV: &str = "item,stock_item,quantity\n101,1,18000\n102,1,18000\n102,2,1\n";

const FILES: [(&str, &str); 4] = [
    ("menu.csv", MENU_CSV),
    ("taxes.csv", TAXES_CSV),
    ("stock_items.csv", STOCK_ITEMS_CSV),
    ("recipes.csv", RECIPES_CSV),
];

/// A folder with all tables, of which one says something else.
fn folder(file: &str, from: &str, to: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in FILES {
        let text = if name == file { text.replacen(from, to, 1) } else { text.to_owned() };
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn read_usd(dir: &tempfile::TempDir) -> Read {
    read(dir.path(), &[], (Currency::USD, &Draft::default())).unwrap()
}

/// File, line, column and code of every mistake.
fn told(read: &Read) -> Vec<(&str, u64, &str, &str)> {
    read.mistakes.iter().map(|it| (it.file, it.line, it.column.as_str(), it.code.as_str())).collect()
}

#[test]
fn a_menu_is_put_together_from_its_tables() {
    let read = read_usd(&folder("", "", ""));
    assert_eq!((told(&read), read.notes.as_slice()), (vec![], &["menu.csv: not read: barcode".to_owned()][..]));
    let Draft { categories, tax_classes, stock_items, items, rules: _ } = &read.content;
    let names: Vec<_> = categories.values().map(|it| (it.id.get(), it.name.as_str())).collect();
    assert_eq!(names, [(1, "Coffee"), (2, "Goods")]);
    let rates: Vec<_> = tax_classes.values().map(|it| (it.id.get(), it.name.as_str(), it.rate.get())).collect();
    assert_eq!(rates, [(1, "Food", 89_000), (2, "Merchandise", 88_750)]);
    let counted: Vec<_> = stock_items.values().map(|it| (it.id.get(), it.name.as_str(), it.unit)).collect();
    assert_eq!(counted, [(1, "Beans", Unit::Milligram), (2, "Cups", Unit::Each)]);
    let latte = Item {
        id: ItemId::new(102),
        name: "Latte, large".to_owned(),
        category: CategoryId::new(1),
        tax_class: TaxClassId::new(1),
        price: Minor::new(450),
        uses: vec![
            Use { stock_item: StockItemId::new(1), quantity: Quantity::new(18_000) },
            Use { stock_item: StockItemId::new(2), quantity: Quantity::new(1) },
        ],
        details: ItemDetails::default(),
    };
    assert_eq!(items.get(&latte.id), Some(&latte));
    assert_eq!((items.len(), items[&ItemId::new(201)].price), (3, Minor::new(1_200)));
}

#[test]
fn every_mistake_is_told_by_its_line_and_column() {
    for (file, from, to, expected) in [
        ("menu.csv", "3.00", "\"4,50\"", ("menu.csv", 2, "price", "malformed")),
        ("menu.csv", "3.00", "1e3", ("menu.csv", 2, "price", "malformed")),
        ("menu.csv", "3.00", "$3.00", ("menu.csv", 2, "price", "malformed")),
        ("menu.csv", "3.00", "", ("menu.csv", 2, "price", "missing")),
        ("menu.csv", "3.00", "-1", ("menu.csv", 2, "price", "out_of_range")),
        ("menu.csv", "3.00", "10000.01", ("menu.csv", 2, "price", "out_of_range")),
        ("menu.csv", "3.00", "99999999999999999999", ("menu.csv", 2, "price", "out_of_range")),
        ("menu.csv", "3.00", "4.505", ("menu.csv", 2, "price", "too_fine")),
        ("menu.csv", "101,", "x,", ("menu.csv", 2, "item", "malformed")),
        ("menu.csv", "201,", "101,", ("menu.csv", 4, "item", "twice")),
        ("menu.csv", "Espresso", " ", ("menu.csv", 2, "name", "missing")),
        ("menu.csv", "Espresso", "Es\u{7}presso", ("menu.csv", 2, "name", "out_of_range")),
        ("menu.csv", "Goods", "", ("menu.csv", 4, "category", "missing")),
        ("menu.csv", "Goods", "Go\u{7}ods", ("menu.csv", 4, "category", "out_of_range")),
        ("menu.csv", "Merchandise", "Goods", ("menu.csv", 4, "tax", "unknown")),
        ("menu.csv", "3.00,Food,x", "3,00,Food,x", ("menu.csv", 2, "", "column_count")),
        ("taxes.csv", "8.9", "8.9%", ("taxes.csv", 2, "rate", "malformed")),
        ("taxes.csv", "8.9", "8.90001", ("taxes.csv", 2, "rate", "too_fine")),
        ("taxes.csv", "8.9", "-8.9", ("taxes.csv", 2, "rate", "out_of_range")),
        ("taxes.csv", "8.9", "100.0001", ("taxes.csv", 2, "rate", "out_of_range")),
        ("taxes.csv", "rate,class\n", "rate,class\n4,Food\n", ("taxes.csv", 3, "class", "twice")),
        ("stock_items.csv", "mg", "g", ("stock_items.csv", 2, "unit", "malformed")),
        ("stock_items.csv", "2,Cups", "1,Lids,each\n2,Cups", ("stock_items.csv", 3, "stock_item", "twice")),
        ("stock_items.csv", "Beans", "Be\u{7}ans", ("stock_items.csv", 2, "name", "out_of_range")),
        ("recipes.csv", "101,1", "109,1", ("recipes.csv", 2, "item", "unknown")),
        ("recipes.csv", "101,1", "101,9", ("recipes.csv", 2, "stock_item", "unknown")),
        ("recipes.csv", "102,2", "102,1", ("recipes.csv", 4, "stock_item", "twice")),
        ("recipes.csv", "18000", "18.5", ("recipes.csv", 2, "quantity", "malformed")),
        ("recipes.csv", "18000", "0", ("recipes.csv", 2, "quantity", "out_of_range")),
        ("recipes.csv", "18000", "100000001", ("recipes.csv", 2, "quantity", "out_of_range")),
    ] {
        let found = read_usd(&folder(file, from, to));
        assert_eq!(told(&found), [expected], "{file}: {to:?}");
    }
}

#[test]
fn all_mistakes_of_all_tables_are_told_at_once_and_each_once() {
    let dir = folder("taxes.csv", "8.9", "8.9%");
    std::fs::write(dir.path().join("menu.csv"), MENU_CSV.replace("3.00", "3,00").replace("12,Mer", "1e3,Mer")).unwrap();
    std::fs::write(dir.path().join("recipes.csv"), RECIPES_CSV.replace("102,2,1", "102,2,")).unwrap();
    let read = read_usd(&dir);
    let expected = [
        ("taxes.csv", 2, "rate", "malformed"),
        ("menu.csv", 2, "", "column_count"),
        ("menu.csv", 4, "price", "malformed"),
        ("recipes.csv", 4, "quantity", "missing"),
    ];
    assert_eq!(told(&read), expected);
}

#[test]
fn a_currency_has_its_own_decimals() {
    let dir = folder("", "", "");
    let yen: Currency = "JPY".parse().unwrap();
    let read = read(dir.path(), &[], (yen, &Draft::default())).unwrap();
    assert_eq!(told(&read), [("menu.csv", 3, "price", "too_fine")]);
    assert_eq!(read.content.items[&ItemId::new(101)].price, Minor::new(3));
}

#[test]
fn what_is_for_sale_by_a_name_keeps_its_number_and_what_is_new_gets_another() {
    let known = read_usd(&folder("menu.csv", "Coffee", "Tea")).content;
    assert_eq!(known.categories.len(), 3);
    let again = read(folder("menu.csv", "Goods", "Wares").path(), &[], (Currency::USD, &known)).unwrap().content;
    let names: Vec<_> = again.categories.values().map(|it| (it.id.get(), it.name.as_str())).collect();
    assert_eq!(names, [(2, "Coffee"), (4, "Wares")]);
}

#[test]
fn columns_that_are_called_otherwise_are_found() {
    let dir = folder("menu.csv", "price,tax", "unit_price,price");
    let called: Vec<Called> = ["price=Unit_Price", "tax=price"].map(|it| it.parse().unwrap()).to_vec();
    let renamed = read(dir.path(), &called, (Currency::USD, &Draft::default())).unwrap();
    assert_eq!(renamed.content, read_usd(&folder("", "", "")).content);
    let missing = ["price=cost".parse().unwrap()];
    let dir = folder("", "", "");
    let refused = read(dir.path(), &missing, (Currency::USD, &Draft::default())).unwrap_err();
    assert!(refused.to_string().contains("no table with a price has a column cost"), "{refused}");
}

#[test]
fn a_table_that_must_be_there_and_is_not_is_refused() {
    for (file, said) in [("menu.csv", "nothing is for sale"), ("taxes.csv", "no menu is without taxes")] {
        let dir = folder("", "", "");
        std::fs::remove_file(dir.path().join(file)).unwrap();
        let refused = read(dir.path(), &[], (Currency::USD, &Draft::default())).unwrap_err();
        assert!(refused.to_string().contains(said), "{refused}");
    }
    let dir = folder("", "", "");
    for file in ["stock_items.csv", "recipes.csv"] {
        std::fs::remove_file(dir.path().join(file)).unwrap();
    }
    let read = read_usd(&dir);
    assert_eq!((read.content.items.len(), read.content.stock_items.len(), read.mistakes.len()), (3, 0, 0));
    assert!(read.notes.iter().any(|note| note.contains("recipes.csv is not there")), "{:?}", read.notes);
}

/// The menu of the tables, and besides what no table has a place for.
fn with_rules() -> Draft {
    let mut menu = MenuV1::new(Currency::USD, &read_usd(&folder("", "", "")).content);
    let extras = r#"[{"id": 2, "name": "Milk", "at_least": 0, "at_most": 1, "modifiers": [7]}]"#;
    menu.modifier_groups = serde_json::from_str(extras).unwrap();
    menu.modifiers =
        serde_json::from_str(r#"[{"id": 7, "name": "Oat", "price_minor": 80, "swap": {"from": 1, "to": 2}}]"#).unwrap();
    menu.combos = serde_json::from_str(
        r#"[{"id": 3, "name": "Two", "price_minor": 600,
            "slots": [{"name": "A", "choices": [{"item": 101}]}, {"name": "B", "choices": [{"item": 201}]}]}]"#,
    )
    .unwrap();
    let hours = r#"[{"id": 1, "name": "Late", "hours": {"weekdays": [1], "from_minute": 900, "until_minute": 960},
        "from": "2026-11-01", "categories": [2], "percent_micro": 200000}]"#;
    menu.happy_hours = serde_json::from_str(hours).unwrap();
    menu.items[0].modifier_groups = vec![2];
    menu.items[0].kilocalories = Some(5);
    menu.into_sound().unwrap().1
}

#[test]
fn what_no_table_has_a_place_for_stays_as_it_is_for_sale() {
    let known = with_rules();
    let again = read(folder("menu.csv", "3.00", "3.25").path(), &[], (Currency::USD, &known)).unwrap();
    assert_eq!(told(&again), []);
    assert_eq!(again.content.rules, known.rules);
    let (espresso, before) = (&again.content.items[&ItemId::new(101)], &known.items[&ItemId::new(101)]);
    assert_eq!((&espresso.details, espresso.price), (&before.details, Minor::new(325)));
    let said = "stays as it is for sale, since no table has it: groups of extras (1), extras (1), sets (1), happy hours (1), \
                items with extras (1)";
    assert!(again.notes.iter().any(|note| note == said), "{:?}", again.notes);
    // A category in which nothing is sold any more stays for the happy hour that names it.
    let moved = read(folder("menu.csv", "Goods", "Coffee").path(), &[], (Currency::USD, &known)).unwrap();
    assert_eq!((told(&moved), moved.content.categories.len()), (vec![], 2));
    // An item that a set names cannot go without the set.
    let gone = read(folder("menu.csv", "201,", "202,").path(), &[], (Currency::USD, &known)).unwrap();
    assert_eq!(told(&gone), [("menu.csv", 1, "", "unknown")]);
    assert!(gone.mistakes[0].reason.contains("combo 3 names item 201"), "{}", gone.mistakes[0].reason);
}

#[test]
fn sizes_barcodes_allergens_and_kilocalories_are_columns() {
    let dir = folder("", "", "");
    let table = "item,name,category,price,tax,product,size,barcodes,allergens,kilocalories\n\
        101,\"Latte, 12 oz\",Coffee,4.50,Food,Latte,12 oz,,milk,190\n\
        102,\"Latte, 16 oz\",Coffee,5.00,Food,Latte,16 oz,96385074 9506000134352,milk soy,\n\
        201,Mug,Goods,12,Merchandise,,,,,\n";
    std::fs::write(dir.path().join("menu.csv"), table).unwrap();
    let menu = read_usd(&dir);
    assert_eq!(told(&menu), []);
    let [small, large, mug] = [101, 102, 201].map(|id| menu.content.items[&ItemId::new(id)].details.clone());
    let size = |name: &str| Some(Size { product: ProductId::new(1), name: name.to_owned() });
    assert_eq!((small.size, large.size, mug), (size("12 oz"), size("16 oz"), ItemDetails::default()));
    assert_eq!((small.kilocalories, large.kilocalories), (Some(190), None));
    assert_eq!(large.allergens, [Allergen::Milk, Allergen::Soy]);
    assert_eq!(large.barcodes, ["96385074".parse().unwrap(), "9506000134352".parse().unwrap()]);
    assert_eq!(menu.content.rules.product(ProductId::new(1)).unwrap().name, "Latte");

    let written = dir.path().join("written");
    to_tables::write(&written, Currency::USD, &menu.content).unwrap();
    assert_eq!(read(&written, &[], (Currency::USD, &menu.content)).unwrap().content, menu.content);
    for (from, to, expected) in [
        ("96385074", "96385075", ("menu.csv", 3, "barcodes", "malformed")),
        ("milk soy", "milk,soy", ("menu.csv", 3, "", "column_count")),
        ("milk soy", "cream", ("menu.csv", 3, "allergens", "malformed")),
        (",190", ",1e3", ("menu.csv", 2, "kilocalories", "malformed")),
        ("Latte,12 oz", "Latte,", ("menu.csv", 2, "size", "missing")),
        ("Latte,12 oz", ",12 oz", ("menu.csv", 2, "product", "missing")),
        ("Merchandise,,,,,", "Merchandise,,,96385074,,", ("menu.csv", 4, "barcodes", "twice")),
    ] {
        std::fs::write(dir.path().join("menu.csv"), table.replacen(from, to, 1)).unwrap();
        assert_eq!(told(&read_usd(&dir)), [expected], "{to}");
    }
}

fn name() -> impl Strategy<Value = String> {
    "[-=+@' ,\"A-Za-z0-9é]{0,19}[A-Za-z0-9é]".prop_map(|text| text.trim().to_owned())
}

/// A sound menu in which all categories are used, and no two things that tables know by name have one name.
fn menu() -> impl Strategy<Value = Draft> {
    let uses = prop::collection::btree_map(0_usize..3, 1_i64..=100_000_000, 0..3);
    let item = (name(), 0_i64..=1_000_000, 0_usize..4, 0_usize..3, uses);
    let items = prop::collection::btree_map(1_u32..=u32::MAX, item, 0..12);
    let categories = prop::collection::btree_map(name(), 1_u32..1_000, 4..5);
    let classes = prop::collection::btree_map(name(), (1_u32..1_000, 0_u32..=1_000_000), 3..4);
    let stock_items = prop::collection::btree_map(1_u32..=u32::MAX, (name(), 0_usize..3), 3..4);
    (items, categories, classes, stock_items).prop_map(|(items, categories, classes, stock_items)| {
        let mut draft = Draft::default();
        for (at, (name, (number, rate))) in classes.into_iter().enumerate() {
            let id = TaxClassId::new(number * 4 + u32::try_from(at).unwrap());
            draft.tax_classes.insert(id, TaxClass { id, name, rate: MicroRate::new(rate) });
        }
        for (number, (name, unit)) in stock_items {
            let id = StockItemId::new(number);
            draft
                .stock_items
                .insert(id, StockItem { id, name, unit: [Unit::Each, Unit::Milligram, Unit::Microlitre][unit] });
        }
        let categories: Vec<_> = categories.into_iter().enumerate().collect();
        let classes: Vec<_> = draft.tax_classes.keys().copied().collect();
        let stock: Vec<_> = draft.stock_items.keys().copied().collect();
        for (number, (name, price, category, class, uses)) in items {
            let (at, (category, number_of)) = categories[category].clone();
            let category_id = CategoryId::new(number_of * 4 + u32::try_from(at).unwrap());
            draft.categories.insert(category_id, Category { id: category_id, name: category, station: None });
            let id = ItemId::new(number);
            let part = |(at, quantity): (usize, i64)| Use { stock_item: stock[at], quantity: Quantity::new(quantity) };
            let uses = uses.into_iter().map(part).collect();
            let (tax_class, price, details) = (classes[class], Minor::new(price), ItemDetails::default());
            let item = Item { id, name, category: category_id, tax_class, price, uses, details };
            draft.items.insert(id, item);
        }
        draft
    })
}

proptest! {
    #[test]
    fn a_menu_that_is_written_as_tables_is_read_as_the_same(menu in menu(), digits in 0_usize..3) {
        let currency: Currency = ["JPY", "USD", "KWD"][digits].parse().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("menu");
        to_tables::write(&folder, currency, &menu).unwrap();
        let read = read(&folder, &[], (currency, &menu)).unwrap();
        prop_assert_eq!(told(&read), vec![]);
        prop_assert_eq!(&read.content, &menu);
        // Without what is for sale numbers may be others, and everything else is as it was.
        let anew = super::read(&folder, &[], (currency, &Draft::default())).unwrap();
        let by_name = |draft: &Draft| -> BTreeMap<ItemId, (String, String, Minor, Vec<Use>)> {
            let of = |it: &Item| (
                draft.categories[&it.category].name.clone(), draft.tax_classes[&it.tax_class].name.clone(), it.price, it.uses.clone(),
            );
            draft.items.iter().map(|(id, it)| (*id, of(it))).collect()
        };
        prop_assert_eq!(by_name(&anew.content), by_name(&menu));
    }
}
