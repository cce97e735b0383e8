//! The prompt, while the chain stays up: a few words that do to it what the morning did.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use percolate_common::money::{Currency, Minor};
use percolate_runtime::system::monotonic_now;
use tokio::sync::mpsc;

use super::act::{ActError, Stage};
use super::cost::{duration, line_cut};
use super::crew::Again;
use super::floor::Floor;
use super::play::{act_failed, examine, retire_copies};
use super::rush::TERMINALS;
use super::servers::Who;
use super::till::Till;
use crate::exit::{Exit, Failure};
use crate::figures::{counted, money};
use crate::screen::Screen;

/// Lines that may wait; the reader waits with further ones.
const LINES_MAX: usize = 4;
/// What one `sell` sells.
const SELL_TICKETS: usize = 10;
/// How long an audit may take, in milliseconds: a person waits for the prompt.
const AUDIT_MS_MAX: u64 = 30_000;
/// What helps a process that stands still.
const HELD: &str = "a process that was stopped goes on with kill -CONT and its number; kill office starts another one";
/// Columns of the list of processes.
const PIDS_A_LINE: usize = 2;

/// What a person asks for. Shops are given by number, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Cut a shop's line.
    Cut(u32),
    /// Mend it.
    Mend(u32),
    /// Sell a few tickets in a shop.
    Sell(u32),
    /// Kill a shop's box.
    Kill(u32),
    /// Kill the head office.
    KillOffice,
    /// Clone a shop's disk.
    Clone(u32),
    /// Audit the chain.
    Audit,
    /// Say what can be asked.
    Help,
    /// End.
    Quit,
}

/// Reads a line; nothing if it is empty.
///
/// # Errors
/// What to say where it cannot be understood.
pub fn parse(line: &str, shops: usize) -> Result<Option<Word>, String> {
    let mut words = line.split_whitespace();
    let Some(word) = words.next() else { return Ok(None) };
    let rest: Vec<&str> = words.collect();
    let shop = || match rest.as_slice() {
        [number] => match number.parse::<u32>() {
            Ok(shop) if shop > 0 && usize::try_from(shop).is_ok_and(|shop| shop <= shops) => Ok(shop),
            Ok(_) | Err(_) => Err(format!("there is no shop {number}: 1 to {shops}")),
        },
        _ => Err(format!("which shop? {word} 1, for example")),
    };
    match (word, rest.as_slice()) {
        ("kill", ["hub" | "office"] | ["head", "office"]) => Ok(Word::KillOffice),
        ("cut", _) => shop().map(Word::Cut),
        ("mend", _) => shop().map(Word::Mend),
        ("sell", _) => shop().map(Word::Sell),
        ("kill", _) => shop().map(Word::Kill),
        ("clone", _) => shop().map(Word::Clone),
        ("audit", []) => Ok(Word::Audit),
        ("help" | "?", []) => Ok(Word::Help),
        ("quit" | "exit" | "q", []) => Ok(Word::Quit),
        _ => Err(format!("{word:?} is not understood; help says what is")),
    }
    .map(Some)
}

/// Lines of the process's input.
#[derive(Debug)]
pub struct Lines(mpsc::Receiver<String>);

