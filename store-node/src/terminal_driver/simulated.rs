//! A card terminal that is none: a folder, for demos and tests. It charges nobody, and is as slow, silent and forgetful of
//! nothing as a real one, whatever becomes of the box.
//!
//! The file `says` has one word: `approve` (also if there is no such file), `decline`, `offline`, `timeout` (the money is
//! charged, and nobody is told), `hang` (it is charged, and the answer never comes), `silent` (it is not charged, and no answer
//! comes). Another word declines, and is said in the log: nothing is approved by a slip of the pen.
//!
//! The file `ledger` has one line for each payment that it has decided on: id, `approved`, `declined` or `reversed`,
//! and the amount; and for money back: its id, `refunded` or `kept`, the amount, and the payment's id.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use percolate_common::domain::tenders::card::{LastFour, Outcome};
use percolate_common::ids::CardPaymentId;
use percolate_common::money::Minor;
use percolate_runtime::files::read_text;
use percolate_runtime::tasks::blocking;

use super::{Answer, CardTerminal};

const SAYS_FILE: &str = "says";
const LEDGER_FILE: &str = "ledger";
/// All that it may be told to do; the first is what it does if nothing is said.
const WORDS: [&str; 6] = ["approve", "decline", "offline", "timeout", "hang", "silent"];
const DECLINE: &str = "decline";
/// The end of the number of every card that it reads.
const LAST_FOUR: u16 = 42;

/// The folder.
pub(crate) struct Simulated {
    folder: Arc<PathBuf>,
    /// It does one thing at a time, and to its end though nobody waits for it.
    turn: Arc<Mutex<()>>,
}

/// What is asked of it.
#[derive(Debug, Clone, Copy)]
enum Ask {
    Authorize(Minor),
    Inquire,
    Reverse,
    Refund(CardPaymentId, Minor),
}

/// What it does, once it has done it.
#[derive(Debug)]
enum Does {
    Answers(Outcome),
    Reverses,
    Hangs,
}

impl Simulated {
    /// Takes a folder, which is made if there is none.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: Arc::new(folder.to_owned()), turn: Arc::default() })
    }

    async fn does(&self, id: CardPaymentId, ask: Ask) -> Does {
        let (folder, turn) = (self.folder.clone(), self.turn.clone());
        let decided = blocking(move || {
            let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            decide(&folder, id, ask)
        });
        match decided.await {
            Ok(Ok(does)) => does,
            Ok(Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the simulated card terminal cannot use its folder"
                );
                Does::Answers(Outcome::TimedOut)
            }
            Err(_panicked) => Does::Answers(Outcome::TimedOut),
        }
    }
}

/// The last line of a payment: the word, and the amount.
fn known(folder: &Path, id: CardPaymentId) -> io::Result<Option<(String, String)>> {
    let ledger = match fs::read_to_string(folder.join(LEDGER_FILE)) {
        Ok(ledger) => ledger,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let id = id.to_string();
    let of_id = |line: &str| {
        let mut words = line.split(' ');
        let (of, word, amount) = (words.next()?, words.next()?, words.next()?);
        (of == id).then(|| (word.to_owned(), amount.to_owned()))
    };
    Ok(ledger.lines().filter_map(of_id).next_back())
}

fn write(folder: &Path, id: CardPaymentId, word: &str, amount: &str) -> io::Result<()> {
    let mut ledger = OpenOptions::new().create(true).append(true).open(folder.join(LEDGER_FILE))?;
    ledger.write_all(format!("{id} {word} {amount}\n").as_bytes())?;
    ledger.sync_all()
}

fn told(id: CardPaymentId, word: &str) -> Outcome {
    if matches!(word, "approved" | "refunded") {
        let reference = format!("SIM {}", id.to_string().split('-').next_back().unwrap_or_default());
        Outcome::Approved { reference, last_four: LastFour::new(LAST_FOUR).ok() }
    } else {
        Outcome::Declined { reason: word.to_owned() }
    }
}

/// Gives back what is left of a payment, as far as it was charged.
fn refund(
    folder: &Path,
    id: CardPaymentId,
    (of, amount): (CardPaymentId, Minor),
    declines: bool,
) -> io::Result<Outcome> {
    if let Some((word, _)) = known(folder, id)? {
        return Ok(told(id, &word));
    }
    let charged = known(folder, of)?.filter(|(word, _)| word == "approved").and_then(|(_, amount)| amount.parse().ok());
    let of = of.to_string();
    let ledger = fs::read_to_string(folder.join(LEDGER_FILE)).unwrap_or_default();
    let back = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let [_, "refunded", amount, payment] = words.as_slice() else { return None };
        (*payment == of).then(|| amount.parse::<i64>().ok()).flatten()
    };
    let left = charged.unwrap_or(0_i64).saturating_sub(ledger.lines().filter_map(back).sum());
    let word = if declines || amount.get() > left { "kept" } else { "refunded" };
    write(folder, id, word, &format!("{} {of}", amount.get()))?;
    Ok(told(id, word))
}

