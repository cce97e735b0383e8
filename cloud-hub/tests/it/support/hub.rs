//! A hub in a scratch folder, asked over HTTP as anybody would.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cloud_hub::broker::embedded::EmbeddedBroker;
use cloud_hub::broker::{BrokerAccess, BrokerSetting, ExternalBroker};
use cloud_hub::config::{HubConfig, IdentitySetting, Profile};
use cloud_hub::hub::Hub;
use cloud_hub::hub_error::HubError;
use own_mosquitto::Mosquitto;
use percolate_common::entropy::SeededEntropy;
use percolate_common::time::{Clock, UtcMillis};
use percolate_runtime::http::caller::HttpsAddress;
use percolate_runtime::http::server::{ENDPOINTS_FILE, Endpoints};
use percolate_runtime::system::SystemClock;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::chain::{self, Papers, TestChain};
use super::enrolled::Enrolled;
use super::events::NOON_MS;
use super::eventually;
use super::ground::{Ground, is_server};
use super::mosquitto;
use super::node::Door;

/// A free port of this machine.
const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The folder with the certificate by which a hub comes to somebody else's broker.
const HUB_IDENTITY: &str = "hub-identity";

/// A clock that stands.
#[derive(Debug)]
pub(crate) struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> UtcMillis {
        UtcMillis::new(NOON_MS)
    }
}

/// A clock that stands until it is moved on.
#[derive(Debug)]
pub(crate) struct MovedClock(AtomicI64);

impl Default for MovedClock {
    fn default() -> Self {
        Self(AtomicI64::new(NOON_MS))
    }
}

impl MovedClock {
    /// It stands at the machine's time.
    pub(crate) fn of_today() -> Self {
        Self(AtomicI64::new(SystemClock.now().get()))
    }

