//! Requests: the baskets of one shop, cut into pieces that a store takes in one go.
//!
//! The same file gives the same requests under the same keys, whatever the order of its rows. A request that was sent
//! before is recognised by its key, and a line that was imported before by its id.

use std::ops::Range;

use serde::Serialize;

use super::plan::{Plan, PlannedLine};

/// Baskets of one request.
pub const CHUNK_BASKETS_MAX: usize = 1_000;
/// Size that a request is planned for, in bytes: below a store's limit of 4 MiB for imports.
pub const CHUNK_BYTES_MAX: usize = 3 * 1024 * 1024;

/// What a basket takes beside its lines, and a line beside its texts, in bytes of JSON at most.
const BASKET_BYTES: usize = 80;
const LINE_BYTES: usize = 140;

/// A request of `POST /v1/imports/baskets`.
#[derive(Debug, Serialize)]
struct Request<'a> {
    source: &'a str,
    baskets: Vec<Basket<'a>>,
}

#[derive(Debug, Serialize)]
struct Basket<'a> {
    local_date: String,
    local_time: String,
    lines: Vec<Line<'a>>,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    row: String,
    product_id: &'a str,
    name: &'a str,
    category: &'a str,
    quantity: u32,
    unit_price_minor: i64,
}

/// A piece of one shop's baskets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Which lines of the plan.
    pub lines: Range<usize>,
    /// Which baskets of the shop.
    pub baskets: Range<usize>,
}

/// Cuts a shop's baskets into requests.
#[must_use]
pub fn chunks(plan: &Plan, shop: usize) -> Vec<Chunk> {
    let baskets = plan.baskets.get(shop).map(Vec::as_slice).unwrap_or_default();
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut bytes = 0;
    for (at, basket) in baskets.iter().enumerate() {
        let size = BASKET_BYTES + lines(plan, basket).iter().map(|line| size(plan, line)).sum::<usize>();
        match chunks.last_mut() {
            Some(last) if last.baskets.len() < CHUNK_BASKETS_MAX && bytes + size <= CHUNK_BYTES_MAX => {
                bytes += size;
                (last.lines.end, last.baskets.end) = (basket.end, at + 1);
            }
            Some(_) | None => {
                bytes = size;
                chunks.push(Chunk { lines: basket.clone(), baskets: at..at + 1 });
            }
        }
    }
    chunks
}

fn lines<'a>(plan: &'a Plan, range: &Range<usize>) -> &'a [PlannedLine] {
    plan.lines.get(range.clone()).unwrap_or_default()
}

/// An upper bound: a character of a text takes two bytes more at most, for texts hold no control characters.
fn size(plan: &Plan, line: &PlannedLine) -> usize {
    let texts = plan.interner.product_at(line.product).map_or(0, |p| p.id.len() + p.name.len() + p.category.len());
    LINE_BYTES + 2 * (texts + plan.interner.row_text(line.id).len())
}

/// The body of a request.
///
/// # Panics
/// Never: what it holds is always JSON.
#[must_use]
pub fn body(plan: &Plan, shop: usize, chunk: &Chunk, source: &str) -> Vec<u8> {
    let ranges = plan.baskets.get(shop).and_then(|baskets| baskets.get(chunk.baskets.clone())).unwrap_or_default();
    let baskets = ranges.iter().map(|range| basket(plan, lines(plan, range))).collect();
    serde_json::to_vec(&Request { source, baskets }).expect("invariant: numbers and texts are always JSON")
}

fn basket<'a>(plan: &'a Plan, lines: &[PlannedLine]) -> Basket<'a> {
    let moment = lines.first().map(|line| line.moment);
    Basket {
        local_date: moment.map(|moment| moment.date_text()).unwrap_or_default(),
        local_time: moment.map(|moment| moment.time_text()).unwrap_or_default(),
        lines: lines.iter().map(|line| self::line(plan, line)).collect(),
    }
}

fn line<'a>(plan: &'a Plan, line: &PlannedLine) -> Line<'a> {
    let item = plan.interner.product_at(line.product);
    Line {
        row: plan.interner.row_text(line.id),
        product_id: item.map_or("", |item| &item.id),
        name: item.map_or("", |item| &item.name),
        category: item.map_or("", |item| &item.category),
        quantity: line.quantity,
        unit_price_minor: line.unit_price.get(),
    }
}

