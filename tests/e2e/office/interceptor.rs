//! Somebody between a box and its head office, with a CA of his own: he opens what is said, keeps it, and passes it on.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use percolate_common::entropy::SeededEntropy;
use percolate_common::identity::names::{ChainId, Principal};
use percolate_common::identity::pem::{Label, encode};
use percolate_common::identity::serial::Serial;
use percolate_common::time::UtcMillis;
use percolate_runtime::http::caller::{Answer, CallError, Caller, HttpsAddress};
use percolate_runtime::pki::{Authority, Usage, Wanted, new_key};
use percolate_runtime::system::clock_from_option;
use percolate_runtime::tls::{
    Clients, HandshakeLimits, Handshakes, OwnCertificate, Roots, Seen, TlsClock, server_config, unproven_config,
};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// What he does with the certificate of the chain's root, which the hub tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
    /// He passes it on.
    True,
    /// He puts his own in its place.
    His,
}

pub(crate) struct Interceptor {
    pub(crate) address: HttpsAddress,
    heard: Arc<Mutex<Vec<u8>>>,
    _tasks: JoinSet<()>,
}

impl Interceptor {
    /// Sits down in front of a hub.
    pub(crate) async fn start(hub: HttpsAddress, root: Root) -> Result<Self> {
        let (clock, entropy) = (clock_from_option(None)?, SeededEntropy::new(7));
        let tls = Arc::new(TlsClock::new(clock.clone(), UtcMillis::new(0)));
        let id = ChainId::draw(&entropy);
        let (own_root, _) = Authority::new_root(id, "Bytes & Brews", clock.now(), &entropy)?;
        let (issuing, _) = own_root.new_intermediate(1, clock.now(), &entropy)?;
        let (key, now) = (new_key(&entropy)?, clock.now().get());
        let certificates = issuing.issue(&Wanted {
            principal: &Principal::Hub("door".parse()?),
            public_key: &key.public_key(),
            addresses: &[],
            serial: &Serial::draw(&entropy),
            from: UtcMillis::new(now - DAY_MS),
            until: UtcMillis::new(now + DAY_MS),
            usage: Usage::Server,
        })?;
        let his = issuing.certificates().last().context("a root")?;
        let his = (root == Root::His).then(|| encode(Label::Certificate, his)).transpose()?;
        let roots = Roots::new(issuing.certificates().get(1..).context("a root")?)?;
        let own = Arc::new(OwnCertificate::new(certificates, &key)?);
        let config = server_config(own, &roots, Clients::None, tls.clone())?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("https://{}", listener.local_addr()?).parse()?;
        let mut handshakes = Handshakes::new("interceptor", listener, config, HandshakeLimits::default());
        let to_hub = Caller::new(unproven_config(Arc::new(Seen::default()), tls)?);
        let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
        let mut tasks = JoinSet::new();
        let kept = heard.clone();
        tasks.spawn(async move {
            let mut calls = JoinSet::new();
            loop {
                let accepted = handshakes.accept().await;
                calls.spawn(relay(accepted.stream, hub.clone(), to_hub.clone(), his.clone(), kept.clone()));
            }
        });
        Ok(Self { address, heard, _tasks: tasks })
    }

    /// All that was said, both ways.
    pub(crate) fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

fn keep(heard: &Mutex<Vec<u8>>, said: &[u8]) {
    heard.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(said);
}

/// One request: opened, kept, and asked of the hub in his own name.
async fn relay(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    hub: HttpsAddress,
    to_hub: Caller,
    root: Option<String>,
    heard: Arc<Mutex<Vec<u8>>>,
) {
    let Some((request, path, body)) = request(&mut stream).await else { return };
    keep(&heard, &request);
    let answer = match serde_json::from_slice::<Value>(&body) {
        Ok(question) => to_hub.post(&hub, &path, &question).await,
        Err(_none) => to_hub.get(&hub, &path).await,
    };
    let (status, proof, body) = match answer {
        Ok(Answer { headers, body, .. }) => {
            let proof = headers.get("percolate-proof").and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
            ("200 OK", proof, with_root(&body, root))
        }
        Err(CallError::Problem { code, detail, .. }) => {
            let problem = serde_json::json!({ "code": code, "detail": detail });
            ("403 Forbidden", String::new(), problem.to_string().into_bytes())
        }
        // He says nothing, and whoever asks sees that nobody is there.
        Err(_silent) => return,
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\npercolate-proof: {proof}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let answer = [head.as_bytes(), &body].concat();
    keep(&heard, &answer);
    stream.write_all(&answer).await.unwrap_or_default();
    stream.shutdown().await.unwrap_or_default();
}

/// What the hub says of the chain, with another root if he wants it so.
fn with_root(body: &[u8], root: Option<String>) -> Vec<u8> {
    let said = serde_json::from_slice::<Value>(body).ok().zip(root);
    let Some((mut said, root)) = said.filter(|(said, _)| said.get("root").is_some()) else { return body.to_vec() };
    if let Some(place) = said.get_mut("root") {
        *place = Value::String(root);
    }
    said.to_string().into_bytes()
}

/// A request as it came, its path, and its body.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<(Vec<u8>, String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4_096];
        let read = stream.read(&mut part).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(part.get(..read)?);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        if body.len() >= length.unwrap_or(0) {
            let path = head.split(' ').nth(1)?.to_owned();
            return Some((bytes.clone(), path, body.as_bytes().to_vec()));
        }
    }
}
