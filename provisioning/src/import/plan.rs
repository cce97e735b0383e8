//! What will be imported: the file's good rows as baskets, in an order that does not depend on the file's.
//!
//! A basket may be scattered over the whole file, so that all of it is read before anything is sent. That makes a file
//! that turns out to be broken harmless, too.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;

use percolate_common::domain::imports::IMPORT_LINES_MAX;
use percolate_common::money::{Minor, MoneyOverflow};

use super::header::{Column, Header, HeaderError};
use super::intern::{Interner, RowId};
use super::lines::{Extent, FileError, Lines};
use super::row::{Fault, FaultCode, LocalMoment, RowReader, Shop};

/// Rows of one file. A row takes about 50 bytes of memory here, so that this many take 250 MB.
pub const IMPORT_ROWS_MAX: u32 = 5_000_000;

/// A file that cannot be planned at all.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its first line is no header.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// Nothing below the header.
    #[error("the file has a header and no rows")]
    NoRows,
    /// Too large for one import.
    #[error("the file has more than {IMPORT_ROWS_MAX} rows: divide it by day or by shop, and import the parts")]
    TooManyRows,
    /// Sums beyond 64 bits.
    #[error("the sales of shop {theirs:?} add up to more than can be counted")]
    Overflow {
        /// The shop's number in the file.
        theirs: String,
        /// The sum that failed.
        #[source]
        source: MoneyOverflow,
    },
}

/// A line that will be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedLine {
    /// Its id.
    pub id: RowId,
    /// Where it stands in the file, the header being line 1.
    pub number: u32,
    /// Which product, by its place in the interner.
    pub product: u32,
    /// How many.
    pub quantity: u32,
    /// Price of one.
    pub unit_price: Minor,
    /// When.
    pub moment: LocalMoment,
    /// Which shop, by its position.
    pub shop: u16,
}

impl PlannedLine {
    fn says_the_same(&self, other: &Self) -> bool {
        Self { number: 0, ..*self } == Self { number: 0, ..*other }
    }
}

/// Tickets, lines, units and money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Baskets.
    pub tickets: i64,
    /// Lines of baskets.
    pub lines: i64,
    /// Pieces.
    pub units: i64,
    /// What they came to, before tax.
    pub net: Minor,
}

impl Sums {
    /// Adds a line; a basket is counted by its first.
    ///
    /// # Errors
    /// [`MoneyOverflow`] if a sum does not fit.
    pub fn add(&mut self, line: &PlannedLine, opens_basket: bool) -> Result<(), MoneyOverflow> {
        self.tickets += i64::from(opens_basket);
        self.lines += 1;
        self.units += i64::from(line.quantity);
        self.net = self.net.plus(line.unit_price.times(i64::from(line.quantity))?)?;
        Ok(())
    }
}

/// The good rows of a file, in the order of shop, moment and id.
#[derive(Debug)]
pub struct Plan {
    /// The texts of ids and products.
    pub interner: Interner,
    /// All lines.
    pub lines: Vec<PlannedLine>,
    /// The baskets of each shop, in the order of the shops, as ranges of the lines.
    pub baskets: Vec<Vec<Range<usize>>>,
    /// What each shop's baskets add up to.
    pub sums: Vec<Sums>,
    /// Good rows that must not be imported all the same, by the number of their line.
    pub faults: BTreeMap<u32, Fault>,
    /// The file's header.
    pub header: Header,
    /// A hash of the whole file.
    pub file_hash: [u8; 32],
    /// Rows of the file, blank ones not counted.
    pub rows_read: u32,
    /// Rows that cannot be read.
    pub rows_unreadable: u32,
    /// Rows that repeat another one, id and all.
    pub rows_duplicate: u32,
}