/// The key of a request, made from all that it says and the store that it goes to.
#[must_use]
pub fn idempotency_key(store: u32, body: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("percolate 2026 key of an import request");
    hasher.update(&store.to_be_bytes());
    hasher.update(body);
    format!("import-{}", hasher.finalize().to_hex())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::plan::tests::{plan_of, row};
    use super::*;

    fn requests(rows: &[String]) -> Vec<(usize, String, String)> {
        let plan = plan_of(rows).unwrap();
        (0..3)
            .flat_map(|shop| chunks(&plan, shop).into_iter().map(move |chunk| (shop, chunk)))
            .map(|(shop, chunk)| {
                let body = body(&plan, shop, &chunk, "past");
                (shop, idempotency_key(1, &body), String::from_utf8(body).unwrap())
            })
            .collect()
    }

    #[test]
    fn a_request_says_what_the_rows_say() {
        let requests = requests(&[row("2", "5", "07:00:00", 2, "3.10"), row("1", "5", "07:00:00", 1, "0.8")]);
        let line = |row: &str, quantity: u32, price: u32| {
            serde_json::json!({"row": row, "product_id": "32", "name": "Ethiopia Rg", "category": "Coffee",
                "quantity": quantity, "unit_price_minor": price})
        };
        let basket = serde_json::json!({"local_date": "2023-01-01", "local_time": "07:00:00",
            "lines": [line("1", 1, 80), line("2", 2, 310)]});
        let body: serde_json::Value = serde_json::from_str(&requests[0].2).unwrap();
        assert_eq!(body, serde_json::json!({"source": "past", "baskets": [basket]}));
        assert_eq!(requests.len(), 1);
    }

    #[test]
    fn requests_have_at_most_so_many_baskets_and_together_all_of_them() {
        let time = |at: usize| format!("{:02}:{:02}:{:02}", at / 3_600, at / 60 % 60, at % 60);
        let rows: Vec<String> =
            (0..2 * CHUNK_BASKETS_MAX + 1).map(|at| row(&at.to_string(), "5", &time(at), 1, "1.00")).collect();
        let plan = plan_of(&rows).unwrap();
        let chunks = chunks(&plan, 1);
        assert_eq!(
            chunks.iter().map(|chunk| chunk.baskets.len()).collect::<Vec<_>>(),
            [CHUNK_BASKETS_MAX, CHUNK_BASKETS_MAX, 1]
        );
        assert!(chunks.windows(2).all(|two| two[0].baskets.end == two[1].baskets.start));
        assert_eq!(chunks[2].lines.end, plan.lines.len());
    }

    #[test]
    fn requests_of_long_texts_stay_below_their_size() {
        let text = "\"".repeat(200);
        let quoted = format!("\"{}\"", text.replace('"', "\"\""));
        let rows: Vec<String> = (0..6_000)
            .map(|at| row(&at.to_string(), "5", &format!("{:02}:{:02}:00", at / 60 % 24, at % 60), 1, "1.00"))
            .map(|row| row.replace("Ethiopia Rg", &quoted).replace("Coffee", &quoted))
            .collect();
        let plan = plan_of(&rows).unwrap();
        let sizes: Vec<usize> = chunks(&plan, 1).iter().map(|chunk| body(&plan, 1, chunk, "past").len()).collect();
        assert!(sizes.len() >= 2 && sizes.iter().all(|size| *size <= CHUNK_BYTES_MAX), "{sizes:?}");
    }

    #[test]
    fn keys_differ_by_store_and_by_content() {
        let keys = [idempotency_key(1, b"a"), idempotency_key(2, b"a"), idempotency_key(1, b"b")];
        assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
        assert!(keys.iter().all(|key| key.len() <= 128 && key.bytes().all(|byte| byte.is_ascii_graphic())));
    }

    proptest! {
        /// Shuffled and repeated rows are the same requests under the same keys.
        #[test]
        fn the_order_of_rows_and_their_repeats_change_nothing(
            sales in prop::collection::vec((0_u32..40, 0_usize..3, 0_u32..6, 1_u32..4, 0_u32..3), 1..40),
            order in any::<prop::sample::Index>(),
            repeats in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
            seed in any::<u64>(),
        ) {
            // Rows may share an id and differ: that must not depend on the order either.
            let rows: Vec<String> = sales
                .iter()
                .map(|(id, shop, second, quantity, price)| {
                    let shop = ["3", "5", "8"][*shop];
                    row(&id.to_string(), shop, &format!("07:00:0{second}"), *quantity, &format!("{price}.50"))
                })
                .collect();
            let mut shuffled = rows.clone();
            shuffled.extend(repeats.iter().map(|at| at.get(&rows).clone()));
            let key = blake3::derive_key("order", &seed.to_be_bytes());
            shuffled.sort_by_cached_key(|row| *blake3::keyed_hash(&key, row.as_bytes()).as_bytes());
            let turn = order.index(shuffled.len());
            shuffled.rotate_left(turn);
            prop_assert_eq!(requests(&rows), requests(&shuffled));
        }
    }
}
