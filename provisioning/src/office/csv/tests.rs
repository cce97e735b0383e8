use super::*;
use crate::client::FieldRefused;
use crate::office::quarantine::path_in;

const POLICY_CSV: &str = "store,node,name,zone,currency,cutover_hour,sign_in,badge_use,card_forward\n\
    42,421,Harbour,America/New_York,USD,4,required,alone,5000 20 50000 86400\n43,431,Pier,America/New_York,USD,4,,,\n";

const STORES_CSV: &str = "Store,node,name,zone,currency,cutover_hour,lan_names,manager\n\
    42,421,Harbour,America/New_York,USD,4,192.168.7.20 till.example,Bo\n\
    43,431,\"Station, East\",America/Chicago,USD,4,,Cy\n";

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn source(dir: &tempfile::TempDir) -> ShopSource {
    ShopSource { file: None, from_csv: Some(dir.path().to_owned()), template: None, clone_of: None }
}

/// A line that is set aside: file, line, column and code.
type Told = (String, u64, String, String);

/// The shops that are planned, the lines that are set aside, and all that is said of it.
fn outcome(dir: &tempfile::TempDir) -> (Vec<u32>, Vec<Told>, String) {
    let asked = read(dir.path()).unwrap();
    let tables = asked.tables.unwrap();
    let set_aside = tables.write_set_aside(&source(dir)).unwrap();
    let text = std::fs::read_to_string(path_in(dir.path())).unwrap_or_default();
    let faults = tables.faults.iter();
    let faults = faults.map(|it| (it.place.kind.file.to_owned(), it.place.row, it.column.clone(), it.code.clone()));
    let said = format!("{text}{}{}{:?}", set_aside.shops_in_words(), set_aside.in_words(), asked.notes);
    (asked.shops.iter().map(|shop| shop.store).collect(), faults.collect(), said)
}

fn fault(file: &str, row: u64, column: &str, code: &str) -> Told {
    (file.to_owned(), row, column.to_owned(), code.to_owned())
}

#[test]
fn shops_are_put_together_from_their_tables() {
    let dir = folder(&[
        ("stores.csv", &format!("\u{feff}{STORES_CSV}")),
        ("hours.csv", "closes,store,weekday,opens\r\n22:00,42,Mon,06:30\r\n01:00,42,7,18:00\r\n"),
        ("terminals.csv", "store,name,kind,training,printer\n42,T1,counter,,P1\n42,T9,counter,yes,\n"),
        (
            "printers.csv",
            "store,name,kind,address,columns\n43,P1,receipt,192.168.7.30:9100,32\n43,P2,receipt,p:9100,\n",
        ),
        ("staff.csv", "store,id,name,role,pin\n42,7,Ann,lead,2468\n42,8,Ben,barista,\n"),
        ("stock.csv", "store,item,quantity\n42,1,5000\n43,1,-3\n"),
    ]);
    let asked = read(dir.path()).unwrap();
    assert_eq!(asked.notes, ["stores.csv: not read: manager"]);
    let [harbour, station] = asked.shops.as_slice() else { panic!("{:?}", asked.shops) };
    let expected = json!({
        "node": 421, "name": "Harbour", "zone": "America/New_York", "currency": "USD", "cutover_hour": 4,
        "lan_names": ["192.168.7.20", "till.example"],
        "hours": [{"weekday": 1, "opens_minute": 390, "closes_minute": 1_320},
            {"weekday": 7, "opens_minute": 1_080, "closes_minute": 1_500}],
        "terminals": [{"name": "T1", "kind": "counter", "training": false, "printer": "P1"},
            {"name": "T9", "kind": "counter", "training": true}],
        "staff": [{"id": 7, "name": "Ann", "role": "lead", "pin": "2468"}, {"id": 8, "name": "Ben", "role": "barista"}],
        "stock": [{"item": 1, "quantity": 5_000}],
    });
    assert_eq!((harbour.store, Value::Object(harbour.site.clone())), (42, expected));
    assert_eq!((station.store, &station.site["name"]), (43, &json!("Station, East")));
    assert_eq!(station.site["printers"][0]["columns"], json!(32));
    assert_eq!(station.site["printers"][1]["columns"], Value::Null);
    // What is there below nothing is told to the hub, which says that it cannot be; it is not left out.
    assert_eq!(station.site["stock"], json!([{"item": 1, "quantity": -3}]));
}

