//! The page that shows that a shop's printers print: once for each, as far as they answer.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

use percolate_common::identity::bundle::BundleV1;
use percolate_common::identity::site::PrinterV1;
use percolate_common::time::{StoreCalendar, UtcMillis};
use percolate_runtime::files::{read_text, write_atomic};
use percolate_runtime::system::monotonic_now;
use percolate_runtime::tasks::blocking;

use super::error::UpError;
use super::page::Page;

/// The longest that a printer may take for all of it.
const PRINTER_MAX: Duration = Duration::from_secs(3);
/// The port where printers take what they print as it is.
const PORT: u16 = 9_100;
/// Asks a printer how it is: one byte comes back, when what came before was taken.
const STATUS: [u8; 3] = [0x10, 0x04, 0x01];
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
        takes_pages(&site.printers).partition(|printer| had.contains(&line(printer).as_str()));
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
    let sent = blocking(move || send_all(&pages)).await.unwrap_or_default();
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

fn takes_pages(printers: &[PrinterV1]) -> impl Iterator<Item = &PrinterV1> {
    let port = |address: &str| address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    printers.iter().filter(move |printer| port(&printer.address) == Some(PORT))
}

fn send_all(pages: &[(String, Vec<u8>)]) -> Vec<std::io::Result<()>> {
    std::thread::scope(|scope| {
        let sending: Vec<_> = pages.iter().map(|(address, page)| scope.spawn(|| send(address, page))).collect();
        let lost = || Err(std::io::Error::other("it could not be asked"));
        sending.into_iter().map(|sent| sent.join().unwrap_or_else(|_panicked| lost())).collect()
    })
}

/// Sends a page, and waits for the printer to say that it lives: one that swallows everything has printed nothing.
fn send(address: &str, page: &[u8]) -> std::io::Result<()> {
    let until = monotonic_now() + PRINTER_MAX;
    // No time at all would mean for ever.
    let left = || until.saturating_sub(monotonic_now()).max(Duration::from_millis(1));
    let at = address.to_socket_addrs()?.next().ok_or(std::io::ErrorKind::AddrNotAvailable)?;
    let mut stream = TcpStream::connect_timeout(&at, left())?;
    for part in [page, &STATUS[..]] {
        let mut rest = part;
        while !rest.is_empty() {
            stream.set_write_timeout(Some(left()))?;
            let written = stream.write(rest)?;
            rest = rest.get(written..).filter(|_| written > 0).ok_or(std::io::ErrorKind::WriteZero)?;
            if monotonic_now() >= until {
                return Err(std::io::ErrorKind::TimedOut.into());
            }
        }
    }
    stream.set_read_timeout(Some(left()))?;
    match stream.read(&mut [0]) {
        Ok(0) => Err(std::io::Error::other("it ended the connection without a word")),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "it says nothing"))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

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

    #[test]
    fn a_printer_that_prints_says_so() {
        let (address, given) = printer(|stream| {
            let mut given = vec![0; 4 + STATUS.len()];
            stream.read_exact(&mut given)?;
            assert_eq!(given, [b"page", &STATUS[..]].concat());
            stream.write_all(&[0x12])
        });
        send(&address, b"page").unwrap();
        assert_eq!(given.join().unwrap(), b"");
    }

    #[test]
    fn one_that_misbehaves_is_told_in_time() {
        let (silent, given) = printer(|_| Ok(()));
        assert_eq!(send(&silent, b"page").unwrap_err().kind(), std::io::ErrorKind::TimedOut);
        assert_eq!(given.join().unwrap(), [b"page", &STATUS[..]].concat());
        let (closes, _given) = printer(|stream| stream.shutdown(std::net::Shutdown::Both));
        send(&closes, b"page").unwrap_err();
        // A page that never fits, as a printer without paper takes a few bytes and then no more.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let slow = listener.local_addr().unwrap().to_string();
        send(&slow, &vec![0; 64 * 1024 * 1024]).unwrap_err();
        let gone = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().to_string()
        };
        send(&gone, b"page").unwrap_err();
        send("no printer", b"page").unwrap_err();
    }
}
