//! The office over HTTPS, asked as a browser asks it, with every header in the test's own hand; and people who sign in there.

use std::sync::Arc;
use std::time::Duration;

use percolate_common::time::Clock;
use percolate_common::time::UtcMillis;
use percolate_runtime::tls::{Roots, TlsClock, client_config, dial};
use percolate_runtime::totp::TotpSecret;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::chain::Wire;
use super::hub::{MovedClock, TestHub};

/// What people of tests choose.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Until the next code.
pub(crate) const STEP: Duration = Duration::from_secs(30);

/// The hub's HTTPS server.
pub(crate) struct Office {
    roots: Roots,
    clock: Arc<MovedClock>,
    address: String,
}

/// A question that is being put together.
pub(crate) struct Question<'o> {
    office: &'o Office,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    headers: String,
    pub(crate) body: Value,
}

impl Reply {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The code of a refusal; nothing if it is none.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// The cookie that a browser would keep, as it would show it.
    pub(crate) fn cookie(&self) -> String {
        self.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
    }
}

/// Somebody who can sign in.
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) totp: TotpSecret,
}

impl Office {
    pub(crate) async fn of(hub: &TestHub) -> Self {
        let chain: Value = hub.get_openly("/v1/identity/chain").await.json().await.unwrap();
        let roots = Roots::from_pem(chain["root"].as_str().unwrap()).unwrap();
        Self { roots, clock: hub.clock.clone(), address: hub.endpoints().https.unwrap() }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A question as curl asks it: nothing is said of a page, or of a session.
    pub(crate) fn ask(&self, method: Method, path: &str) -> Question<'_> {
        Question { office: self, method, path: path.to_owned(), headers: Vec::new(), body: None }
    }

    /// As the office's own page asks it.
    pub(crate) fn page(&self, method: Method, path: &str, cookie: &str) -> Question<'_> {
        self.ask(method, path).header("Sec-Fetch-Site", "same-origin").header("Cookie", cookie)
    }

    async fn dial(&self) -> Box<dyn Wire> {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let clock = Arc::new(TlsClock::new(clock, UtcMillis::new(0)));
        let config = client_config(&self.roots, None, clock).unwrap();
        Box::new(dial(config, "localhost".try_into().unwrap(), &self.address).await.unwrap())
    }

    /// Takes an invitation up.
    pub(crate) async fn redeem(&self, invitation: &str) -> Reply {
        let body = json!({ "invitation": invitation, "password": PASSWORD });
        self.ask(Method::POST, "/v1/identity/invitations/redemptions").json(&body).send().await
    }

    /// Somebody new, who may do nothing yet.
    pub(crate) async fn person(&self, hub: &TestHub, name: &str) -> Person {
        let (status, invited) = by_token(hub, Method::POST, "/v1/identity/users", &json!({ "name": name })).await;
        assert_eq!(status, StatusCode::CREATED, "{invited}");
        let redeemed = self.redeem(invited["invitation"].as_str().unwrap()).await;
        assert_eq!(redeemed.status, StatusCode::CREATED, "{redeemed:?}");
        Person { name: name.to_owned(), totp: totp(redeemed.body["secret"].as_str().unwrap()) }
    }

    /// Tries to sign in with the present code.
    pub(crate) async fn try_in(&self, person: &Person, password: &str) -> Reply {
        let code = person.totp.code_at(self.clock.now());
        let body = json!({ "name": person.name, "password": password, "code": code });
        self.ask(Method::POST, "/v1/identity/sessions").json(&body).send().await
    }

    /// Signs in half a minute later, with a code that was not used; gives the cookie.
    pub(crate) async fn sign_in(&self, person: &Person) -> String {
        self.clock.move_on(STEP);
        let reply = self.try_in(person, PASSWORD).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
        reply.cookie()
    }
}

impl Question<'_> {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.body = Some(body.to_string());
        self.header("Content-Type", "application/json")
    }

    /// Asks, and reads the answer, or of one that goes on and on its beginning.
    pub(crate) async fn send(self) -> Reply {
        self.begin().await.0
    }

    /// As [`Question::send`]; what goes on comes out of the line.
    pub(crate) async fn begin(self) -> (Reply, Box<dyn Wire>) {
        let mut wire = self.office.dial().await;
        let body = self.body.unwrap_or_default();
        let mut text = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", self.method, self.path);
        if !self.headers.iter().any(|(name, _)| name == "Host") {
            text += &format!("Host: {}\r\n", self.office.address);
        }
        text += &format!("Content-Length: {}\r\n", body.len());
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        wire.write_all(format!("{text}\r\n{body}").as_bytes()).await.unwrap();
        let mut read = Vec::new();
        let head_end = loop {
            if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            let got = wire.read_buf(&mut read).await.unwrap();
            assert!(got > 0, "an answer ends in its head: {}", String::from_utf8_lossy(&read));
        };
        let headers = String::from_utf8(read[..head_end].to_vec()).unwrap();
        let status = headers.split(' ').nth(1).unwrap().parse::<u16>().unwrap();
        let reply = Reply { status: StatusCode::from_u16(status).unwrap(), headers, body: Value::Null };
        if reply.header("content-type") == Some("text/event-stream") {
            return (reply, wire);
        }
        let mut body = read.split_off(head_end + 4);
        wire.read_to_end(&mut body).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&body).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (Reply { body, ..reply }, wire)
    }
}

/// What whoever has the hub's token asks, on its own machine.
pub(crate) async fn by_token(hub: &TestHub, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
    let answer = hub.asker().request(method, path).json(body).send().await.unwrap();
    let status = answer.status();
    (status, answer.json().await.unwrap_or(Value::Null))
}

/// Gives somebody what they may do.
pub(crate) async fn granted(hub: &TestHub, person: &Person, grants: &Value) {
    let path = format!("/v1/identity/users/{}/grants", person.name);
    let (status, body) = by_token(hub, Method::PUT, &path, &json!({ "grants": grants })).await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

/// What an app makes of a secret that was typed.
fn totp(text: &str) -> TotpSecret {
    let mut bytes = Vec::new();
    let (mut held, mut bits) = (0_u32, 0_u32);
    for digit in text.chars() {
        let value = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(digit).unwrap();
        held = (held << 5 | u32::try_from(value).unwrap()) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 0xff).unwrap());
        }
    }
    TotpSecret::from_bytes(bytes.try_into().unwrap())
}
