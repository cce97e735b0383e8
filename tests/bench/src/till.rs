//! Tills that sell as fast as they are answered, or at a pace: a client of HTTP/1.1 that keeps its connection, written by
//! hand so that it takes little of the cores that the server needs.

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use percolate_runtime::system::monotonic_now;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::figures::{micros, percentile};

/// Digits of the number at the end of a key.
const KEY_DIGITS: usize = 10;

/// What a till needs to know of a shop.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) address: String,
    pub(crate) token: String,
    /// Three items of the menu.
    pub(crate) items: [i64; 3],
}

/// What carries requests: plain, or with TLS.
pub(crate) trait Carrier: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin> Carrier for T {}

/// How its guests pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paid {
    /// With plenty.
    Cash,
    /// To the cent: so much.
    Card(i64),
}

/// One terminal on one connection.
#[derive(Debug)]
pub(crate) struct Till {
    stream: Box<dyn Carrier>,
    request: Vec<u8>,
    /// Where in the request the key's digits end.
    key_end: usize,
    answer: Vec<u8>,
}

/// The number of a ticket: its id as bits.
pub(crate) type TicketBits = u128;

impl Till {
    /// Connects. No two tills of a shop may share `series`, ever: the keys begin with it.
    pub(crate) async fn connect(door: &Door, terminal: &str, series: u64) -> Result<Self> {
        Self::paid_by(door, (terminal, series), Paid::Cash).await
    }

    /// The same, with guests who pay so.
    pub(crate) async fn paid_by(door: &Door, (terminal, series): (&str, u64), paid: Paid) -> Result<Self> {
        let stream = TcpStream::connect(&door.address).await?;
        stream.set_nodelay(true)?;
        Ok(Self::over(Box::new(stream), door, (terminal, series), paid))
    }

    /// The same over a connection that there is.
    pub(crate) fn over(stream: Box<dyn Carrier>, door: &Door, (terminal, series): (&str, u64), paid: Paid) -> Self {
        let [one, two, three] = door.items.map(|item| format!(r#"{{"item":{item},"quantity":1}}"#));
        let lines = format!(r#""lines":[{one},{two},{three}]"#);
        let (kind, amount) = match paid {
            Paid::Cash => ("cash", 1_000_000),
            Paid::Card(amount) => ("card_external", amount),
        };
        let tenders = format!(r#""tenders":[{{"kind":"{kind}","amount_minor":{amount}}}]"#);
        let body = format!(r#"{{"terminal":"{terminal}","currency":"USD",{lines},{tenders}}}"#);
        let head = format!("POST /v1/tickets HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {}\r\n", door.token);
        let head = format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        let head = format!("{head}Idempotency-Key: {terminal}-{series:016x}-{:0KEY_DIGITS$}", 0);
        let key_end = head.len();
        let request = format!("{head}\r\n\r\n{body}").into_bytes();
        Self { stream, request, key_end, answer: Vec::with_capacity(4_096) }
    }

    /// Sells the next ticket and waits until it is on the disk.
    pub(crate) async fn sell(&mut self) -> Result<TicketBits> {
        let digits = self.request.get_mut(self.key_end - KEY_DIGITS..self.key_end).context("the key")?;
        count_up(digits);
        self.stream.write_all(&self.request).await?;
        self.stream.flush().await?;
        self.answer.clear();
        loop {
            ensure!(self.stream.read_buf(&mut self.answer).await? > 0, "the shop ended the connection");
            if let Some(body) = whole(&self.answer)? {
                return ticket_bits(body).with_context(|| String::from_utf8_lossy(&self.answer).into_owned());
            }
        }
    }
}

/// The next number, digit by digit.
fn count_up(digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
}

/// The body of an answer, once all of it is there.
fn whole(answer: &[u8]) -> Result<Option<&[u8]>> {
    let Some(head_end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let (head, body) = answer.split_at(head_end + 4);
    let head = std::str::from_utf8(head)?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim())
    });
    let length: usize = length.context("an answer without a length")?.parse()?;
    if body.len() < length {
        return Ok(None);
    }
    if !head.starts_with("HTTP/1.1 201") {
        bail!("{}", String::from_utf8_lossy(answer));
    }
    Ok(Some(body))
}

/// The ticket's id in an answer.
fn ticket_bits(body: &[u8]) -> Option<TicketBits> {
    const FIELD: &[u8] = br#""ticket_id":""#;
    let at = body.windows(FIELD.len()).position(|part| part == FIELD)?;
    let id = body.get(at + FIELD.len()..at + FIELD.len() + 36)?;
    let mut digits = id.iter().filter(|c| **c != b'-').map(|c| char::from(*c).to_digit(16));
    digits.try_fold(0, |bits, digit| Some(bits << 4 | TicketBits::from(digit?)))
}

/// How much is sold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) terminals: u64,
    /// Before anything is counted.
    pub(crate) warm_up: Duration,
    pub(crate) time: Duration,
    /// The least time from one sale to the next at a till; none sells as fast as it is answered.
    pub(crate) pace: Option<Duration>,
}

/// What was sold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sold {
    /// Every ticket that was answered.
    pub(crate) tickets: Vec<TicketBits>,
    /// How long each sale took, in microseconds, and when it began; the warm-up is not in it.
    pub(crate) sales: Vec<(Duration, u64)>,
    /// For how long that was.
    pub(crate) time: Duration,
}

impl Sold {
    pub(crate) fn per_second(&self) -> u64 {
        u64::try_from(self.sales.len()).unwrap_or(0) * 1_000_000 / micros(self.time).max(1)
    }