/// Reads a whole file and plans its import for these shops.
///
/// # Errors
/// [`PlanError`] if the file cannot be read to its end, or has no header or no rows.
pub fn plan(mut file: Lines, shops: &[Shop]) -> Result<Plan, PlanError> {
    let header = read_header(&mut file)?;
    let mut reading = Reading::default();
    reading.rows(&mut file, &header, shops)?;
    if reading.rows == 0 {
        return Err(PlanError::NoRows);
    }
    let mut faults = BTreeMap::new();
    let rows_duplicate = set_repeats_aside(&mut reading, &mut faults);
    let Reading { interner, mut lines, rows, unreadable } = reading;
    lines.sort_unstable_by(|one, other| in_baskets(&interner, one, other));
    set_large_baskets_aside(&mut lines, &mut faults);
    let baskets = group(&lines, shops.len());
    let mut sums = vec![Sums::default(); shops.len()];
    for ((sums, baskets), shop) in sums.iter_mut().zip(&baskets).zip(shops) {
        for basket in baskets {
            for (at, line) in lines.get(basket.clone()).unwrap_or_default().iter().enumerate() {
                let overflow = |source| PlanError::Overflow { theirs: shop.theirs.clone(), source };
                sums.add(line, at == 0).map_err(overflow)?;
            }
        }
    }
    let file_hash = file.hash();
    let (rows_read, rows_unreadable) = (rows, unreadable);
    Ok(Plan { interner, lines, baskets, sums, faults, header, file_hash, rows_read, rows_unreadable, rows_duplicate })
}

/// Reads up to the header, over blank lines.
///
/// # Errors
/// [`PlanError::File`], [`PlanError::Header`], or [`PlanError::NoRows`] if all lines are blank.
pub fn read_header(file: &mut Lines) -> Result<Header, PlanError> {
    loop {
        match file.next_line()? {
            None => return Err(PlanError::NoRows),
            Some(Extent::Cut) => return Err(HeaderError::TooLong.into()),
            Some(Extent::Whole) if is_blank(file.bytes()) => {}
            Some(Extent::Whole) => return Ok(Header::read(file.bytes())?),
        }
    }
}

/// Whether a line holds nothing at all, as the last one of many files.
#[must_use]
pub fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

#[derive(Debug, Default)]
struct Reading {
    interner: Interner,
    lines: Vec<PlannedLine>,
    rows: u32,
    unreadable: u32,
}

impl Reading {
    fn rows(&mut self, file: &mut Lines, header: &Header, shops: &[Shop]) -> Result<(), PlanError> {
        let mut reader = RowReader::new(header, shops);
        while let Some(extent) = file.next_line()? {
            if is_blank(file.bytes()) {
                continue;
            }
            if self.rows == IMPORT_ROWS_MAX {
                return Err(PlanError::TooManyRows);
            }
            self.rows += 1;
            let Ok(row) = reader.read(file.bytes(), extent) else {
                self.unreadable += 1;
                continue;
            };
            self.lines.push(PlannedLine {
                id: self.interner.row_id(&row.line.row),
                number: file.number(),
                product: self.interner.product(&row.line.item),
                quantity: row.line.quantity,
                unit_price: row.line.unit_price,
                moment: row.moment,
                shop: u16::try_from(row.shop).unwrap_or(u16::MAX),
            });
        }
        Ok(())
    }
}

/// Keeps one of each set of equal rows. Rows that share an id and differ are all set aside: nobody can say which is right.
fn set_repeats_aside(reading: &mut Reading, faults: &mut BTreeMap<u32, Fault>) -> u32 {
    let Reading { interner, lines, .. } = reading;
    lines.sort_unstable_by(|one, other| interner.order(one.id, other.id).then(one.number.cmp(&other.number)));
    let mut kept = Vec::with_capacity(lines.len());
    let mut duplicates = 0_usize;
    for same_id in lines.chunk_by(|one, other| one.id == other.id) {
        let [first, rest @ ..] = same_id else { continue };
        if rest.iter().all(|line| line.says_the_same(first)) {
            kept.push(true);
            kept.extend(rest.iter().map(|_repeat| false));
            duplicates += rest.len();
            continue;
        }
        kept.extend(same_id.iter().map(|_conflict| false));
        for line in same_id {
            let other = same_id.iter().find(|other| !other.says_the_same(line)).unwrap_or(first);
            let (id, number) = (interner.row_text(line.id), other.number);
            let reason = format!("line {number} has the id {id} too, and says something else: keep the right one");
            faults.insert(line.number, Fault::new(Some(Column::TransactionId), FaultCode::ConflictingRows, reason));
        }
    }
    let mut kept = kept.into_iter();
    lines.retain(|_line| kept.next().unwrap_or(false));
    u32::try_from(duplicates).unwrap_or(u32::MAX)
}

