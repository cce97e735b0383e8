//! A device in the shop's network: it comes over HTTPS, believes the chain's root and the box's name, and shows a token.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use percolate_common::identity::certificate::Certificate;
use percolate_runtime::tls::{Seen, dial, terminal_config, unproven_config};
use serde_json::{Value, json};

use super::chain::{LAN_NAME, TestChain};
use super::feed::{Carrier, Listener};
use super::http::{Answer, Request};
use super::in_time;
use super::node::{TestNode, Till};

/// The device.
#[derive(Clone)]
pub(crate) struct Device {
    chain: Arc<TestChain>,
    pub(crate) address: SocketAddr,
    /// Empty for none.
    pub(crate) token: String,
}

impl Device {
    /// One in the shop of this box, which must serve there.
    pub(crate) fn of(chain: &Arc<TestChain>, node: &TestNode, token: &str) -> Self {
        let text = std::fs::read(node.config.data.join("endpoints.json")).unwrap();
        let endpoints: Value = serde_json::from_slice(&text).unwrap();
        let address = endpoints["https"].as_str().expect("the box serves HTTPS").parse().unwrap();
        Self { chain: chain.clone(), address, token: token.to_owned() }
    }

    /// The same device with another token.
    pub(crate) fn with(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// Connects, and asks for a server of this name.
    pub(crate) async fn connect(&self, name: &'static str) -> io::Result<Box<dyn Carrier>> {
        let config = terminal_config(&self.chain.roots(), self.chain.tls_clock()).unwrap();
        let stream = in_time("a handshake", dial(config, name.try_into().unwrap(), self.address)).await?;
        Ok(Box::new(stream))
    }

    /// The certificate that the box shows now.
    pub(crate) async fn shown(&self) -> Certificate {
        let seen = Arc::new(Seen::default());
        let config = unproven_config(seen.clone(), self.chain.tls_clock()).unwrap();
        let _stream = in_time("a handshake", dial(config, LAN_NAME.try_into().unwrap(), self.address)).await.unwrap();
        Certificate::read(&seen.certificates()[0]).unwrap()
    }

    pub(crate) async fn send(&self, request: Request) -> Answer {
        let request = match self.token.as_str() {
            "" => request,
            token => request.header("authorization", &format!("Bearer {token}")),
        };
        request.send_over(self.address, self.connect(LAN_NAME).await.unwrap()).await
    }

    pub(crate) async fn ask(&self, path: &str) -> Answer {
        self.send(Request::new("GET", path)).await
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.send(Request::new("POST", path).header("idempotency-key", key).json(body)).await
    }

    /// Shows a code, as a device of this key.
    pub(crate) async fn redeem(&self, code: &str, key: &str) -> Answer {
        let body = json!({"code": code, "device": "tablet at the bar"});
        self.post("/v1/pairings/redemptions", &format!("{key:-<32}"), &body).await
    }

    /// Is paired by a code.
    pub(crate) async fn paired(&self, code: &str) -> Self {
        let answer = self.redeem(code, code).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        self.with(answer.json()["token"].as_str().unwrap())
    }

    pub(crate) async fn listen(&self) -> Listener {
        Listener::answered(self.address, self.connect(LAN_NAME).await.unwrap(), &self.token).await
    }
}

/// Has the box give out a code, and gives all that it says.
pub(crate) async fn pairing(till: &Till, name: &str, kind: &str) -> Value {
    let body = json!({"name": name, "kind": kind});
    let answer = till.post("/v1/terminals/pairings", &format!("{name} {kind}").replace(' ', "-"), &body).await;
    assert!(answer.status == 201 || answer.status == 200, "{answer:?}");
    answer.json()
}

/// As [`pairing`], with a key of the test's own, and gives the code.
pub(crate) async fn code(till: &Till, name: &str, kind: &str, key: &str) -> String {
    let answer = till.post("/v1/terminals/pairings", key, &json!({"name": name, "kind": kind})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["code"].as_str().unwrap().to_owned()
}
