//! A chain's first menu comes from the tables of an old system, and a shop that is planned from the same folder sells from it.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use system_tests::harness::head_office::NewBox;
use system_tests::harness::{Client, Hub};

use super::{are, outcomes, provision, shown, text, told};

const MENU_CSV: &str = "item,name,category,unit_price,tax,barcode\n\
    101,Espresso,Coffee,3.00,Prepared,1\n102,\"Latte, large\",Coffee,4.50,Prepared,2\n201,House beans,Beans,18,Groceries,3\n";
const TAXES_CSV: &str = "class,rate\nPrepared,8.875\nGroceries,0\n";
const STOCK_ITEMS_CSV: &str = "stock_item,name,unit\n1,Espresso beans,mg\n";
const RECIPES_CSV: &str = "item,stock_item,quantity\n101,1,18000\n102,1,18000\n";
const SHOPS_CSV: &str = "store,node,name,zone,currency,cutover_hour\n42,421,Harbour,America/New_York,USD,4\n";
const SHOP_STOCK_CSV: &str = "store,item,quantity\n42,1,500000\n";

/// A head office without a menu, and how its server is named.
async fn bare_office(scratch: &Path) -> Result<(Hub, String)> {
    let hub = Hub::start_with(scratch, None, &[]).await?;
    let named = format!("http://{},{}", hub.client.address(), shown(&scratch.join("hub/token")));
    Ok((hub, named))
}