/// What it is told to do. A word that is none declines.
fn told_to(says: &str) -> &str {
    let says = says.trim();
    if says.is_empty() {
        WORDS[0]
    } else if WORDS.contains(&says) {
        says
    } else {
        let words = WORDS.join(", ");
        tracing::warn!(says, "the simulated card terminal declines: {says:?} in its file `says` is none of {words}");
        DECLINE
    }
}

fn decide(folder: &Path, id: CardPaymentId, ask: Ask) -> io::Result<Does> {
    let says = read_text(&folder.join(SAYS_FILE)).map_err(io::Error::other)?.unwrap_or_default();
    let known = known(folder, id)?;
    let authorized = |word: &str| -> io::Result<Outcome> {
        if let (None, Ask::Authorize(amount)) = (&known, ask) {
            write(folder, id, word, &amount.get().to_string())?;
            return Ok(told(id, word));
        }
        Ok(told(id, known.as_ref().map_or("declined", |(word, _)| word)))
    };
    Ok(match (told_to(&says), ask) {
        ("offline", Ask::Authorize(_) | Ask::Inquire | Ask::Refund(..)) => Does::Answers(Outcome::Offline),
        ("offline" | "silent" | "timeout" | "hang", Ask::Reverse) | ("silent" | "timeout", Ask::Inquire) => {
            Does::Answers(Outcome::TimedOut)
        }
        ("silent", Ask::Authorize(_) | Ask::Refund(..)) | ("hang", Ask::Inquire) => Does::Hangs,
        ("timeout", Ask::Refund(of, amount)) => {
            refund(folder, id, (of, amount), false)?;
            Does::Answers(Outcome::TimedOut)
        }
        ("hang", Ask::Refund(of, amount)) => {
            refund(folder, id, (of, amount), false)?;
            Does::Hangs
        }
        (word, Ask::Refund(of, amount)) => Does::Answers(refund(folder, id, (of, amount), word == DECLINE)?),
        ("timeout", Ask::Authorize(_)) => {
            authorized("approved")?;
            Does::Answers(Outcome::TimedOut)
        }
        ("hang", Ask::Authorize(_)) => {
            authorized("approved")?;
            Does::Hangs
        }
        (DECLINE, Ask::Authorize(_)) => Does::Answers(authorized("declined")?),
        (_, Ask::Authorize(_)) => Does::Answers(authorized("approved")?),
        (_, Ask::Inquire) => {
            if known.is_none() {
                write(folder, id, "declined", "0")?;
            }
            Does::Answers(authorized("declined")?)
        }
        (_, Ask::Reverse) => {
            if known.as_ref().is_none_or(|(word, _)| word != "reversed") {
                write(folder, id, "reversed", known.as_ref().map_or("0", |(_, amount)| amount))?;
            }
            Does::Reverses
        }
    })
}

