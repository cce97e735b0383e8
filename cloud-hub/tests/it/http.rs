//! The surface: problems, health, metrics, the page, the data folder.

use crate::support::ground::is_server;
use reqwest::StatusCode;
use serde_json::Value;

use crate::support::eventually;
use crate::support::hub::TestHub;

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_are_open_and_say_what_is_checked() {
    let hub = TestHub::start().await;
    assert_eq!(hub.get_openly("/livez").await.status(), StatusCode::OK);
    let ready = eventually("readiness", || async {
        let ready: Value = hub.get_openly("/readyz").await.json().await.unwrap();
        (ready["ready"] == true).then_some(ready)
    })
    .await;
    let names: Vec<_> = ready["checks"].as_array().unwrap().iter().map(|check| check["name"].clone()).collect();
    let services: &[&str] =
        if is_server() { &["node_lanes", "catalog", "reporting", "folding", "identity"] } else { &[] };
    assert_eq!(names, [&["journal_writable", "ingest", "broker"], services].concat());
    let metrics = eventually("a metric of the hub with its help", || async {
        let metrics = hub.get_openly("/metrics").await.text().await.unwrap();
        metrics.contains("# HELP hub_link_up ").then_some(metrics)
    })
    .await;
    assert!(metrics.contains("percolate_build_info{program=\"cloud-hub\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_runs_only_its_own_scripts() {
    let hub = TestHub::start().await;
    let response = hub.get_openly("/").await;
    assert_eq!(response.status(), StatusCode::OK);
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    let page = response.text().await.unwrap();
    let nonce = page.split("<script nonce=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(policy.contains(&format!("script-src 'self' 'nonce-{nonce}'")), "{policy}");
    assert!(!page.contains("{{nonce}}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_loads_nothing_from_elsewhere_and_minds_its_reader() {
    let hub = TestHub::start().await;
    let page = hub.get_openly("/").await.text().await.unwrap();
    for loading in [" src=", "url(", "@import", "import(", "https://", "<iframe", "<link rel=\"stylesheet\""] {
        assert!(!page.contains(loading), "the page has {loading:?}");
    }
    // The one address in it is a name: that of SVG.
    assert_eq!(page.matches("http://").count(), page.matches("http://www.w3.org/2000/svg").count());
    for kindness in ["<html lang=", "<main ", "class=\"skip\"", "prefers-reduced-motion", "prefers-color-scheme: dark"]
    {
        assert!(page.contains(kindness), "the page lacks {kindness:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_cannot_be_read_is_a_problem_with_a_code() {
    let hub = TestHub::start().await;
    for (path, status, code) in [
        ("/v1/sync/streams?limit=0", StatusCode::BAD_REQUEST, "invalid_query"),
        ("/v1/sync/streams?limit=x", StatusCode::BAD_REQUEST, "invalid_query"),
        ("/v1/sync/streams?after=nowhere", StatusCode::BAD_REQUEST, "invalid_query"),
        ("/v1/sync/parked?after=nowhere", StatusCode::BAD_REQUEST, "invalid_query"),
        ("/v1/sync/dead-letters?limit=5000", StatusCode::BAD_REQUEST, "invalid_query"),
        ("/v1/sync/nodes?colour=red", StatusCode::BAD_REQUEST, "invalid_query"),
        ("/v1/nothing", StatusCode::NOT_FOUND, "not_found"),
    ] {
        let (answered, body) = hub.get(path).await;
        assert_eq!((answered, body["code"].as_str().unwrap()), (status, code), "{path}: {body}");
        assert!(body["request_id"].is_string(), "{path}: {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_used_by_one_hub_and_says_where_it_listens() {
    let mut hub = TestHub::start().await;
    let endpoints: Value =
        serde_json::from_slice(&std::fs::read(hub.data_dir().join("endpoints.json")).unwrap()).unwrap();
    assert_eq!(endpoints["http"], hub.hub().http_address().to_string());
    assert_eq!(endpoints["mqtts"], hub.own_broker().meeting().unwrap().to_string());
    let refused = hub.open().await.unwrap_err();
    assert!(matches!(refused, cloud_hub::hub_error::HubError::DataDir(_)), "{refused}");
    hub.stop().await;
    hub.open().await.unwrap();
    hub.stop().await;
}