#[test]
fn how_people_sign_in_stands_with_their_shop_and_a_badge_with_them() {
    let dir = folder(&[
        ("stores.csv", POLICY_CSV),
        ("staff.csv", "store,id,name,role,pin,badge\n42,7,Ann,lead,,04A224B9\n42,8,Ben,barista,1357,\n"),
    ]);
    let asked = read(dir.path()).unwrap();
    let [harbour, pier] = asked.shops.as_slice() else { panic!("{:?}", asked.shops) };
    let said = (&harbour.site["sign_in"], &harbour.site["badge_use"]);
    assert_eq!(said, (&json!("required"), &json!("alone")));
    assert_eq!(harbour.site["card_forward"], json!("5000 20 50000 86400"));
    assert!(!pier.site.contains_key("card_forward"), "nothing is taken on trust");
    let staff = json!([{"id": 7, "name": "Ann", "role": "lead", "badge": "04A224B9"},
        {"id": 8, "name": "Ben", "role": "barista", "pin": "1357"}]);
    assert_eq!(harbour.site["staff"], staff);
    assert!(!pier.site.contains_key("sign_in") && !pier.site.contains_key("badge_use"), "nothing is said");
}

#[test]
fn one_bad_line_in_whichever_file_sets_its_whole_shop_aside_and_no_other() {
    let cases = [
        ("hours.csv", "store,weekday,opens,closes\n42,1,6,22:00\n", fault("hours.csv", 2, "opens", "malformed")),
        ("hours.csv", "store,weekday,opens,closes\n42,1,,22:00\n", fault("hours.csv", 2, "opens", "missing")),
        (
            "terminals.csv",
            "store,name,kind,training\n43,T1,x,\n42,T1,x,maybe\n",
            fault("terminals.csv", 3, "training", "malformed"),
        ),
        ("printers.csv", "store,name,kind,address\n42,,r,p:1\n", fault("printers.csv", 2, "name", "missing")),
        ("staff.csv", "store,id,name,role,pin\n42,x,Ann,lead,2468\n", fault("staff.csv", 2, "id", "malformed")),
        ("stock.csv", "store,item,quantity\n42,1,1.5\n", fault("stock.csv", 2, "quantity", "malformed")),
        ("stock.csv", "store,item,quantity\n42,1,5,9\n", fault("stock.csv", 2, "", "column_count")),
    ];
    for (file, text, expected) in cases {
        let dir = folder(&[("stores.csv", STORES_CSV), (file, text)]);
        let (planned, faults, said) = outcome(&dir);
        assert_eq!((planned, faults), (vec![43], vec![expected]), "{file}: {text}");
        assert!(said.contains("Set aside: shops 42."), "{said}");
    }
}

#[test]
fn a_shop_or_a_box_that_is_there_twice_is_set_aside_and_a_line_of_an_unknown_shop_too() {
    let more = format!("{STORES_CSV}42,422,Pier,UTC,USD,4,,\n44,431,Mall,UTC,USD,4,,\n45,451,Zoo,UTC,USD,4,,\n");
    let dir = folder(&[("stores.csv", &more), ("stock.csv", "store,item,quantity\n99,1,1\n")]);
    let (planned, faults, _) = outcome(&dir);
    let expected = [
        fault("stores.csv", 4, "store", "twice"),
        fault("stock.csv", 2, "store", "unknown"),
        fault("stores.csv", 3, "node", "taken"),
        fault("stores.csv", 5, "node", "taken"),
    ];
    assert_eq!((planned, faults), (vec![45], expected.to_vec()));
}

#[test]
fn a_line_whose_shop_cannot_be_read_may_be_anybodys_so_that_nobody_is_planned() {
    for line in ["x,1,5", "0,1,5", ",1,5"] {
        let dir = folder(&[("stores.csv", STORES_CSV), ("stock.csv", &format!("store,item,quantity\n{line}\n"))]);
        let (planned, faults, said) = outcome(&dir);
        assert_eq!((planned, faults), (vec![], vec![fault("stock.csv", 2, "store", "malformed")]), "{line}");
        assert!(said.contains("may be any shop's"), "{said}");
    }
}

