//! The page that shows that a shop's printers print: once for each, as far as they answer.

use std::path::Path;
use std::time::Duration;

use percolate_common::identity::bundle::BundleV1;
use percolate_common::identity::site::PrinterV1;
use percolate_common::paper::escpos::Question;
use percolate_common::time::{StoreCalendar, UtcMillis};
use percolate_runtime::files::{read_text, write_atomic};
use percolate_runtime::printer::Line;
use percolate_runtime::system::monotonic_now;
use tokio::task::JoinSet;

use super::error::UpError;
use super::page::Page;

/// The longest that a printer may take for all of it.
const PRINTER_MAX: Duration = Duration::from_secs(3);
/// In the data folder: the printers that have printed theirs, one a line.
const MARK: &str = "test-pages";

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Printed {
    /// Printers that have just printed it.
    pub(super) now: Vec<String>,
    /// Printers that did so before.
    pub(super) before: Vec<String>,
    /// Printers that did not, and why.
    pub(super) silent: Vec<String>,
}

/// Sends the page to the printers that have not had it. None of them keeps a shop from selling.
pub(super) async fn print(
    (bundle, data): (&BundleV1, &Path),
    receipt: &str,
    now: UtcMillis,
) -> Result<Printed, UpError> {
    let site = &bundle.site;
    let mark = data.join(MARK);
    let had = read_text(&mark)?.unwrap_or_default();
    let had: Vec<&str> = had.lines().collect();
    // At another address it is another printer.
    let line = |printer: &PrinterV1| format!("{} {}", printer.address, printer.name.replace('\n', " "));
    let (before, wanted): (Vec<_>, Vec<_>) =
        site.printers.iter().partition(|printer| had.contains(&line(printer).as_str()));
    let mut printed =
        Printed { before: before.iter().map(|printer| printer.name.clone()).collect(), ..Printed::default() };
    let calendar = StoreCalendar::new(&site.zone, site.cutover_hour).ok();
    let local_time = calendar.map_or_else(|| now.to_string(), |calendar| calendar.local_text(now));
    let pages: Vec<_> = wanted
        .iter()
        .map(|printer| {
            let (shop, zone, local_time) = (site.name.as_str(), site.zone.as_str(), local_time.as_str());
            (printer.address.clone(), Page { shop, printer: &printer.name, receipt, local_time, zone }.bytes())
        })
        .collect();
    let sent = send_all(pages).await;
    let mut lines: Vec<String> = had.iter().map(|line| (*line).to_owned()).collect();
    for (printer, outcome) in wanted.iter().zip(sent) {
        match outcome {
            Ok(()) => {
                lines.push(line(printer));
                printed.now.push(printer.name.clone());
            }
            Err(error) => printed.silent.push(format!("{} at {}: {error}", printer.name, printer.address)),
        }
    }
    if !printed.now.is_empty() {
        write_atomic(&mark, (lines.join("\n") + "\n").as_bytes())?;
    }
    Ok(printed)
}

/// What came of each page, in their order.
async fn send_all(pages: Vec<(String, Vec<u8>)>) -> Vec<std::io::Result<()>> {
    let mut sending = JoinSet::new();
    for (at, (address, page)) in pages.into_iter().enumerate() {
        sending.spawn(async move { (at, send(&address, &page).await) });
    }
    let mut sent = sending.join_all().await;
    sent.sort_by_key(|(at, _)| *at);
    sent.into_iter().map(|(_, sent)| sent).collect()
}

/// Sends a page, and waits for the printer to say that it lives: one that swallows everything has printed nothing.
async fn send(address: &str, page: &[u8]) -> std::io::Result<()> {
    let until = monotonic_now() + PRINTER_MAX;
    let left = || until.saturating_sub(monotonic_now());
    let mut line = Line::open(address, left()).await?;
    line.send(page, left()).await?;
    line.ask(Question::Printer, left()).await.map(drop)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// A printer that treats its one guest so, and tells what it was given.
    fn printer(behave: fn(&mut TcpStream) -> std::io::Result<()>) -> (String, std::thread::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let guest = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            behave(&mut stream).unwrap_or_default();
            let mut given = Vec::new();
            stream.read_to_end(&mut given).unwrap_or_default();
            given
        });
        (address, guest)
    }

    #[tokio::test]
    async fn a_printer_that_prints_says_so() {
        let status = Question::Printer.bytes();
        let (address, given) = printer(|stream| {
            let mut given = vec![0; 7];
            stream.read_exact(&mut given)?;
            assert_eq!(given, [b"page", &Question::Printer.bytes()[..]].concat());
            stream.write_all(&[0x12])
        });
        send(&address, b"page").await.unwrap();
        assert_eq!(given.join().unwrap(), b"");
        let (silent, given) = printer(|_| Ok(()));
        assert_eq!(send(&silent, b"page").await.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
        assert_eq!(given.join().unwrap(), [b"page", &status[..]].concat());
    }

    #[tokio::test]
    async fn what_came_of_each_is_told_in_their_order() {
        let (prints, _given) = printer(|stream| {
            stream.read_exact(&mut [0; 7])?;
            stream.write_all(&[0x12])
        });
        let pages = ["no printer".to_owned(), prints].map(|address| (address, b"page".to_vec()));
        let sent: Vec<bool> = send_all(pages.into()).await.iter().map(Result::is_ok).collect();
        assert_eq!(sent, [false, true]);
    }
}