    pub(crate) fn move_on(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for MovedClock {
    fn now(&self) -> UtcMillis {
        UtcMillis::new(self.0.load(Ordering::SeqCst))
    }
}

/// Whoever asks a server that keeps its token in `data_dir`.
pub(crate) struct Asker {
    address: SocketAddr,
    data_dir: PathBuf,
    client: reqwest::Client,
}

impl Asker {
    pub(crate) fn new(address: SocketAddr, data_dir: &Path) -> Self {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        Self { address, data_dir: data_dir.to_owned(), client }
    }

    /// A request with the token.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let token = std::fs::read_to_string(self.data_dir.join("token")).unwrap();
        self.openly(method, path).bearer_auth(token.trim())
    }

    /// A request without the token.
    pub(crate) fn openly(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    /// Status and body, as JSON if it is.
    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        let response = self.request(Method::GET, path).send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// The body of an answer that must be well.
    pub(crate) async fn body(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }
}

/// A hub, and the folder in which it can be started again.
pub(crate) struct TestHub {
    hub: Option<Hub>,
    folder: Ground,
    config: HubConfig,
    broker: BrokerSetting,
    enrolled: Enrolled,
    /// How often it was started: no two runs draw the same random numbers.
    starts: u64,
    asker: Option<Asker>,
    pub(crate) clock: Arc<MovedClock>,
}

impl TestHub {
    /// Starts a hub without a menu in a new folder, on free ports that it keeps over restarts.
    pub(crate) async fn start() -> Self {
        Self::start_with_menu(None).await
    }

    /// Starts a hub with the text of a menu.
    pub(crate) async fn start_with_menu(menu: Option<&str>) -> Self {
        Self::start_behind(BrokerSetting::Embedded, menu).await
    }

    /// Starts a hub that meets its nodes at this broker.
    pub(crate) async fn start_behind(broker: BrokerSetting, menu: Option<&str>) -> Self {
        let mut test = Self::new(broker, menu, Arc::default());
        test.open().await.unwrap();
        test
    }

    /// Starts a hub behind a mosquitto, to which all come by certificates. Where there is none, the test has said so and gives
    /// up.
    pub(crate) async fn start_behind_mosquitto() -> Option<(Self, Mosquitto)> {
        let mut test = Self::new(BrokerSetting::Embedded, None, Arc::new(MovedClock::of_today()));
        let (chain, folder) = (test.enrolled.chain(), test.folder.path().to_owned());
        let mosquitto = mosquitto::start(chain, &folder)?;
        chain.write(&chain.papers(&chain::hub()), &folder.join(HUB_IDENTITY));
        let access = BrokerAccess::Certificate(folder.join(HUB_IDENTITY));
        test.broker = BrokerSetting::External(ExternalBroker { addresses: mosquitto.address().into(), access });
        test.open().await.unwrap();
        Some((test, mosquitto))
    }

    /// Comes to somebody else's broker with these papers from its next start on.
    pub(crate) fn comes_with(&self, papers: &Papers) {
        self.chain().write(papers, &self.folder.path().join(HUB_IDENTITY));
    }

    fn new(broker: BrokerSetting, menu: Option<&str>, clock: Arc<MovedClock>) -> Self {
        let folder = Ground::new();
        let enrolled = Enrolled::found(folder.path(), clock.clone());
        let ca = enrolled.ca.clone();
        let data_dir = folder.path().join("data");
        let profile = if is_server() { folder.large(&data_dir.join("token")) } else { Profile::Small };
        Self {
            hub: None,
            enrolled,
            config: HubConfig {
                data_dir,
                http: ANY_PORT,
                profile,
                identity: Some(IdentitySetting {
                    ca,
                    https: ANY_PORT,
                    mqtts: ANY_PORT,
                    broker: Vec::new(),
                    names: Vec::new(),
                }),
                menu: menu.map(|text| written_menu(folder.path(), text)),
                simulated_clock: None,
                stop_with_parent: false,
            },
            folder,
            broker,
            starts: 0,
            asker: None,
            clock,
        }
    }

    /// How an enrolled box comes to the broker.
    pub(crate) fn door(&self, number: u32) -> Door {
        let address: SocketAddr = self.endpoints().mqtts.unwrap().parse().unwrap();
        self.enrolled.door(number, address.port())
    }

    /// How an enrolled box comes to a broker that is not the hub's.
    pub(crate) fn door_of(&self, mosquitto: &Mosquitto, number: u32) -> Door {
        self.enrolled.door(number, mosquitto.address().port())
    }

    /// The chain of its boxes.
    pub(crate) const fn chain(&self) -> &TestChain {
        self.enrolled.chain()
    }

    /// The CA's folder.
    pub(crate) fn ca(&self) -> &Path {
        &self.enrolled.ca
    }

    /// Where it says that it is.
    pub(crate) fn endpoints(&self) -> Endpoints {
        let said = std::fs::read(self.data_dir().join(ENDPOINTS_FILE)).unwrap();
        serde_json::from_slice(&said).unwrap()
    }

    /// Where boxes enrol.
    pub(crate) fn https(&self) -> HttpsAddress {
        format!("https://{}", self.endpoints().https.unwrap()).parse().unwrap()
    }

    /// The certificates of boxes that were enrolled since, as head office lists them.
    pub(crate) async fn new_devices(&self) -> Vec<Value> {
        let mut rows = self.rows("/v1/identity/devices").await;
        rows.retain(|row| !row["node"].as_u64().is_some_and(|node| self.enrolled.has(node)));
        rows
    }

    /// Starts it on the same folder and ports.
    pub(crate) async fn open(&mut self) -> Result<(), HubError> {
        if self.starts == 0 {
            self.enrolled.write(self.data_dir()).await;
        }
        self.starts += 1;
        let entropy = Arc::new(SeededEntropy::new(6 + self.starts));
        let (broker, config) = (self.broker.clone(), self.config.clone());
        let hub = Hub::start_behind(broker, config, self.clock.clone(), entropy).await?;
        self.config.http = hub.http_address();
        let said = self.endpoints();
        if let Some(setting) = &mut self.config.identity {
            let at = |address: Option<String>| address.map_or(ANY_PORT, |address| address.parse().unwrap());
            (setting.https, setting.mqtts) = (at(said.https), at(said.mqtts));
        }
        self.asker = Some(Asker::new(self.config.http, &self.config.data_dir));
        self.hub = Some(hub);
        Ok(())
    }

    /// Stops it in order.
    pub(crate) async fn stop(&mut self) {
        let hub = self.hub.take().unwrap();
        assert_eq!(hub.ended_tasks(), Vec::<&str>::new(), "tasks ended by themselves");
        let report = hub.stop().await;
        assert!(report.is_clean(), "not stopped in time: {:?}", report.unfinished);
    }

    /// Stops and starts it with another menu.
    pub(crate) async fn restart_with_menu(&mut self, menu: &str) {
        self.stop().await;
        self.config.menu = Some(written_menu(self.folder.path(), menu));
        self.open().await.unwrap();
    }

    /// Starts it with another menu after it did not start.
    pub(crate) async fn restart_after_refusal(&mut self, menu: &str) {
        self.config.menu = Some(written_menu(self.folder.path(), menu));
        self.open().await.unwrap();
    }

    pub(crate) fn hub(&self) -> &Hub {
        self.hub.as_ref().unwrap()
    }

    pub(crate) fn own_broker(&self) -> &EmbeddedBroker {
        self.hub().broker().embedded().unwrap()
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.config.data_dir
    }

    /// Whoever asks it.
    pub(crate) fn asker(&self) -> &Asker {
        self.asker.as_ref().unwrap()
    }

    /// Asks with the token.
    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.asker().get(path).await
    }

    /// Asks without the token.
    pub(crate) async fn get_openly(&self, path: &str) -> reqwest::Response {
        self.asker().openly(Method::GET, path).send().await.unwrap()
    }

    /// The rows of a list.
    pub(crate) async fn rows(&self, path: &str) -> Vec<Value> {
        self.asker().body(path).await["rows"].as_array().unwrap().clone()
    }

    /// The row of one journal at `/v1/sync/streams`.
    pub(crate) async fn stream(&self, author: &str, stream: &str) -> Option<Value> {
        let rows = self.rows("/v1/sync/streams?limit=1000").await;
        rows.into_iter().find(|row| row["author"] == author && row["stream"] == stream)
    }

    /// Waits until a journal is held up to `seq`, and gives its row.
    pub(crate) async fn held(&self, author: &str, stream: &str, seq: u64) -> Value {
        eventually(&format!("{author}/{stream} up to {seq}"), || async {
            self.stream(author, stream).await.filter(|row| row["contig"] == seq)
        })
        .await
    }
}

fn written_menu(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("menu.json");
    std::fs::write(&path, text).unwrap();
    path
}
