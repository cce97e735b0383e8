//! The same reports as CSV, read by somebody else's reader.

use serde_json::Value;

use super::sums::{DIMENSIONS, query, taken_and_folded};
use crate::support::desk::Desk;
use crate::support::trade::Trade;

/// Records before the comments, and the comments.
fn read(text: &str) -> (Vec<Vec<String>>, Vec<String>) {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let records = reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect::<Vec<_>>());
    let (comments, rows): (Vec<_>, Vec<_>) = records.partition(|record| record[0].starts_with("# "));
    assert!(comments.iter().all(|comment| comment.len() == 1), "a comment is one cell: {comments:?}");
    (rows, comments.concat())
}

/// A value as a cell has it: a text that a spreadsheet would run is behind an apostrophe.
fn cell(value: &Value) -> String {
    match value {
        Value::String(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) => format!("'{text}"),
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn cells(row: &Value, header: &[String]) -> Vec<String> {
    header.iter().map(|field| cell(&row[field])).collect()
}

async fn csv_and_json(desk: &Desk, path: &str) -> (Vec<Vec<String>>, Vec<String>, Value) {
    let joint = if path.contains('?') { '&' } else { '?' };
    let text = desk.body(&format!("{path}{joint}format=csv")).await;
    let json = desk.body(&format!("{path}{joint}format=json")).await;
    assert_eq!(desk.body(path).await, json, "JSON is what is given if nothing is said");
    let (rows, comments) = read(text.as_str().unwrap());
    (rows, comments, json)
}

fn assert_marks(comments: &[String], json: &Value) {
    let marks = json["completeness"].as_array().unwrap();
    assert_eq!(comments.len(), marks.len(), "{comments:?}");
    for (comment, mark) in comments.iter().zip(marks) {
        let mut told = vec![
            format!("# store {} complete through", mark["store"]),
            format!("behind_events {}", mark["behind_events"]),
            format!("parked_events {}", mark["parked_events"]),
            format!("receipt {}", mark["receipt"].as_str().unwrap_or("none")),
        ];
        let journals = mark["complete_through"].as_array().unwrap().iter();
        told.extend(
            journals.map(|part| format!(" {} {} (n{}", part["stream"].as_str().unwrap(), part["seq"], part["node"])),
        );
        for part in told {
            assert!(comment.contains(&part), "{part:?} is not in {comment:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_as_csv_says_the_same_as_json_cell_by_cell() {
    let mut trade = Trade::new(5, 250);
    let desk = taken_and_folded(&mut trade).await;
    for by in DIMENSIONS {
        for store in [None, Some(2)] {
            let (mut rows, mut comments, json) = csv_and_json(&desk, &query((by, store, None))).await;
            let header = rows.remove(0);
            let total = rows.pop().unwrap();
            assert_eq!(rows.len(), json["rows"].as_array().unwrap().len());
            for (row, expected) in rows.iter().zip(json["rows"].as_array().unwrap()) {
                assert_eq!(*row, cells(expected, &header), "{by}");
                assert_eq!(header.len(), expected.as_object().unwrap().len(), "a column for each field");
            }
            assert_eq!(total[2..], cells(&json["totals"], &header)[2..], "{by}");
            let asked = comments.remove(0);
            let of = store.map_or_else(|| "all".to_owned(), |store| store.to_string());
            assert_eq!(asked, format!("# currency USD; store {of}; from the beginning; to the end"));
            assert_marks(&comments, &json);
        }
    }
    desk.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_as_csv_says_the_same_as_json_cell_by_cell() {
    let mut trade = Trade::new(6, 120);
    let desk = taken_and_folded(&mut trade).await;
    let (mut rows, comments, json) = csv_and_json(&desk, "/v1/reporting/stock").await;
    let header = rows.remove(0);
    let expected: Vec<_> = json["rows"].as_array().unwrap().iter().map(|row| cells(row, &header)).collect();
    assert_eq!(rows, expected);
    assert_eq!(header.len(), json["rows"][0].as_object().unwrap().len(), "a column for each field");
    assert_marks(&comments, &json);
    desk.leave().await;
}
