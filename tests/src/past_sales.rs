//! The past sales of three shops, added up straight from the file, in integers and by another way than the product's.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use percolate_common::time::BusinessDay;

/// Tickets, units and cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Baskets.
    pub tickets: i64,
    /// Pieces.
    pub units: i64,
    /// Cents.
    pub cents: i64,
}

/// What the file says.
#[derive(Debug, Default)]
pub struct PastSales {
    /// All of it.
    pub total: Sums,
    /// By store number.
    pub by_store: BTreeMap<String, Sums>,
    /// By month, `YYYY-MM`.
    pub by_month: BTreeMap<String, Sums>,
    /// By hour of the day.
    pub by_hour: BTreeMap<String, Sums>,
    /// By product number.
    pub by_product: BTreeMap<String, Sums>,
    /// By category.
    pub by_category: BTreeMap<String, Sums>,
    /// Each basket, by store number and the moment of its sale in UTC milliseconds: what one store sold in one second.
    pub baskets: BTreeMap<(u32, i64), Sums>,
}

/// The first day of 2023 on which New York was four hours behind UTC, and not five.
const SUMMER_FROM: &str = "2023-03-12";

/// UTC milliseconds of a moment on the shops' walls. Nothing was sold in the night in which the clocks changed.
fn utc_ms(date: &str, time: &str) -> Result<i64> {
    let day: BusinessDay = date.parse()?;
    let parts = time.split(':').map(str::parse).collect::<Result<Vec<i64>, _>>()?;
    let [hours, minutes, seconds] = parts[..] else { bail!("a time of day is expected: {time}") };
    let behind = if date < SUMMER_FROM { 5 } else { 4 };
    Ok((((i64::from(day.days()) * 24 + hours + behind) * 60 + minutes) * 60 + seconds) * 1_000)
}

/// Cents of a price with at most two decimals.
fn cents(price: &str) -> Result<i64> {
    let (whole, fraction) = price.split_once('.').unwrap_or((price, ""));
    Ok(whole.parse::<i64>()? * 100 + format!("{fraction:0<2}").parse::<i64>()?)
}

/// Adds up the file. Its fields hold no quotes and no commas, so that splitting at commas reads it.
///
/// # Errors
/// If the file is not what it is known to be.
pub fn add_up(path: &Path) -> Result<PastSales> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path)?).read_to_string(&mut text)?;
    let mut sales = PastSales::default();
    let mut baskets: BTreeSet<(String, String)> = BTreeSet::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let [_id, date, time, quantity, store, _place, product, price, category, _kind, _name] = fields[..] else {
            bail!("eleven fields are expected: {line}");
        };
        let units: i64 = quantity.parse().context("quantity")?;
        let amount = units * cents(price)?;
        let month = date.get(..7).context("month")?.to_owned();
        let hour = time.get(..2).context("hour")?.trim_start_matches('0').to_owned();
        let moment = format!("{date} {time}");
        let mut add = |map: Option<(&mut BTreeMap<String, Sums>, String)>, scope: &str| {
            let new_basket = i64::from(baskets.insert((scope.to_owned(), format!("{store} {moment}"))));
            let sums = match map {
                Some((map, key)) => map.entry(key).or_default(),
                None => &mut sales.total,
            };
            sums.tickets += new_basket;
            sums.units += units;
            sums.cents += amount;
        };
        add(None, "all");
        let basket = sales
            .baskets
            .entry((store.parse()?, utc_ms(date, time)?))
            .or_insert(Sums { tickets: 1, ..Sums::default() });
        basket.units += units;
        basket.cents += amount;
        add(Some((&mut sales.by_store, store.to_owned())), "store");
        add(Some((&mut sales.by_month, month)), "month");
        add(Some((&mut sales.by_hour, hour)), "hour");
        add(Some((&mut sales.by_product, product.to_owned())), &format!("product {product}"));
        add(Some((&mut sales.by_category, category.to_owned())), &format!("category {category}"));
    }
    Ok(sales)
}
