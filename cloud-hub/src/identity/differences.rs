//! What a plan changes, field by field, in words that a person reads before anything is done. Nobody's PIN is among them.

use std::collections::BTreeMap;

use percolate_common::identity::site::{HoursV1, SiteV1, StaffV1};

/// The days, from 1.
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// A field that is otherwise than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Which, as in `till T1`.
    pub(crate) field: String,
    /// What it was, if it was there.
    pub(crate) before: Option<String>,
    /// What it is to be, if it stays.
    pub(crate) after: Option<String>,
}

/// What is otherwise than before, in the order of a plan; what goes away comes last.
pub(crate) fn differences(before: Option<&SiteV1>, after: &SiteV1) -> Vec<Difference> {
    let mut was: BTreeMap<String, String> = before.map(fields).unwrap_or_default().into_iter().collect();
    let mut found = Vec::new();
    for (field, text) in fields(after) {
        let earlier = was.remove(&field);
        let another = [("PIN", pin as Secret), ("badge", badge)];
        let another = another.into_iter().filter(|(_, of)| has_another(before, after, &field, *of));
        let text = another.fold(text, |text, (what, _)| format!("{text}, another {what}"));
        if earlier.as_ref() != Some(&text) {
            found.push(Difference { field, before: earlier, after: Some(text) });
        }
    }
    found.extend(was.into_iter().map(|(field, text)| Difference { field, before: Some(text), after: None }));
    found
}

/// Every field that is there, with what it says. Without what somebody types.
fn fields(site: &SiteV1) -> Vec<(String, String)> {
    let mut all = vec![
        ("name".to_owned(), site.name.clone()),
        ("box".to_owned(), format!("n{}", site.node)),
        ("zone".to_owned(), site.zone.clone()),
        ("currency".to_owned(), site.currency.clone()),
        ("cutover hour".to_owned(), site.cutover_hour.to_string()),
    ];
    let said = [
        ("signing in", &site.sign_in),
        ("badges", &site.badge_use),
        ("cards on trust", &site.card_forward),
        ("address", &site.address),
        ("receipts", &site.receipts),
    ];
    all.extend(said.into_iter().filter_map(|(field, word)| Some((field.to_owned(), word.clone()?))));
    all.extend(hours(&site.hours));
    if !site.lan_names.is_empty() {
        all.push(("names of the box".to_owned(), site.lan_names.join(", ")));
    }
    all.extend(site.terminals.iter().map(|till| {
        let practice = if till.training { ", for training" } else { "" };
        let printer = till.printer.as_ref().map(|name| format!(", prints at {name}")).unwrap_or_default();
        (format!("till {}", till.name), format!("{}{practice}{printer}", till.kind))
    }));
    all.extend(site.printers.iter().map(|it| {
        let columns = it.columns.map(|columns| format!(", {columns} columns")).unwrap_or_default();
        (format!("printer {}", it.name), format!("{} at {}{columns}", it.kind, it.address))
    }));
    all.extend(site.staff.iter().map(|one| (person(one.id), of_person(one))));
    all.extend(site.stock.iter().map(|line| (format!("stock {}", line.item), line.quantity.to_string())));
    all.into_iter().map(|(field, text)| (plain(&field), plain(&text))).collect()
}

/// A text that does nothing to the screen on which it is shown: an earlier program took more than this one does.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn person(id: u32) -> String {
    format!("person {id}")
}

fn of_person(one: &StaffV1) -> String {
    let pin = if one.pin.is_some() { ", with a PIN" } else { "" };
    let badge = if one.badge.is_some() { ", with a badge" } else { "" };
    format!("{}, {}{pin}{badge}", one.name, one.role)
}

/// Something of somebody that nobody is told.
type Secret = fn(&StaffV1) -> Option<&String>;

const fn pin(one: &StaffV1) -> Option<&String> {
    one.pin.as_ref()
}

const fn badge(one: &StaffV1) -> Option<&String> {
    one.badge.as_ref()
}

/// Whether the field is somebody whose secret is another one than before.
fn has_another(before: Option<&SiteV1>, after: &SiteV1, field: &str, of: Secret) -> bool {
    let secret = |site: &SiteV1| site.staff.iter().find(|one| person(one.id) == field).and_then(of).cloned();
    before.and_then(secret).zip(secret(after)).is_some_and(|(was, is)| was != is)
}

/// The opening hours, a day a field.
fn hours(hours: &[HoursV1]) -> Vec<(String, String)> {
    let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    let mut days: BTreeMap<u8, Vec<String>> = BTreeMap::new();
    let mut spans = hours.to_vec();
    spans.sort_by_key(|span| (span.weekday, span.opens_minute));
    for span in spans {
        let text = format!("{}-{}", clock(span.opens_minute), clock(span.closes_minute));
        days.entry(span.weekday).or_default().push(text);
    }
    let name = |day: u8| usize::from(day).checked_sub(1).and_then(|at| DAYS.get(at)).copied().unwrap_or("some day");
    days.into_iter().map(|(day, texts)| (format!("open on {}", name(day)), texts.join(", "))).collect()
}