fn same_basket(one: &PlannedLine, other: &PlannedLine) -> bool {
    (one.shop, one.moment) == (other.shop, other.moment)
}

fn in_baskets(interner: &Interner, one: &PlannedLine, other: &PlannedLine) -> Ordering {
    (one.shop, one.moment).cmp(&(other.shop, other.moment)).then_with(|| interner.order(one.id, other.id))
}

fn set_large_baskets_aside(lines: &mut Vec<PlannedLine>, faults: &mut BTreeMap<u32, Fault>) {
    let mut large = Vec::new();
    for basket in lines.chunk_by(same_basket).filter(|basket| basket.len() > IMPORT_LINES_MAX) {
        for line in basket {
            let count = basket.len();
            let reason = format!(
                "{count} lines of one shop at one second, a ticket has at most {IMPORT_LINES_MAX}: restore their times"
            );
            faults.insert(line.number, Fault::new(Some(Column::TransactionTime), FaultCode::BasketTooLarge, reason));
            large.push((line.shop, line.moment));
        }
    }
    if !large.is_empty() {
        lines.retain(|line| large.binary_search(&(line.shop, line.moment)).is_err());
    }
}

fn group(lines: &[PlannedLine], shops_len: usize) -> Vec<Vec<Range<usize>>> {
    let mut baskets = vec![Vec::new(); shops_len];
    let mut start = 0;
    for basket in lines.chunk_by(same_basket) {
        let end = start + basket.len();
        let shop = basket.first().map_or(usize::MAX, |line| usize::from(line.shop));
        if let Some(baskets) = baskets.get_mut(shop) {
            baskets.push(start..end);
        }
        start = end;
    }
    baskets
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::header::tests::PUBLISHED;
    use super::super::row::tests::shops;
    use super::*;

    fn written(rows: &[String]) -> (tempfile::TempDir, Lines) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sales.csv");
        std::fs::write(&path, format!("{PUBLISHED}\n{}\n", rows.join("\n"))).unwrap();
        let lines = Lines::open(&path).unwrap();
        (folder, lines)
    }

    /// Plans the import of rows under the published header.
    pub(in crate::import) fn plan_of(rows: &[String]) -> Result<Plan, PlanError> {
        let (_folder, lines) = written(rows);
        plan(lines, &shops())
    }

    /// A row of the published format.
    pub(in crate::import) fn row(id: &str, shop: &str, time: &str, quantity: u32, price: &str) -> String {
        format!("{id},2023-01-01,{time},{quantity},{shop},Here,32,{price},Coffee,Gourmet,Ethiopia Rg")
    }

    fn ids(plan: &Plan, shop: usize) -> Vec<Vec<String>> {
        let text = |line: &PlannedLine| plan.interner.row_text(line.id);
        plan.baskets[shop].iter().map(|basket| plan.lines[basket.clone()].iter().map(text).collect()).collect()
    }

    #[test]
    fn lines_of_one_shop_and_second_are_one_basket_wherever_they_stand() {
        let rows = [
            row("12", "5", "07:00:01", 1, "3.00"),
            row("9", "5", "07:00:00", 2, "3.10"),
            row("11", "3", "07:00:00", 1, "1.00"),
            row("10", "5", "07:00:00", 1, "0.05"),
        ];
        let plan = plan_of(&rows).unwrap();
        assert_eq!(ids(&plan, 0), [["11"]]);
        assert_eq!(ids(&plan, 1), [vec!["9", "10"], vec!["12"]]);
        assert_eq!(plan.sums[1], Sums { tickets: 2, lines: 3, units: 4, net: Minor::new(925) });
        assert_eq!((plan.rows_read, plan.rows_unreadable, plan.rows_duplicate), (4, 0, 0));
    }

    #[test]
    fn a_repeated_row_counts_once_and_equal_content_under_another_id_twice() {
        let one = row("1", "5", "07:00:00", 1, "3.00");
        let plan = plan_of(&[one.clone(), one.clone(), row("2", "5", "07:00:00", 1, "3.00"), one]).unwrap();
        assert_eq!((plan.rows_duplicate, plan.sums[1].lines), (2, 2));
        assert!(plan.faults.is_empty());
    }

    #[test]
    fn rows_that_share_an_id_and_differ_are_all_set_aside_and_name_each_other() {
        let rows = [
            row("1", "5", "07:00:00", 1, "3.00"),
            row("2", "5", "07:00:00", 1, "3.00"),
            row("1", "5", "07:00:00", 2, "3.00"),
            row("2", "3", "07:00:00", 1, "3.00"),
        ];
        let plan = plan_of(&rows).unwrap();
        assert!(plan.lines.is_empty());
        assert_eq!(plan.faults.keys().copied().collect::<Vec<_>>(), [2, 3, 4, 5]);
        assert_eq!(plan.faults[&2].code, "conflicting_rows");
        assert!(plan.faults[&2].reason.contains("line 4") && plan.faults[&4].reason.contains("line 2"));
    }

    #[test]
    fn a_basket_that_no_ticket_can_be_is_set_aside_whole_and_its_neighbours_stay() {
        let mut rows: Vec<String> =
            (0..=IMPORT_LINES_MAX).map(|id| row(&id.to_string(), "5", "00:00:00", 1, "1.00")).collect();
        rows.push(row("900", "5", "00:00:01", 1, "1.00"));
        rows.push(row("901", "3", "00:00:00", 1, "1.00"));
        let plan = plan_of(&rows).unwrap();
        assert_eq!((plan.faults.len(), plan.lines.len()), (IMPORT_LINES_MAX + 1, 2));
        assert_eq!(plan.faults[&2].code, "basket_too_large");
        let full: Vec<String> =
            (0..IMPORT_LINES_MAX).map(|id| row(&id.to_string(), "5", "00:00:00", 1, "1.00")).collect();
        assert_eq!(plan_of(&full).unwrap().sums[1].tickets, 1);
    }

    #[test]
    fn a_header_without_rows_and_blank_lines_are_no_sales() {
        assert!(matches!(plan_of(&[]), Err(PlanError::NoRows)));
        assert!(matches!(plan_of(&[String::new(), "  ".to_owned()]), Err(PlanError::NoRows)));
        let plan = plan_of(&[String::new(), row("1", "5", "07:00:00", 1, "3.00"), String::new()]).unwrap();
        assert_eq!((plan.rows_read, plan.lines[0].number), (1, 3));
    }

    #[test]
    fn an_unreadable_row_costs_only_itself() {
        let rows = [
            row("1", "5", "07:00:00", 1, "3.00"),
            row("2", "5", "07:00:00", 1, "3.00").replace("Coffee", "\"Coffee"),
            row("3", "5", "07:00:00", 1, "3.00"),
        ];
        let plan = plan_of(&rows).unwrap();
        assert_eq!((plan.rows_read, plan.rows_unreadable, plan.sums[1].lines), (3, 1, 2));
    }

    #[test]
    fn sums_beyond_64_bits_are_refused() {
        let mut sums = Sums { net: Minor::new(i64::MAX), ..Sums::default() };
        let plan = plan_of(&[row("1", "5", "07:00:00", 1, "0.01")]).unwrap();
        assert_eq!(sums.add(&plan.lines[0], true), Err(MoneyOverflow));
    }
}
