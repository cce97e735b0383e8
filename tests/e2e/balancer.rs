//! HAProxy, set up as `deploy/haproxy` says: what it takes from whom, and what it asks twice.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, StatusCode};
use system_tests::harness::Balancer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// Requests of a kind: of so many some go to each of two processes.
const REQUESTS: usize = 20;

/// How a process answers, its readiness apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Well.
    Well,
    /// It hears the request, and hangs up.
    HangsUp,
    /// 503.
    Refuses,
}

#[derive(Debug)]
struct State {
    is_ready: bool,
    manner: Manner,
    /// What it was asked, `/readyz` apart.
    asked: Vec<String>,
}

/// Somebody in the place of a hub's process.
struct Stub {
    address: String,
    state: Arc<Mutex<State>>,
    _tasks: JoinSet<()>,
}

impl Stub {
    async fn start(manner: Manner) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let state = Arc::new(Mutex::new(State { is_ready: true, manner, asked: Vec::new() }));
        let (mut tasks, own) = (JoinSet::new(), state.clone());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((connection, _peer)) = listener.accept().await {
                connections.spawn(serve(connection, own.clone()));
            }
        });
        Ok(Self { address, state, _tasks: tasks })
    }

    async fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut *self.state.lock().await);
    }

    /// What it was asked since this was asked last.
    async fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().await.asked)
    }
}

async fn serve(mut connection: TcpStream, state: Arc<Mutex<State>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match connection.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_closed) => return,
        }
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let line = text.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
    let answer = {
        let mut state = state.lock().await;
        let is_check = line.contains("/readyz");
        if !is_check {
            state.asked.push(line);
        }
        match state.manner {
            _ if is_check && state.is_ready => Some("200 OK"),
            _ if is_check => Some("503 Service Unavailable"),
            Manner::Well => Some("200 OK"),
            Manner::Refuses => Some("503 Service Unavailable"),
            Manner::HangsUp => None,
        }
    };
    if let Some(status) = answer {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        drop(connection.write_all(answer.as_bytes()).await);
    }
}

/// Asks so often, and gives the answers.
async fn ask(balancer: &Balancer, method: Method, path: &str, times: usize) -> Result<Vec<(StatusCode, String)>> {
    let mut answers = Vec::new();
    for _ in 0..times {
        let request = reqwest::Client::new().request(method.clone(), format!("http://{}{path}", balancer.address()));
        let response = request.send().await?;
        answers.push((response.status(), response.text().await?));
    }
    Ok(answers)
}