#[test]
fn no_pin_is_repeated_anywhere_whatever_column_it_slipped_into() {
    for line in
        ["42,7,Ann,lead,2468,", "42,2468x,7,Ann,lead", "2468,7,Ann,lead,", "42,2468,Ann", "42,7,2468\u{1b},lead,x"]
    {
        let dir = folder(&[("stores.csv", STORES_CSV), ("staff.csv", &format!("store,id,name,role,pin\n{line}\n"))]);
        let asked = read(dir.path()).unwrap();
        let mut tables = asked.tables.unwrap();
        let errors =
            vec![FieldRefused { pointer: "/staff/0/pin".into(), code: "malformed".into(), detail: "no PIN".into() }];
        tables.set_aside(42, &Refusal { code: "site_invalid".into(), detail: String::new(), errors });
        let set_aside = tables.write_set_aside(&source(&dir)).unwrap();
        let told = std::fs::read_to_string(path_in(dir.path())).unwrap();
        let said = format!("{told}{}{}", set_aside.in_words(), set_aside.object());
        assert!(!said.contains("2468") && !said.contains('\u{1b}'), "{line}: {said}");
    }
}

#[test]
fn what_the_hub_refuses_is_told_by_its_line_and_column() {
    let dir = folder(&[
        ("stores.csv", STORES_CSV),
        ("hours.csv", "store,weekday,opens,closes\n43,1,06:00,22:00\n42,2,06:00,22:00\n42,9,06:00,22:00\n"),
    ]);
    let mut asked = read(dir.path()).unwrap();
    let tables = asked.tables.as_mut().unwrap();
    let error =
        |pointer: &str| FieldRefused { pointer: pointer.into(), code: "out_of_range".into(), detail: "no".into() };
    let errors = ["/hours/1/weekday", "/hours/0/closes_minute", "/zone", "/lan_names/1", ""].map(error).to_vec();
    tables.set_aside(42, &Refusal { code: "site_invalid".into(), detail: "no".into(), errors });
    tables.set_aside(43, &Refusal { code: "node_taken".into(), detail: "taken".into(), errors: Vec::new() });
    let places: Vec<_> =
        tables.faults.iter().map(|it| (it.place.kind.file, it.place.row, it.column.as_str())).collect();
    let expected = [
        ("hours.csv", 4, "weekday"),
        ("hours.csv", 3, "closes"),
        ("stores.csv", 2, "zone"),
        ("stores.csv", 2, "lan_names"),
        ("stores.csv", 2, ""),
        ("stores.csv", 3, "node"),
    ];
    assert_eq!(places, expected);
}

#[test]
fn the_list_of_what_is_set_aside_is_its_owners_alone_shows_no_control_characters_and_goes_when_all_is_well() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = folder(&[("stores.csv", &STORES_CSV.replace("42,421", "42,4\u{1b}[2J"))]);
    let (planned, _, said) = outcome(&dir);
    assert_eq!(planned, [43]);
    assert!(!said.contains('\u{1b}') && said.contains("\\u{1b}[2J"), "{said}");
    let mode = std::fs::metadata(path_in(dir.path())).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::write(dir.path().join("stores.csv"), STORES_CSV).unwrap();
    assert_eq!(outcome(&dir).0, [42, 43]);
    assert!(!path_in(dir.path()).exists());
}

#[test]
fn a_file_without_its_columns_is_refused_before_anything_is_done() {
    for (text, part) in [
        ("", "is empty"),
        ("store,node,name\n", "lacks zone, currency, cutover_hour"),
        ("store;node;name\n", "separated by \";\""),
        ("store,store,node,name,zone,currency,cutover_hour\n", "names store twice"),
    ] {
        let dir = folder(&[("stores.csv", text)]);
        let refused = read(dir.path()).unwrap_err();
        assert!(refused.to_string().contains(part), "{part}: {refused}");
        assert_eq!(refused.exit, crate::exit::Exit::Usage);
    }
    assert!(read(folder(&[]).path()).is_err(), "without shops there is nothing to plan");
}