impl Lines {
    /// Reads the process's input from now on, in a thread of its own: nothing else can wait for a terminal, and the thread
    /// ends with the process.
    ///
    /// # Errors
    /// If there can be no such thread.
    pub fn of_process() -> io::Result<Self> {
        let (sender, lines) = mpsc::channel(LINES_MAX);
        std::thread::Builder::new().name("input".to_owned()).spawn(move || {
            for line in io::stdin().lines().map_while(Result::ok) {
                if sender.blocking_send(line).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self(lines))
    }

    /// The next line; nothing at the end.
    pub async fn next(&mut self) -> Option<String> {
        self.0.recv().await
    }
}

/// Where to look and what to try, with the processes of this moment.
#[must_use]
pub fn invitation(stage: &Stage) -> String {
    let mut text = format!("\n  The chain stays up. The office page, live:\n  {}\n", stage.office.page());
    text.push_str("  Kill what you like; it is started again, as another process, and nothing is lost:\n\n");
    let office = (stage.crew.pid(Who::Office), "head office".to_owned());
    let shops = stage.shops.iter().map(|shop| {
        let number = shop.store.id;
        (stage.crew.pid(Who::Shop(number)), format!("{number} {}", shop.store.name))
    });
    let all: Vec<String> = std::iter::once(office)
        .chain(shops)
        .filter_map(|(pid, name)| Some(format!("kill -9 {:<8} # {name}", pid?)))
        .collect();
    for line in all.chunks(PIDS_A_LINE) {
        text.push_str("   ");
        line.iter().for_each(|kill| write!(text, " {kill:<42}").unwrap_or_default());
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text.push_str(
        "\n  Or say it here: cut 2, sell 2, mend 2, kill 3, kill office, clone 4, audit, help, quit (or Ctrl-C)\n",
    );
    text
}

/// More of it, for whoever asks.
fn help(stage: &Stage) -> String {
    let mut text = String::from(
        "
    cut 2      cut the line between shop 2 and the head office; the shop sells on
    sell 2     sell ten tickets in shop 2
    mend 2     mend the line, and see how much had waited and how soon it is at head office
    kill 3     kill shop 3's box; kill office kills the head office
    clone 4    copy shop 4's disk as it is, run a second box on it, and let both sell
    audit      read all journals anew on both sides: nothing lost, doubled or changed
    quit       end; Ctrl-C does the same
",
    );
    if let Some(shop) = stage.shops.first() {
        let (http, token) = (&shop.endpoints.http, shop.data.join("token"));
        text.push_str(&format!(
            "\n  A till's request, as a program sends it (http://{http}/openapi.json describes all):\n\n    \
             curl -s -X POST http://{http}/v1/tickets \\\n      \
             -H \"Authorization: Bearer $(cat {})\" \\\n      \
             -H \"Idempotency-Key: $RANDOM\" -H \"Content-Type: application/json\" \\\n      \
             -d '{{\"terminal\":\"T1\", \"currency\":\"USD\", \"lines\":[{{\"item\":101, \"quantity\":2}}],\n           \
             \"tenders\":[{{\"kind\":\"cash\", \"amount_minor\":2000}}]}}'\n",
            token.display(),
        ));
    }
    text.push_str(&invitation(stage));
    text
}

/// What the prompt works on.
#[derive(Debug)]
pub struct Prompt<'s> {
    /// The chain.
    pub stage: &'s Stage,
    /// What it is sold by.
    pub floor: Floor,
    /// What amounts are in.
    pub currency: Currency,
}

impl Prompt<'_> {
    /// Does what a person asks for, until they have had enough; how the program ends by it: what was
    /// wrong counts until an audit proves all.
    ///
    /// # Errors
    /// [`Failure`] if the chain breaks, or the output is gone.
    pub async fn serve(&self, lines: &mut Lines, screen: &mut Screen) -> Result<Exit, Failure> {
        let gone = |error: io::Error| Failure::new(Exit::Failed, error);
        let (mut turn, mut outcome) = (0, Exit::Done);
        loop {
            screen.write("\n> ").map_err(gone)?;
            let Some(line) = lines.next().await else { return Ok(outcome) };
            match parse(&line, self.stage.shops.len()) {
                Ok(None) => {}
                Ok(Some(Word::Quit)) => return Ok(outcome),
                Ok(Some(Word::Help)) => screen.write(&help(self.stage)).map_err(gone)?,
                Ok(Some(Word::Audit)) => {
                    let (exit, text) = self.audit(screen).await;
                    outcome = exit;
                    screen.write(&text).map_err(gone)?;
                }
                Ok(Some(word)) => {
                    turn += 1;
                    match self.act(word, turn).await {
                        Ok(exit) => outcome = outcome.or(exit),
                        Err(error) => screen.line(&format!("  {error}")).map_err(gone)?,
                    }
                }
                Err(advice) => screen.line(&format!("  {advice}")).map_err(gone)?,
            }
        }
    }

    /// Audits the chain; how it went, and what is said about it.
    async fn audit(&self, screen: &Screen) -> (Exit, String) {
        let (shops, limit) = (self.stage.shops.len(), AUDIT_MS_MAX / 1_000);
        screen.progress.say(&format!("  reading all journals anew on both sides; at most {limit} s"));
        let bar = screen.progress.bar("reading the journals", shops as u64);
        let read = |shop| {
            bar.at(shop);
            bar.message(&format!("{shop} of {shops} shops"));
        };
        let audited = tokio::time::timeout(Duration::from_millis(AUDIT_MS_MAX), examine(self.stage, read)).await;
        drop(bar);
        match audited {
            Ok(Ok(report)) => (report.exit(), report.to_text(screen.paint)),
            Ok(Err(failure)) => (failure.exit, format!("  {failure}\n  {HELD}\n")),
            Err(_elapsed) => {
                let text = format!("  the audit did not end within {limit} s, so nothing is proven\n  {HELD}\n");
                (Exit::ServerFailed, text)
            }
        }
    }

    async fn act(&self, word: Word, turn: u32) -> Result<Exit, Failure> {
        let at = |shop: u32| usize::try_from(shop.saturating_sub(1)).unwrap_or(usize::MAX);
        match word {
            Word::Cut(shop) => self.cut(at(shop)),
            Word::Mend(shop) => self.mend(at(shop)).await.map_err(act_failed)?,
            Word::Sell(shop) => self.sell(at(shop), turn).await.map_err(act_failed)?,
            Word::Kill(shop) => {
                self.stage.kill_shop(at(shop), Again::AtOnce).await.map_err(act_failed)?;
                self.tell_process(Who::Shop(shop));
            }
            Word::KillOffice => {
                self.stage.kill_office(None).await.map_err(act_failed)?;
                self.tell_process(Who::Office);
            }
            Word::Clone(shop) => {
                let till = self.till(at(shop), turn);
                self.stage.clone_disk(at(shop), till.as_ref()).await.map_err(act_failed)?;
                if retire_copies(self.stage).await? {
                    self.stage.diary.note("the copy", "ended; the shop's book has what it sold");
                } else {
                    return Ok(Exit::Disagreement);
                }
            }
            Word::Audit | Word::Help | Word::Quit => {}
        }
        Ok(Exit::Done)
    }

    fn tell_process(&self, who: Who) {
        if let Some(pid) = self.stage.crew.pid(who) {
            self.stage.diary.note("it runs", &format!("as process {pid} now"));
        }
    }

    fn cut(&self, at: usize) {
        if let (Some(link), Some(shop)) = (self.stage.links.get(at), self.stage.shops.get(at)) {
            link.cut();
            let advice = format!("it sells on: sell {0}, then mend {0}", at + 1);
            self.stage.diary.note(&line_cut(&shop.store.name), &advice);
        }
    }

    async fn mend(&self, at: usize) -> Result<(), ActError> {
        let Some(shop) = self.stage.shops.get(at) else { return Ok(()) };
        let delivered = self.stage.mend_line(at, |_waiting| {}).await?;
        self.stage.diary.note(&format!("{}: line mended", shop.store.name), &delivered.in_words());
        Ok(())
    }

    /// A till of a shop, with keys that no ticket had before.
    fn till(&self, at: usize, turn: u32) -> Option<Till> {
        let (shop, (terminal, _)) = (self.stage.shops.get(at)?, TERMINALS.first()?);
        let till = self.floor.till(shop, terminal);
        Some(Till { keys: format!("{}-more-{turn}", till.keys), ..till })
    }

    async fn sell(&self, at: usize, turn: u32) -> Result<(), ActError> {
        let Some(till) = self.till(at, turn) else { return Ok(()) };
        let tickets = self.stage.tickets(at, SELL_TICKETS);
        let begin = monotonic_now();
        let books = self.stage.sell(&till, &tickets).await?;
        let took_ms = u64::try_from((monotonic_now() - begin).as_millis()).unwrap_or(u64::MAX);
        let amount = money(Minor::new(books.sales.total_minor), self.currency);
        let sold = counted(books.sales.tickets, "ticket", "tickets");
        let cost = format!("{sold}, {amount} with tax, in {}", duration(took_ms));
        self.stage.diary.note(&format!("{}: sold", till.name), &cost);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_that_is_offered_is_understood() {
        let understood = |line: &str| parse(line, 10).unwrap().unwrap();
        assert_eq!(understood("cut 2\n"), Word::Cut(2));
        assert_eq!(understood("  mend   10 "), Word::Mend(10));
        assert_eq!((understood("sell 1"), understood("clone 4")), (Word::Sell(1), Word::Clone(4)));
        assert_eq!((understood("kill 3"), understood("audit")), (Word::Kill(3), Word::Audit));
        for office in ["kill hub", "kill office", "kill head office"] {
            assert_eq!(understood(office), Word::KillOffice);
        }
        assert_eq!((understood("help"), understood("quit")), (Word::Help, Word::Quit));
        assert_eq!(parse(" \n", 10), Ok(None));
    }

    #[test]
    fn what_is_not_understood_is_answered_with_what_would_be() {
        for (line, answer) in [
            ("cut 11", "there is no shop 11: 1 to 10"),
            ("cut 0", "there is no shop 0: 1 to 10"),
            ("kill everything", "there is no shop everything: 1 to 10"),
            ("mend", "which shop? mend 1, for example"),
            ("dance", "\"dance\" is not understood; help says what is"),
        ] {
            assert_eq!(parse(line, 10), Err(answer.to_owned()));
        }
    }
}