    pub(crate) fn percentile_us(&self, percent: usize) -> u64 {
        percentile(&mut self.sales.iter().map(|(_, took_us)| *took_us).collect::<Vec<_>>(), percent)
    }

    /// Those sales only that began in a time.
    pub(crate) fn between(&self, from: Duration, until: Duration) -> Self {
        let sales = self.sales.iter().filter(|(began, _)| (from..until).contains(began)).copied().collect();
        Self { tickets: Vec::new(), sales, time: until.saturating_sub(from) }
    }
}

/// Sells by a plan.
pub(crate) async fn sell(door: &Door, plan: Plan, series: u64) -> Result<Sold> {
    let mut tills = Vec::new();
    for n in 1..=plan.terminals {
        tills.push(Till::connect(door, &format!("T{n}"), series).await?);
    }
    sell_by(tills, plan).await
}

/// Sells by a plan, with these tills.
pub(crate) async fn sell_by(tills: Vec<Till>, plan: Plan) -> Result<Sold> {
    let from = monotonic_now() + plan.warm_up;
    let until = from + plan.time;
    let mut selling = JoinSet::new();
    for mut till in tills {
        selling.spawn(async move {
            let (mut tickets, mut sales) = (Vec::new(), Vec::new());
            loop {
                let began = monotonic_now();
                if began >= until {
                    return anyhow::Ok((tickets, sales));
                }
                tickets.push(till.sell().await?);
                let ended = monotonic_now();
                if began >= from && ended <= until {
                    sales.push((began, micros(ended.saturating_sub(began))));
                }
                if let Some(pace) = plan.pace {
                    tokio::time::sleep((began + pace).saturating_sub(ended)).await;
                }
            }
        });
    }
    let mut sold = Sold { time: plan.time, ..Sold::default() };
    while let Some(till) = selling.join_next().await {
        let (tickets, sales) = till??;
        sold.tickets.extend(tickets);
        sold.sales.extend(sales);
    }
    Ok(sold)
}

/// Sells a number of tickets, as fast as the tills are answered.
pub(crate) async fn sell_count(door: &Door, terminals: u64, count: u64, series: u64) -> Result<Vec<TicketBits>> {
    let mut tills = Vec::new();
    for n in 1..=terminals {
        tills.push(Till::connect(door, &format!("T{n}"), series).await?);
    }
    Ok(sell_count_by(tills, count).await?.tickets)
}

/// Sells a number of tickets with these tills, and tells how long each took.
pub(crate) async fn sell_count_by(tills: Vec<Till>, count: u64) -> Result<Sold> {
    let (mut selling, from) = (JoinSet::new(), monotonic_now());
    let terminals = u64::try_from(tills.len())?.max(1);
    for (mut till, n) in tills.into_iter().zip(1..) {
        let share = count / terminals + u64::from(n <= count % terminals);
        selling.spawn(async move {
            let (mut tickets, mut sales) = (Vec::new(), Vec::new());
            for _ in 0..share {
                let began = monotonic_now();
                tickets.push(till.sell().await?);
                sales.push((began, micros(monotonic_now().saturating_sub(began))));
            }
            anyhow::Ok((tickets, sales))
        });
    }
    let mut sold = Sold::default();
    while let Some(till) = selling.join_next().await {
        let (tickets, sales) = till??;
        sold.tickets.extend(tickets);
        sold.sales.extend(sales);
    }
    sold.time = monotonic_now().saturating_sub(from);
    Ok(sold)
}

#[cfg(test)]
mod tests {
    use super::{count_up, ticket_bits, whole};

    #[test]
    fn an_answer_is_whole_when_its_length_is_there() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(whole(answer).expect("sound"), Some(&b"hello"[..]));
        assert_eq!(whole(&answer[..answer.len() - 1]).expect("sound"), None);
        assert_eq!(whole(&answer[..20]).expect("sound"), None);
        assert!(whole(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n").is_err());
    }

    #[test]
    fn a_ticket_is_known_by_its_bits() {
        let body = br#"{"ticket_id":"00000000-0000-8000-0000-0000000000ff","seq":1}"#;
        assert_eq!(ticket_bits(body), Some(0x8000_0000_0000_0000_00ff));
        assert_eq!(ticket_bits(b"{}"), None);
    }

    #[test]
    fn keys_count_up() {
        let mut digits = *b"0199";
        count_up(&mut digits);
        assert_eq!(&digits, b"0200");
    }
}
