//! A receipt printer, good or bad.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;

/// Where printers take what they print as it is.
const PORT: u16 = 9_100;
/// What it is asked for its state by.
const STATUS: [u8; 3] = [0x10, 0x04, 0x01];
/// It waits so long for who says nothing.
const GUEST_MAX: Duration = Duration::from_secs(10);

/// How a printer behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Manner {
    /// Prints, and says so when it is asked.
    Prints,
    /// Takes everything, and says nothing.
    Silent,
    /// Ends each connection at once.
    Closes,
}

/// A printer.
#[derive(Debug)]
pub struct Printer {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    manner: AtomicU8,
    ends: AtomicBool,
    /// What each guest sent who sent more than a question.
    pages: Mutex<Vec<Vec<u8>>>,
}

impl Printer {
    /// One at an address of this machine's own, told from others by its number and by the process.
    ///
    /// # Errors
    /// If the address is taken.
    pub fn start(number: u8, manner: Manner) -> Result<Self> {
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let address = SocketAddr::from((Ipv4Addr::new(127, 100 + number, high, low.max(1)), PORT));
        let listener = TcpListener::bind(address)?;
        let (ends, pages) = (AtomicBool::new(false), Mutex::new(Vec::new()));
        let shared = Arc::new(Shared { manner: AtomicU8::new(manner as u8), ends, pages });
        let served = shared.clone();
        let serving = std::thread::spawn(move || {
            for guest in listener.incoming().map_while(Result::ok) {
                if served.ends.load(Ordering::Acquire) {
                    return;
                }
                served.serve(guest).unwrap_or_default();
            }
        });
        Ok(Self { address, shared, serving: Some(serving) })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Has it behave otherwise from now on.
    pub fn behave(&self, manner: Manner) {
        self.shared.manner.store(manner as u8, Ordering::Release);
    }

    /// What it was given to print so far.
    #[must_use]
    pub fn pages(&self) -> Vec<Vec<u8>> {
        self.shared.pages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    fn serve(&self, mut guest: TcpStream) -> std::io::Result<()> {
        let manner = self.manner.load(Ordering::Acquire);
        if manner == Manner::Closes as u8 {
            return Ok(());
        }
        guest.set_read_timeout(Some(GUEST_MAX))?;
        let (mut sent, mut part) = (Vec::new(), [0; 4_096]);
        loop {
            let length = guest.read(&mut part)?;
            sent.extend_from_slice(part.get(..length).unwrap_or_default());
            let asked = sent.ends_with(&STATUS);
            if length == 0 || (asked && manner == Manner::Prints as u8) {
                break;
            }
        }
        if manner == Manner::Prints as u8 {
            if let Some(page) = sent.strip_suffix(&STATUS).filter(|page| !page.is_empty()) {
                self.pages.lock().unwrap_or_else(PoisonError::into_inner).push(page.to_vec());
            }
            guest.write_all(&[0x12])?;
        }
        Ok(())
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Release);
        TcpStream::connect(self.address).map(drop).unwrap_or_default();
        if let Some(serving) = self.serving.take() {
            serving.join().unwrap_or_default();
        }
    }
}
