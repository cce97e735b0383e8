//! A line to a printer in the shop's network: every step has its deadline, for a printer may take everything and say nothing.

use std::io;
use std::time::Duration;

use percolate_common::paper::escpos::Question;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::system::monotonic_now;

/// A line to a printer.
#[derive(Debug)]
pub struct Line {
    stream: TcpStream,
}

async fn in_time<T>(within: Duration, what: &'static str, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = |_elapsed| io::Error::new(io::ErrorKind::TimedOut, what);
    timeout(within, step).await.map_err(late).and_then(|done| done)
}

impl Line {
    /// Calls the printer at an address, `HOST:PORT`.
    ///
    /// # Errors
    /// If it is not reached in time.
    pub async fn open(address: &str, within: Duration) -> io::Result<Self> {
        let stream = in_time(within, "it is not reached", TcpStream::connect(address)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream })
    }

    /// Sends it bytes.
    ///
    /// # Errors
    /// If it does not take all of them in time.
    pub async fn send(&mut self, bytes: &[u8], within: Duration) -> io::Result<()> {
        in_time(within, "it takes no more", self.stream.write_all(bytes)).await
    }

    /// Waits for a byte that answers a question; others are passed to whoever wants to know of them.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] if it says nothing in time, another one if it ends the line.
    pub async fn hear(&mut self, question: Question, within: Duration, mut other: impl FnMut(u8)) -> io::Result<u8> {
        let until = monotonic_now() + within;
        loop {
            let left = until.saturating_sub(monotonic_now());
            // One that talks without end has always something to read: it would be heard for ever.
            if left.is_zero() {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "it says nothing that was asked"));
            }
            let mut byte = [0];
            match in_time(left, "it says nothing", self.stream.read(&mut byte)).await? {
                0 => return Err(io::Error::other("it ended the connection without a word")),
                _one if question.is_answered_by(byte[0]) => return Ok(byte[0]),
                _one => other(byte[0]),
            }
        }
    }

    /// Asks it a question, and waits for the answer.
    ///
    /// # Errors
    /// As [`Line::send`] and [`Line::hear`].
    pub async fn ask(&mut self, question: Question, within: Duration) -> io::Result<u8> {
        let until = monotonic_now() + within;
        self.send(&question.bytes(), within).await?;
        self.hear(question, until.saturating_sub(monotonic_now()), |_other| ()).await
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const MAX: Duration = Duration::from_millis(300);

    async fn pair() -> (Line, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let line = Line::open(&listener.local_addr().unwrap().to_string(), MAX).await.unwrap();
        (line, listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn an_answer_is_told_from_what_else_it_says() {
        let (mut line, mut printer) = pair().await;
        line.send(b"page", MAX).await.unwrap();
        printer.write_all(&[0x00, 0x10, 0x12]).await.unwrap();
        let mut others = Vec::new();
        line.send(&Question::Printer.bytes(), MAX).await.unwrap();
        let heard = line.hear(Question::Printer, MAX, |byte| others.push(byte)).await.unwrap();
        assert_eq!((heard, others), (0x12, vec![0x00, 0x10]));
        let mut given = vec![0; 7];
        printer.read_exact(&mut given).await.unwrap();
        assert_eq!(given, [b"page", &Question::Printer.bytes()[..]].concat());
    }

    #[tokio::test]
    async fn one_that_talks_without_end_is_not_heard_for_ever() {
        let (mut line, mut printer) = pair().await;
        let talks = async {
            loop {
                if printer.write_all(&[0xff; 4_096]).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            heard = line.hear(Question::Printer, MAX, |_other| ()) => {
                assert_eq!(heard.unwrap_err().kind(), io::ErrorKind::TimedOut);
            }
            () = talks => {}
        }
    }

    #[tokio::test]
    async fn one_that_misbehaves_is_told_in_time() {
        let (mut line, printer) = pair().await;
        assert_eq!(line.ask(Question::Done, MAX).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        // Bytes that never fit, as a printer without paper takes a few and then no more.
        let never = vec![0; 64 * 1024 * 1024];
        assert_eq!(line.send(&never, MAX).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(printer);
        let (mut line, printer) = pair().await;
        drop(printer);
        line.ask(Question::Printer, MAX).await.unwrap_err();
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
        Line::open(&gone, MAX).await.unwrap_err();
        Line::open("no printer", MAX).await.unwrap_err();
    }
}
