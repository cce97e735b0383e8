//! A receipt printer, good or bad, at an address of this machine's own.

use std::io::{ErrorKind, Read as _, Result, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use percolate_common::paper::escpos::KICK;
use percolate_runtime::system::monotonic_now;

/// Where printers take what they print as it is.
const PORT: u16 = 9_100;
/// Its addresses are in the upper half of 127/8, each process has some of its own.
const NET: u8 = 128;
/// It waits so long for who says nothing.
const GUEST_MAX: Duration = Duration::from_secs(10);
/// How often it looks whether it behaves otherwise.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long a slow one prints at a page.
const SLOW: Duration = Duration::from_secs(8);
/// How long a page takes where what is asked meanwhile has to wait: longer than the box waits for an answer.
const IN_ORDER: Duration = Duration::from_millis(3_500);
/// Bytes of a page of which one that breaks off takes no more.
const TORN_BYTES: usize = 40;

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
    /// Ends the connection in the middle of a page.
    BreaksOff,
    /// Takes everything, and prints it once there is paper again.
    PaperOut,
    /// As without paper, with an open cover.
    CoverOpen,
    /// Prints, and takes its time.
    Slow,
    /// Prints, and is too simple to say when it is done.
    Simple,
    /// Prints, takes its time, and answers nothing that was asked meanwhile before it is done.
    InOrder,
}

impl Manner {
    const ALL: [Self; 9] = [
        Self::Prints,
        Self::Silent,
        Self::Closes,
        Self::BreaksOff,
        Self::PaperOut,
        Self::CoverOpen,
        Self::Slow,
        Self::Simple,
        Self::InOrder,
    ];

    /// What it answers to how it is, why it stands still, and whether there is paper.
    const fn status(self, question: u8) -> u8 {
        match (self, question) {
            (Self::PaperOut | Self::CoverOpen, 1) => 0x1a,
            (Self::PaperOut, 2) => 0x32,
            (Self::CoverOpen, 2) => 0x16,
            (Self::PaperOut, 4) => 0x72,
            _ => 0x12,
        }
    }

    const fn stands_still(self) -> bool {
        matches!(self, Self::PaperOut | Self::CoverOpen | Self::Silent)
    }
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
    printing: AtomicBool,
    /// What it has printed, each paper by itself.
    pages: Mutex<Vec<Vec<u8>>>,
    /// What it had of pages that it broke off.
    torn: Mutex<Vec<Vec<u8>>>,
}

/// A guest, and what they have sent.
struct Guest {
    stream: TcpStream,
    /// What is not read yet.
    sent: Vec<u8>,
    page: Vec<u8>,
    /// Since when somebody waits to hear that a page is done.
    waits: Option<Duration>,
}

impl Printer {
    /// An address of this machine's own where no printer is yet.
    #[must_use]
    pub fn nowhere() -> SocketAddr {
        static LAST: AtomicU8 = AtomicU8::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let [_, _, high, low] = std::process::id().to_be_bytes();
        SocketAddr::from((Ipv4Addr::new(127, NET | number, high, low.max(1)), PORT))
    }

    /// One at an address of its own.
    ///
    /// # Errors
    /// If the address is taken.
    pub fn start(manner: Manner) -> Result<Self> {
        Self::start_at(Self::nowhere(), manner)
    }

    /// One at an address.
    ///
    /// # Errors
    /// If the address is taken.
    pub fn start_at(address: SocketAddr, manner: Manner) -> Result<Self> {
        let listener = TcpListener::bind(address)?;
        let (ends, pages, torn) = (AtomicBool::new(false), Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared {
            manner: AtomicU8::new(manner as u8),
            ends,
            printing: AtomicBool::new(false),
            pages,
            torn,
        });
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

    /// Where it is, as a plan says it.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> SocketAddr {
        self.address
    }

    /// Whether it has a page whole, and has not printed it.
    #[must_use]
    pub fn is_printing(&self) -> bool {
        self.shared.printing.load(Ordering::Acquire)
    }

    /// Has it behave otherwise from now on.
    pub fn behave(&self, manner: Manner) {
        self.shared.manner.store(manner as u8, Ordering::Release);
    }

    /// What it has printed so far, each paper by itself; a drawer that was opened is one, too.
    #[must_use]
    pub fn pages(&self) -> Vec<Vec<u8>> {
        self.shared.pages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a person reads on the papers.
    #[must_use]
    pub fn papers(&self) -> Vec<String> {
        self.pages().iter().filter(|page| *page != KICK).map(|page| read(page)).collect()
    }

    /// How often it opened the drawer.
    #[must_use]
    pub fn kicks(&self) -> usize {
        self.pages().iter().filter(|page| *page == KICK).count()
    }

    /// What it had of pages that it broke off.
    #[must_use]
    pub fn torn(&self) -> Vec<String> {
        self.shared.torn.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|page| read(page)).collect()
    }
}