impl CardTerminal for Simulated {
    fn authorize(&self, id: CardPaymentId, amount: Minor) -> Answer<'_, Outcome> {
        Box::pin(async move {
            match self.does(id, Ask::Authorize(amount)).await {
                Does::Answers(outcome) => outcome,
                Does::Reverses => Outcome::TimedOut,
                Does::Hangs => std::future::pending().await,
            }
        })
    }

    fn inquire(&self, id: CardPaymentId) -> Answer<'_, Outcome> {
        Box::pin(async move {
            match self.does(id, Ask::Inquire).await {
                Does::Answers(outcome) => outcome,
                Does::Reverses => Outcome::TimedOut,
                Does::Hangs => std::future::pending().await,
            }
        })
    }

    fn refund(&self, id: CardPaymentId, of: CardPaymentId, amount: Minor) -> Answer<'_, Outcome> {
        Box::pin(async move {
            match self.does(id, Ask::Refund(of, amount)).await {
                Does::Answers(outcome) => outcome,
                Does::Reverses => Outcome::TimedOut,
                Does::Hangs => std::future::pending().await,
            }
        })
    }

    fn reverse(&self, id: CardPaymentId) -> Answer<'_, bool> {
        Box::pin(async move { matches!(self.does(id, Ask::Reverse).await, Does::Reverses) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_charges_an_id_once_forgets_nothing_and_closes_what_it_does_not_know() {
        let folder = tempfile::tempdir().unwrap();
        let says = |word: &str| fs::write(folder.path().join(SAYS_FILE), word).unwrap();
        let ledger = || fs::read_to_string(folder.path().join(LEDGER_FILE)).unwrap_or_default();
        let [first, second, third] = ["a", "b", "c"].map(|key| CardPaymentId::asked(0, 1, key));
        let terminal = Simulated::open(folder.path()).unwrap();
        says("timeout");
        assert_eq!(terminal.authorize(first, Minor::new(327)).await, Outcome::TimedOut);
        says("offline");
        assert_eq!(terminal.authorize(second, Minor::new(5)).await, Outcome::Offline);
        drop(terminal);
        let terminal = Simulated::open(folder.path()).unwrap();
        says("decline");
        let late = told(first, "approved");
        assert_eq!(
            (terminal.inquire(first).await, terminal.authorize(first, Minor::new(327)).await),
            (late.clone(), late)
        );
        assert_eq!(terminal.inquire(third).await, told(third, "declined"));
        says("approve");
        assert_eq!(terminal.authorize(third, Minor::new(9)).await, told(third, "declined"), "it was closed");
        assert_eq!(terminal.authorize(second, Minor::new(5)).await, told(second, "approved"));
        assert!(terminal.reverse(second).await && terminal.reverse(second).await);
        let expected = format!("{first} approved 327\n{third} declined 0\n{second} approved 5\n{second} reversed 5\n");
        assert_eq!(ledger(), expected);
    }

    #[tokio::test]
    async fn a_word_that_is_none_approves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let says = |word: &str| fs::write(folder.path().join(SAYS_FILE), word).unwrap();
        let terminal = Simulated::open(folder.path()).unwrap();
        let [first, second, back] = ["a", "b", "c"].map(|key| CardPaymentId::asked(0, 1, key));
        assert_eq!(terminal.authorize(first, Minor::new(327)).await, told(first, "approved"), "nothing is said");
        for slip in ["declien", "Decline", "approve decline"] {
            says(slip);
            assert_eq!(terminal.authorize(second, Minor::new(5)).await, told(second, "declined"), "{slip}");
            assert_eq!(terminal.refund(back, first, Minor::new(1)).await, told(back, "kept"), "{slip}");
        }
    }

    #[tokio::test]
    async fn it_gives_back_once_by_an_id_and_never_more_than_it_charged() {
        let folder = tempfile::tempdir().unwrap();
        let says = |word: &str| fs::write(folder.path().join(SAYS_FILE), word).unwrap();
        let terminal = Simulated::open(folder.path()).unwrap();
        let [payment, first, second, third] = ["p", "a", "b", "c"].map(|key| CardPaymentId::asked(0, 1, key));
        let (back, all) = (Minor::new(200), Minor::new(327));
        terminal.authorize(payment, all).await;
        says("offline");
        assert_eq!(terminal.refund(first, payment, back).await, Outcome::Offline);
        says("timeout");
        assert_eq!(terminal.refund(first, payment, back).await, Outcome::TimedOut);
        says("decline");
        assert_eq!(
            terminal.refund(first, payment, back).await,
            told(first, "refunded"),
            "it was given back, and is told late"
        );
        assert_eq!(terminal.refund(second, payment, Minor::new(1)).await, told(second, "kept"));
        says("approve");
        assert_eq!(terminal.refund(second, payment, Minor::new(1)).await, told(second, "kept"), "it has said so");
        assert_eq!(terminal.refund(third, payment, Minor::new(128)).await, told(third, "kept"), "more than is left");
    }
}