#[test]
fn the_settings_that_ship_are_taken_without_a_warning() -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/haproxy.sh");
    let output = Command::new(script).arg("check").output()?;
    if output.status.code() == Some(2) {
        println!("SKIPPED: no HAProxy is installed (scripts/setup.sh --servers)");
        return Ok(());
    }
    let said = format!("{}{}", String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    ensure!(output.status.success() && said.trim() == "Configuration file is valid", "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_nothing_is_asked_again_elsewhere_and_nothing_else_is() -> Result<()> {
    let (dying, well) = (Stub::start(Manner::HangsUp).await?, Stub::start(Manner::Well).await?);
    let processes = [("reporting-1", dying.address.clone()), ("reporting-2", well.address.clone())];
    let Some(balancer) = Balancer::start(&processes)? else { return Ok(()) };

    for method in [Method::GET, Method::HEAD] {
        balancer.has("reporting-1", true).await?;
        let answers = ask(&balancer, method.clone(), "/v1/reporting/sales", REQUESTS).await?;
        ensure!(answers.iter().all(|(status, _)| *status == StatusCode::OK), "{answers:?}");
        let (lost, answered) = (dying.asked().await.len(), well.asked().await.len());
        ensure!(lost > 0, "no {method} met the one that hangs up");
        ensure!(answered == REQUESTS, "{answered}");
    }

    for method in [Method::POST, Method::PUT, Method::DELETE] {
        balancer.has("reporting-1", true).await?;
        let answers = ask(&balancer, method.clone(), "/v1/reporting/something", REQUESTS).await?;
        let (lost, answered) = (dying.asked().await.len(), well.asked().await.len());
        ensure!(lost > 0 && lost + answered == REQUESTS, "{method}: {lost} and {answered}");
        let failures: Vec<_> = answers.iter().filter(|(status, _)| *status != StatusCode::OK).collect();
        ensure!(failures.len() == lost, "{answers:?}");
        let is_named = |text: &str| text.contains(r#""code":"balancer_no_answer""#);
        ensure!(failures.iter().all(|(status, text)| *status == 502 && is_named(text)), "{failures:?}");
    }

    // A connection that is refused has carried nothing: whatever it was may go elsewhere.
    let Stub { address, _tasks, .. } = dying;
    drop(_tasks);
    let answers = ask(&balancer, Method::POST, "/v1/reporting/something", REQUESTS).await?;
    ensure!(answers.iter().all(|(status, _)| *status == StatusCode::OK), "{address}: {answers:?}");
    ensure!(well.asked().await.len() == REQUESTS, "each of them once");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_ready_is_asked_nothing_and_who_refuses_is_heard() -> Result<()> {
    let (first, second) = (Stub::start(Manner::Well).await?, Stub::start(Manner::Well).await?);
    let processes = [("reporting-1", first.address.clone()), ("reporting-2", second.address.clone())];
    let Some(balancer) = Balancer::start(&processes)? else { return Ok(()) };

    first.set(|state| state.is_ready = false).await;
    balancer.has("reporting-1", false).await?;
    ask(&balancer, Method::GET, "/", REQUESTS).await?;
    ensure!((first.asked().await.len(), second.asked().await.len()) == (0, REQUESTS), "one of them is not ready");
    first.set(|state| state.is_ready = true).await;
    balancer.has("reporting-1", true).await?;
    ask(&balancer, Method::GET, "/", REQUESTS).await?;
    let (asked_first, asked_second) = (first.asked().await.len(), second.asked().await.len());
    ensure!(asked_first > 0 && asked_second > 0 && asked_first + asked_second == REQUESTS, "both are ready");

    // An answer is an answer, and is not asked for again.
    first.set(|state| state.manner = Manner::Refuses).await;
    second.set(|state| state.manner = Manner::Refuses).await;
    let answers = ask(&balancer, Method::GET, "/", REQUESTS).await?;
    ensure!(answers.iter().all(|(status, text)| *status == 503 && text.is_empty()), "{answers:?}");
    ensure!(first.asked().await.len() + second.asked().await.len() == REQUESTS, "each of them once");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_path_goes_to_who_does_it_and_a_process_is_asked_of_itself_only() -> Result<()> {
    let names = ["ingest-1", "catalog-1", "reporting-1"];
    let mut stubs = Vec::new();
    for _ in names {
        stubs.push(Stub::start(Manner::Well).await?);
    }
    let processes: Vec<_> = names.into_iter().zip(stubs.iter().map(|stub| stub.address.clone())).collect();
    let Some(balancer) = Balancer::start(&processes)? else { return Ok(()) };
    let paths = [
        "/v1/sync/streams?limit=10",
        "/v1/catalog/items",
        "/v1/reporting/sales?by=day",
        "/v1/syncope",
        "/openapi.json",
        "/",
    ];
    for (path, expected) in paths.into_iter().zip([0, 1, 2, 2, 2, 2]) {
        ask(&balancer, Method::GET, path, 1).await?;
        let mut asked = Vec::new();
        for stub in &stubs {
            asked.push(stub.asked().await);
        }
        let at = asked.iter().position(|asked| !asked.is_empty()).with_context(|| format!("nobody had {path}"))?;
        ensure!(at == expected && asked.concat() == [format!("GET {path}")], "{path}: {asked:?}");
    }
    for path in ["/readyz", "/livez", "/metrics"] {
        let answers = ask(&balancer, Method::GET, path, 1).await?;
        ensure!(answers.iter().all(|(status, text)| *status == 404 && text.contains("not_found")), "{answers:?}");
    }
    for (name, stub) in names.iter().zip(&stubs) {
        ensure!(stub.asked().await.is_empty(), "{name} was asked");
        stub.set(|state| state.is_ready = false).await;
        balancer.has(name, false).await?;
    }
    let answers = ask(&balancer, Method::GET, "/v1/catalog/items", 1).await?;
    let is_named = |text: &str| text.contains(r#""code":"balancer_none_ready""#);
    ensure!(answers.iter().all(|(status, text)| *status == 503 && is_named(text)), "{answers:?}");
    Ok(())
}
