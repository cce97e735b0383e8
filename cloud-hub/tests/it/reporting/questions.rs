//! Questions that cannot be answered are refused by name.

use reqwest::StatusCode;
use serde_json::json;

use crate::support::desk::Desk;
use crate::support::trade::Trade;

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_cannot_be_answered_is_refused_with_its_code_and_parameter() {
    let desk = super::sums::taken_and_folded(&mut Trade::new(9, 20)).await;
    let (bad, missing) = (StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND);
    for (question, status, code, parameter) in [
        ("sales", bad, "invalid_query", None),
        ("sales?by=colour", bad, "report_dimension_unknown", Some("?by")),
        ("sales?by=day&colour=red", bad, "invalid_query", None),
        ("sales?by=day&store=0", bad, "store_invalid", Some("?store")),
        ("sales?by=day&store=one", bad, "store_invalid", Some("?store")),
        ("sales?by=day&store=77", missing, "store_unknown", None),
        ("sales?by=day&from=yesterday", bad, "date_invalid", Some("?from")),
        ("sales?by=day&to=2026-02-30", bad, "date_invalid", Some("?to")),
        ("sales?by=day&from=2026-11-02&to=2026-11-01", bad, "date_range_reversed", Some("?to")),
        ("sales?by=day&format=xml", bad, "format_unknown", Some("?format")),
        ("stock?store=0", bad, "store_invalid", Some("?store")),
        ("stock?store=77", missing, "store_unknown", None),
        ("stock?format=xml", bad, "format_unknown", Some("?format")),
        ("tickets", bad, "invalid_query", None),
        ("tickets?store=0", bad, "store_invalid", Some("?store")),
        ("tickets?store=77", missing, "store_unknown", None),
        ("tickets?store=1&day=today", bad, "date_invalid", Some("?day")),
        ("tickets?store=1&after=here", bad, "cursor_invalid", Some("?after")),
        ("tickets?store=1&limit=0", bad, "limit_out_of_range", Some("?limit")),
        ("tickets?store=1&limit=1001", bad, "limit_out_of_range", Some("?limit")),
    ] {
        let (answered, problem) = desk.get(&format!("/v1/reporting/{question}")).await;
        assert_eq!((answered, &problem["code"]), (status, &json!(code)), "{question}: {problem}");
        let pointer = problem["errors"].get(0).map(|error| error["pointer"].as_str().unwrap());
        assert_eq!(pointer, parameter, "{question}: {problem}");
        assert!(!problem["detail"].as_str().unwrap().is_empty() && problem["request_id"].is_string(), "{problem}");
    }
    desk.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_has_sold_nothing_has_reports_without_rows() {
    let desk = Desk::new().await;
    for path in ["sales?by=store", "sales?by=hour", "stock"] {
        let report = desk.body(&format!("/v1/reporting/{path}")).await;
        assert_eq!((&report["rows"], &report["completeness"]), (&json!([]), &json!([])), "{path}");
    }
    let day = desk.body("/v1/reporting/stores").await;
    assert_eq!(
        (&day["business_day"], &day["stores"], &day["totals"]["tickets"]),
        (&json!(null), &json!([]), &json!(0))
    );
    desk.leave().await;
}