/// A page without commands.
fn read(page: &[u8]) -> String {
    let (mut text, mut rest) = (String::new(), page);
    while let Some((first, after)) = rest.split_first() {
        let skipped = match (first, after.first()) {
            (0x1b, Some(b'@')) => 2,
            (0x1b, Some(b'p')) => 5,
            (0x1d, Some(b'V')) => 4,
            (0x1b | 0x1d, _) => 3,
            _ => {
                text.push(char::from(*first));
                1
            }
        };
        rest = rest.get(skipped..).unwrap_or_default();
    }
    text
}

impl Shared {
    fn manner(&self) -> Manner {
        let number = usize::from(self.manner.load(Ordering::Acquire));
        Manner::ALL.get(number).copied().unwrap_or(Manner::Prints)
    }

    fn serve(&self, stream: TcpStream) -> Result<()> {
        if self.manner() == Manner::Closes {
            return Ok(());
        }
        stream.set_read_timeout(Some(LOOK_EVERY))?;
        let mut guest = Guest { stream, sent: Vec::new(), page: Vec::new(), waits: None };
        let (mut heard_at, mut part) = (monotonic_now(), [0; 4_096]);
        while !self.ends.load(Ordering::Acquire) && monotonic_now() < heard_at + GUEST_MAX {
            self.finish(&mut guest)?;
            if !self.take(&mut guest)? {
                break;
            }
            match guest.stream.read(&mut part) {
                Ok(0) => break,
                Ok(length) => {
                    heard_at = monotonic_now();
                    guest.sent.extend_from_slice(part.get(..length).unwrap_or_default());
                    if !self.take(&mut guest)? {
                        break;
                    }
                }
                Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {}
                Err(error) => return Err(error),
            }
        }
        if guest.waits.is_some() {
            // What it has it prints, whether or not somebody still waits for it.
            self.print(&mut guest);
        }
        Ok(())
    }

    /// Says that a page is done, once it is.
    fn finish(&self, guest: &mut Guest) -> Result<()> {
        let manner = self.manner();
        let Some(since) = guest.waits.filter(|_| !manner.stands_still()) else { return Ok(()) };
        let takes = if manner == Manner::Slow {
            SLOW
        } else if manner == Manner::InOrder {
            IN_ORDER
        } else {
            Duration::ZERO
        };
        if !guest.page.is_empty() && monotonic_now() < since + takes {
            return Ok(());
        }
        guest.waits = None;
        self.print(guest);
        guest.stream.write_all(&[0x00])
    }

    fn print(&self, guest: &mut Guest) {
        let page = std::mem::take(&mut guest.page);
        self.printing.store(false, Ordering::Release);
        if !page.is_empty() {
            self.pages.lock().unwrap_or_else(PoisonError::into_inner).push(page);
        }
    }

    /// Reads what was sent as far as it is whole, and answers; says whether it goes on.
    fn take(&self, guest: &mut Guest) -> Result<bool> {
        while let Some(first) = guest.sent.first().copied() {
            if self.manner() == Manner::InOrder && guest.waits.is_some() {
                return Ok(true);
            }
            let (second, third) = (guest.sent.get(1).copied(), guest.sent.get(2).copied());
            let length = match (first, second, third) {
                (0x10 | 0x1d, None, _) | (0x10, Some(0x04), None) | (0x1d, Some(b'r' | b'a'), None) => return Ok(true),
                (0x10, Some(0x04), Some(question)) => {
                    self.tell(guest, question)?;
                    3
                }
                (0x1d, Some(b'r'), _) => {
                    if self.manner() != Manner::Simple {
                        guest.waits = Some(monotonic_now());
                        self.printing.store(!guest.page.is_empty(), Ordering::Release);
                        self.finish(guest)?;
                    }
                    3
                }
                (0x1d, Some(b'a'), _) => 3,
                _ => {
                    guest.page.push(first);
                    1
                }
            };
            guest.sent.drain(..length);
            if self.manner() == Manner::BreaksOff && guest.page.len() >= TORN_BYTES {
                self.torn.lock().unwrap_or_else(PoisonError::into_inner).push(std::mem::take(&mut guest.page));
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Says how it is. A page for which nobody asks whether it is done is printed by then.
    fn tell(&self, guest: &mut Guest, question: u8) -> Result<()> {
        let manner = self.manner();
        if manner == Manner::Silent {
            return Ok(());
        }
        if guest.waits.is_none() && !manner.stands_still() {
            self.print(guest);
        }
        guest.stream.write_all(&[manner.status(question)])
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