fn tables(scratch: &Path) -> Result<PathBuf> {
    let folder = scratch.join("old");
    std::fs::create_dir(&folder)?;
    for (name, text) in [
        ("menu.csv", MENU_CSV),
        ("taxes.csv", TAXES_CSV),
        ("stock_items.csv", STOCK_ITEMS_CSV),
        ("recipes.csv", RECIPES_CSV),
        ("stores.csv", SHOPS_CSV),
        ("stock.csv", SHOP_STOCK_CSV),
    ] {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_menu_from_tables_is_published_once_and_a_shop_of_the_same_folder_sells_from_it() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let (hub, named) = bare_office(scratch.path()).await?;
    let folder = tables(scratch.path())?;
    let old = shown(&folder);
    let publish = ["menu", "publish", "--from-csv", &old, "--column", "price=unit_price", "--currency", "USD"];
    let publish = [&publish[..], &["--hub", &named]].concat();

    // One mistake, and nothing is published; all of them are told at once.
    std::fs::write(folder.join("menu.csv"), MENU_CSV.replace("3.00", "3.005").replace("18,Gro", "1e3,Gro"))?;
    let (exit, object) = told(&publish)?;
    ensure!(exit == 3 && object["outcome"] == "rows_set_aside", "{object}");
    let list = std::fs::read_to_string(folder.join("quarantine.csv"))?;
    for line in ["menu.csv,2,price,too_fine,", "menu.csv,4,price,malformed,"] {
        ensure!(list.lines().any(|it| it.starts_with(line)), "{line} in {list}");
    }
    ensure!(list.lines().count() == 3, "{list}");
    std::fs::write(folder.join("menu.csv"), MENU_CSV)?;

    // Where nobody is asked, nothing is done.
    let done = provision(&publish)?;
    let (out, err) = (String::from_utf8(done.stdout)?, String::from_utf8(done.stderr)?);
    ensure!(done.status.code() == Some(2) && err.contains("--yes") && out.contains("Latte, large; 4.50"), "{out}{err}");
    ensure!(told(&["menu", "show", "--hub", &named])?.1["revision"] == 0);
    let done = provision(&[&publish[..], &["--yes"]].concat())?;
    ensure!(done.status.code() == Some(0) && !folder.join("quarantine.csv").exists(), "{done:?}");
    // The same again changes nothing.
    let (exit, object) = told(&publish)?;
    ensure!(exit == 0 && object["outcome"] == "unchanged" && object["revision"] == 1, "{object}");

    let (exit, object) = told(&["store", "create", "--from-csv", &old, "--hub", &named])?;
    ensure!(exit == 0 && outcomes(&object) == are(&[(42, "new")]), "{object}");
    ensure!(object["notes"].to_string().contains("provision menu publish"), "{object}");
    let stick = scratch.path().join("store-042.percolate");
    let (exit, made) = told(&["store", "bundle", "--store", "42", "--out", &shown(&stick), "--hub", &named])?;
    ensure!(exit == 0, "{made}");
    let shop = NewBox::new(scratch.path(), "box");
    let ready = shop.up(&stick, &[])?;
    ensure!(ready.exit == 0, "{ready:?}");
    let data = shop.folder.join("data");
    let endpoints: Value = serde_json::from_slice(&std::fs::read(data.join("endpoints.json"))?)?;
    let till = Client::new(&text(&endpoints, "http"), &data)?;
    let body = json!({
        "terminal": "T1", "currency": "USD", "lines": [{"item": 102, "quantity": 2}, {"item": 201, "quantity": 1}],
        "tenders": [{"kind": "cash", "amount_minor": 10_000}],
    });
    let sold = till.post("/v1/tickets", "key-1", &body).await?;
    // Two at 4.50 with 8.875 %, which is 0.79875, and one at 18.00 without.
    ensure!(sold["total_minor"] == 2_780 && sold["tax_minor"] == 80, "{sold}");
    drop(hub);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_that_changes_is_shown_and_the_tables_of_the_hub_are_its_menu() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let (_hub, named) = bare_office(scratch.path()).await?;
    let folder = tables(scratch.path())?;
    std::fs::write(folder.join("menu.csv"), MENU_CSV.replace("unit_price", "price"))?;
    let old = shown(&folder);
    // The menu comes first, and the shops after it, in one go.
    let create = ["store", "create", "--from-csv", &old, "--with-menu", "--hub", &named];
    let done = provision(&create)?;
    ensure!(done.status.code() == Some(2) && String::from_utf8(done.stderr)?.contains("--currency"));
    let (exit, object) = told(&[&create[..], &["--currency", "USD"]].concat())?;
    ensure!(exit == 0 && object["menu"]["outcome"] == "published", "{object}");
    ensure!(
        outcomes(&object) == are(&[(42, "new")]) && !object["notes"].to_string().contains("menu.csv: not read here")
    );

    let written = scratch.path().join("written");
    let (exit, object) = told(&["menu", "show", "--to-csv", &shown(&written), "--hub", &named])?;
    ensure!(exit == 0 && object["revision"] == 1, "{object}");
    let again = ["menu", "publish", "--from-csv", &shown(&written), "--hub", &named];
    ensure!(told(&again)?.1["outcome"] == "unchanged");
    let menu = std::fs::read_to_string(written.join("menu.csv"))?;
    ensure!(menu.contains("102,\"Latte, large\",Coffee,4.50,Prepared"), "{menu}");
    std::fs::write(written.join("menu.csv"), menu.replace("4.50", "4.75"))?;
    let (exit, changed) = told(&again)?;
    let expected = json!([{"field": "item 102, price", "before": "4.50", "after": "4.75"}]);
    ensure!(exit == 0 && changed["differences"] == expected && changed["revision"] == 2, "{changed}");

    // As a JSON file it is the same; one with mistakes is refused with all of them.
    let file = scratch.path().join("menu.json");
    let mut menu = told(&["menu", "show", "--hub", &named])?.1["menu"].clone();
    std::fs::write(&file, menu.to_string())?;
    let publish = ["menu", "publish", &shown(&file), "--hub", &named];
    ensure!(told(&publish)?.1["outcome"] == "unchanged");
    menu["items"][0]["price_minor"] = json!(-1);
    menu["items"][1]["tax_class"] = json!(9);
    std::fs::write(&file, menu.to_string())?;
    let done = provision(&publish)?;
    let err = String::from_utf8(done.stderr)?;
    ensure!(
        done.status.code() == Some(4) && err.contains("/items/0/price_minor") && err.contains("/items/1/tax_class"),
        "{err}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_menu_is_tried_in_a_shop_rolled_out_and_undone_by_command() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let (_hub, named) = bare_office(scratch.path()).await?;
    let folder = tables(scratch.path())?;
    std::fs::write(folder.join("menu.csv"), MENU_CSV.replace("unit_price", "price"))?;
    let old = shown(&folder);
    let publish = ["menu", "publish", "--from-csv", &old, "--currency", "USD", "--hub", &named];
    ensure!(told(&publish)?.1["revision"] == 1);
    ensure!(told(&["menu", "rollout", "--hub", &named])?.0 == 4, "nothing is tried");

    std::fs::write(folder.join("menu.csv"), MENU_CSV.replace("unit_price", "price").replace("4.50", "4.75"))?;
    let (exit, tried) = told(&[&publish[..], &["--stores", "42,43"]].concat())?;
    ensure!(exit == 0 && tried["revision"] == 2, "{tried}");
    let (exit, rolled) = told(&["menu", "rollout", "--hub", &named])?;
    let change = |before: &str, after: &str| json!([{"field": "item 102, price", "before": before, "after": after}]);
    ensure!(exit == 0 && rolled["revision"] == 3 && rolled["differences"] == change("4.50", "4.75"), "{rolled}");
    let undo = ["menu", "undo", "--to", "1", "--hub", &named];
    // Where nobody is asked, nothing is done.
    ensure!(provision(&undo)?.status.code() == Some(2));
    let (exit, undone) = told(&undo)?;
    ensure!(exit == 0 && undone["revision"] == 4 && undone["differences"] == change("4.75", "4.50"), "{undone}");
    ensure!(told(&["menu", "undo", "--to", "9", "--hub", &named])?.0 == 4);

    let (_, list) = told(&["menu", "revisions", "--hub", &named])?;
    let stores: Vec<_> = list["revisions"].as_array().into_iter().flatten().map(|row| row["stores"].clone()).collect();
    ensure!(stores == [json!([]), json!([42, 43]), json!([]), json!([])], "{list}");
    let shown = String::from_utf8(provision(&["menu", "revisions", "--hub", &named])?.stdout)?;
    ensure!(shown.contains("shops 42,43") && shown.contains("all shops"), "{shown}");
    Ok(())
}
