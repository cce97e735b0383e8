//! The page that shows that a shop's printers print, whatever their port: each has one, once, and none that misbehaves keeps the
//! shop from selling.

use anyhow::{Context as _, Result, ensure};
use own_printer::{Manner, Printer};
use percolate_common::identity::site::PrinterV1;
use system_tests::harness::head_office::{HeadOffice, NewBox};
use system_tests::harness::tech::changed;

#[tokio::test(flavor = "multi_thread")]
async fn each_printer_prints_one_page_and_none_keeps_a_shop_from_selling() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut office = HeadOffice::open(scratch.path()).await?;
    office.plan(42, "Harbour")?;
    let bundle = office.bundle(42, &[])?;
    office.hub.kill()?;
    let bar = Printer::start(Manner::Prints)?;
    let kitchen = Printer::start(Manner::Silent)?;
    let patio = Printer::start(Manner::Closes)?;
    let mut place = Printer::nowhere();
    place.set_port(9_101);
    let labels = Printer::start_at(place, Manner::Prints)?;
    let planned = |name: &str, address: String| PrinterV1 {
        name: name.to_owned(),
        kind: "receipt".to_owned(),
        address,
        columns: None,
    };
    let bundle = changed(&bundle, office.hub.data(), |bundle| {
        bundle.site.name = "Café Harbour".to_owned();
        bundle.site.printers = vec![
            planned("Bar", bar.address()),
            planned("Kitchen", kitchen.address()),
            planned("Patio", patio.address()),
            planned("Labels", labels.address()),
        ];
    })?;
    let counts = || [&bar, &kitchen, &patio, &labels].map(|printer| printer.pages().len());
    let shop = NewBox::new(scratch.path(), "box");
    let quiet = shop.up(&bundle, &["--no-print"])?;
    ensure!(quiet.exit == 0 && quiet.step("test page")? == "there" && counts() == [0; 4], "{:?} {quiet:?}", counts());

    let up = shop.up(&bundle, &[])?;
    ensure!(up.exit == 0 && up.step("test page")? == "later" && up.found("printer", "WARN"), "{up:?}");
    ensure!(counts() == [1, 0, 0, 1], "{:?}", counts());
    let said = up.object.get("steps").context("steps")?.to_string();
    ensure!(
        said.contains("WARN") && said.contains("Kitchen") && said.contains("Patio") && !said.contains("Labels"),
        "{said}"
    );
    let page = bar.pages().first().context("a page")?.clone();
    let text = String::from_utf8_lossy(&page);
    let receipt = up.says("receipt");
    for part in ["Cafe Harbour", "Printer: Bar", &format!("Practice ticket: {receipt}"), "Zone: America/New_York"] {
        ensure!(text.contains(part), "{part} is not on it: {text}");
    }

    // Mended, they print theirs; the others not again.
    kitchen.behave(Manner::Prints);
    patio.behave(Manner::Prints);
    let again = shop.up(&bundle, &[])?;
    ensure!(again.exit == 0 && again.step("test page")? == "done" && counts() == [1; 4], "{:?} {again:?}", counts());
    let last = shop.up(&bundle, &[])?;
    ensure!(last.exit == 0 && last.step("test page")? == "there" && counts() == [1; 4], "{:?} {last:?}", counts());
    Ok(())
}
