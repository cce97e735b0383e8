//! What a plan may say: everything that no box could carry out is found before a bundle is made of it.

use std::collections::{BTreeMap, BTreeSet};

use percolate_common::domain::catalog::{Catalog, NAME_BYTES_MAX};
use percolate_common::domain::staff::roles::{Role, RoleError};
use percolate_common::domain::staff::{BADGE_CHARS, BadgeUse, SignIn, is_badge};
use percolate_common::domain::stock::MOVEMENT_QUANTITY_MAX;
use percolate_common::domain::tenders::forward::ForwardLimits;
use percolate_common::domain::tickets::receipt::TerminalName;
use percolate_common::identity::names::Principal;
use percolate_common::identity::site::{HoursV1, PRINTER_KINDS, SiteV1, StaffV1, TERMINAL_KINDS, is_kind};
use percolate_common::ids::{NodeId, StockItemId};
use percolate_common::journal::AuthorId;
use percolate_common::money::Currency;
use percolate_common::paper::{COLUMNS_NARROW, COLUMNS_WIDE, Receipts};
use percolate_common::time::{CUTOVER_HOUR_MAX, StoreCalendar};
use percolate_runtime::pki::SanName;

/// Minutes of a day.
const DAY_MINUTES: u16 = 24 * 60;
/// How few and how many digits somebody types.
const PIN_DIGITS: std::ops::RangeInclusive<usize> = 4..=12;
/// Characters of a text that is shown to the one who wrote it.
const SHOWN_CHARS_MAX: usize = 40;
/// What all names in certificates of a chain end with.
const OWN_DOMAIN: &str = ".percolate.internal";

/// Something that a plan may not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where it stands, as in `/stock/3/item`.
    pub(crate) pointer: String,
    /// What kind of mistake it is, for programs.
    pub(crate) code: &'static str,
    /// What is wrong with it, for a person.
    pub(crate) detail: String,
}

/// What a plan must go together with.
#[derive(Debug, Default)]
pub(crate) struct Surroundings<'a> {
    /// What is for sale, if anything is.
    pub(crate) menu: Option<&'a Catalog>,
    /// Where the hub is reached, other than from the same machine.
    pub(crate) hub: &'a [SanName],
}

/// All that is wrong with a plan, in the order of its fields.
pub(crate) fn faults(site: &SiteV1, around: &Surroundings<'_>) -> Vec<Fault> {
    let mut found = Found::default();
    // Nothing else is looked at in what is too long to be read.
    if let Err(error) = site.check() {
        found.add("", "too_many", error.to_string());
        return found.0;
    }
    about_itself(site, around, &mut found);
    lan_names(site, around.hub, &mut found);
    hours(&site.hours, &mut found);
    lists(site, &mut found);
    for (at, one) in site.staff.iter().enumerate() {
        staff(at, one, &mut found);
    }
    signing_in(site, &mut found);
    cards(site, &mut found);
    paper(site, &mut found);
    stock(site, around.menu, &mut found);
    found.0
}

#[derive(Default)]
struct Found(Vec<Fault>);

impl Found {
    fn add(&mut self, pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) {
        self.0.push(Fault { pointer: pointer.into(), code, detail: detail.into() });
    }

    /// A text that somebody will read: it says something, and has no control characters. Tells whether it is so.
    fn text(&mut self, pointer: String, text: &str, what: &str) -> bool {
        if text.trim().is_empty() {
            self.add(pointer, "missing", format!("{what} is missing"));
        } else if text.chars().any(char::is_control) {
            self.add(pointer, "control_characters", format!("{what} has control characters"));
        } else {
            return true;
        }
        false
    }

    /// A word that says something only if it is one of those that there are.
    fn kind(&mut self, pointer: String, word: &str, what: &str, kinds: &[&str]) {
        if self.text(pointer.clone(), word, what) && !is_kind(word, kinds) {
            self.add(pointer, "unknown", format!("{} is none that there is: {}", shown(word), kinds.join(", ")));
        }
    }

    /// No two entries of a list may have the same of something.
    fn once<T: Ord>(&mut self, (list, field): (&str, &str), values: impl Iterator<Item = T>, what: &str) {
        let mut seen = BTreeSet::new();
        for (at, value) in values.enumerate() {
            if !seen.insert(value) {
                self.add(format!("/{list}/{at}/{field}"), "twice", format!("{what} is there twice"));
            }
        }
    }
}

/// A text as it may be shown: control characters by their names, and not more than a line.
fn shown(text: &str) -> String {
    let start: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if start.len() < text.len() { format!("{start:?}...") } else { format!("{start:?}") }
}

fn about_itself(site: &SiteV1, around: &Surroundings<'_>, found: &mut Found) {
    if site.store == 0 {
        found.add("/store", "out_of_range", "shops are numbered from 1");
    }
    if site.node == 0 || AuthorId::from_number(site.node).as_node().is_none() {
        found.add("/node", "out_of_range", "a box has a number from 1 to 2147483647");
    }
    found.text("/name".to_owned(), &site.name, "the shop's name");
    if site.name.len() > NAME_BYTES_MAX {
        found.add("/name", "too_many", format!("the shop's name has more than {NAME_BYTES_MAX} bytes"));
    }
    if site.cutover_hour > CUTOVER_HOUR_MAX {
        let said = format!("the business day changes at an hour from 0 to {CUTOVER_HOUR_MAX}");
        found.add("/cutover_hour", "out_of_range", said);
    }
    if StoreCalendar::new(&site.zone, 0).is_err() {
        found.add("/zone", "unknown", format!("{} is no time zone, as America/New_York is one", shown(&site.zone)));
    }
    match (site.currency.parse::<Currency>(), around.menu) {
        (Err(_), _) => {
            let said =
                format!("{} is no currency: three capital letters are expected, as in USD", shown(&site.currency));
            found.add("/currency", "malformed", said);
        }
        (Ok(currency), Some(menu)) if currency != menu.revision.currency => {
            let said = format!("the shop sells in {currency}, and the menu's prices are in {}", menu.revision.currency);
            found.add("/currency", "not_the_menus", said);
        }
        (Ok(_), Some(_) | None) => {}
    }
}

/// Certificates are made of these names. Nobody gets one with the name of the hub, or of another box.
fn lan_names(site: &SiteV1, hub: &[SanName], found: &mut Found) {
    let own = Principal::Node(NodeId::new(site.node)).dns();
    for (at, name) in site.lan_names.iter().enumerate() {
        let pointer = format!("/lan_names/{at}");
        match name.parse::<SanName>() {
            Err(_) => {
                found.add(pointer, "malformed", format!("{} is neither a host's name nor an address", shown(name)));
            }
            Ok(read) => {
                let text = read.to_string();
                if text != own && format!(".{text}").ends_with(OWN_DOMAIN) {
                    found.add(pointer, "taken", format!("{text} is the name of the hub or of another box"));
                } else if hub.contains(&read) {
                    found.add(pointer, "taken", format!("{text} is where the hub is reached"));
                }
            }
        }
    }
    let names = site.lan_names.iter().map(|name| name.to_ascii_lowercase());
    let mut seen = BTreeSet::new();
    for (at, name) in names.enumerate() {
        if !seen.insert(name) {
            found.add(format!("/lan_names/{at}"), "twice", "the name is there twice");
        }
    }
}

fn hours(hours: &[HoursV1], found: &mut Found) {
    let mut days: BTreeMap<u8, Vec<(usize, HoursV1)>> = BTreeMap::new();
    for (at, span) in hours.iter().enumerate() {
        if !(1..=7).contains(&span.weekday) {
            let said = format!("weekdays are numbered from 1, Monday, to 7: {} is none", span.weekday);
            found.add(format!("/hours/{at}/weekday"), "out_of_range", said);
            continue;
        }
        if span.opens_minute >= DAY_MINUTES {
            found.add(
                format!("/hours/{at}/opens_minute"),
                "out_of_range",
                "a shop opens from minute 0 to 1439 of a day",
            );
            continue;
        }
        if span.closes_minute <= span.opens_minute || span.closes_minute - span.opens_minute > DAY_MINUTES {
            let said = "a shop closes after it opens, within 24 hours: after midnight add 1440 minutes";
            found.add(format!("/hours/{at}/closes_minute"), "out_of_range", said);
            continue;
        }
        days.entry(span.weekday).or_default().push((at, *span));
    }
    for spans in days.values_mut() {
        spans.sort_by_key(|(at, span)| (span.opens_minute, *at));
        for (before, after) in spans.iter().zip(spans.iter().skip(1)) {
            if after.1.opens_minute < before.1.closes_minute {
                let said = "the shop is open then already, by another line of that day";
                found.add(format!("/hours/{}/opens_minute", after.0), "twice", said);
            }
        }
    }
}

fn lists(site: &SiteV1, found: &mut Found) {
    for (at, till) in site.terminals.iter().enumerate() {
        if till.name.parse::<TerminalName>().is_err() {
            let said = format!("{} is no till's name: 1 to 8 capital letters and digits, as in T1", shown(&till.name));
            found.add(format!("/terminals/{at}/name"), "malformed", said);
        }
        found.kind(format!("/terminals/{at}/kind"), &till.kind, "what kind of till it is", &TERMINAL_KINDS);
        let is_known = |name: &String| site.printers.iter().any(|printer| printer.name == *name);
        if let Some(name) = till.printer.as_ref().filter(|name| !is_known(name)) {
            let said = format!("the shop has no printer {}", shown(name));
            found.add(format!("/terminals/{at}/printer"), "unknown", said);
        }
    }
    found.once(("terminals", "name"), site.terminals.iter().map(|till| &till.name), "the till");
    for (at, printer) in site.printers.iter().enumerate() {
        found.text(format!("/printers/{at}/name"), &printer.name, "the printer's name");
        found.kind(format!("/printers/{at}/kind"), &printer.kind, "what kind of printer it is", &PRINTER_KINDS);
        if !is_place(&printer.address) {
            let said = format!(
                "{} is no address of a printer: HOST:PORT is expected, as in 192.168.7.30:9100",
                shown(&printer.address)
            );
            found.add(format!("/printers/{at}/address"), "malformed", said);
        }
        if printer.columns.is_some_and(|columns| ![COLUMNS_WIDE, COLUMNS_NARROW].contains(&columns)) {
            let said = format!("a line has {COLUMNS_WIDE} or {COLUMNS_NARROW} characters");
            found.add(format!("/printers/{at}/columns"), "out_of_range", said);
        }
    }
    found.once(("printers", "name"), site.printers.iter().map(|printer| &printer.name), "the printer");
    found.once(("staff", "id"), site.staff.iter().map(|one| one.id), "the number");
    let mut badges = BTreeSet::new();
    for (at, one) in site.staff.iter().enumerate() {
        // What it says is said to nobody.
        if one.badge.as_ref().is_some_and(|badge| !badges.insert(badge)) {
            found.add(format!("/staff/{at}/badge"), "twice", "the badge is somebody else's, too");
        }
    }
    found.once(("stock", "item"), site.stock.iter().map(|line| line.item), "the stock item");
}

/// Whether it is `HOST:PORT`.
fn is_place(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_host =
        bare.map_or_else(|| host.parse::<SanName>().is_ok(), |bare| bare.parse::<std::net::Ipv6Addr>().is_ok());
    is_host && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn staff(at: usize, one: &StaffV1, found: &mut Found) {
    if one.id == 0 {
        found.add(format!("/staff/{at}/id"), "out_of_range", "people are numbered from 1");
    }
    let has_name = found.text(format!("/staff/{at}/name"), &one.name, "the name");
    // A PIN that slipped into the wrong column would be read by everybody.
    if has_name && !one.name.chars().any(char::is_alphabetic) {
        found.add(format!("/staff/{at}/name"), "malformed", "a name has letters");
    }
    let has_role = found.text(format!("/staff/{at}/role"), &one.role, "the role");
    if let Some(Err(error)) = has_role.then(|| one.role.parse::<Role>()) {
        // What stands there may be a PIN or a badge, too: it is said to nobody.
        let error: RoleError = error;
        found.add(format!("/staff/{at}/role"), "unknown", error.to_string());
    }
    let is_pin = |pin: &String| PIN_DIGITS.contains(&pin.len()) && pin.bytes().all(|digit| digit.is_ascii_digit());
    if one.pin.as_ref().is_some_and(|pin| !is_pin(pin)) {
        // What it is instead is said to nobody.
        let said = format!("a PIN has {} to {} digits, and nothing else", PIN_DIGITS.start(), PIN_DIGITS.end());
        found.add(format!("/staff/{at}/pin"), "malformed", said);
    }
    if one.badge.as_deref().is_some_and(|badge| !is_badge(badge)) {
        let (least, most) = (BADGE_CHARS.start(), BADGE_CHARS.end());
        let said = format!("a badge says {least} to {most} letters, digits and signs without blanks");
        found.add(format!("/staff/{at}/badge"), "malformed", said);
    }
}

/// A shop that needs people to sign in has somebody who can.
fn signing_in(site: &SiteV1, found: &mut Found) {
    let sign_in = site.sign_in.as_deref().map(str::parse::<SignIn>).transpose();
    let badge_use = site.badge_use.as_deref().map(str::parse::<BadgeUse>).transpose();
    if let Err(error) = &sign_in {
        found.add("/sign_in", "malformed", error.to_string());
    }
    if let Err(error) = &badge_use {
        found.add("/badge_use", "malformed", error.to_string());
    }
    let by_badge = badge_use.is_ok_and(|badge_use| badge_use == Some(BadgeUse::Alone));
    let can = |one: &StaffV1| one.pin.is_some() || (by_badge && one.badge.is_some());
    if sign_in.is_ok_and(|sign_in| sign_in == Some(SignIn::Required)) && !site.staff.iter().any(can) {
        found.add("/sign_in", "missing", "nobody of the shop has a PIN, so that nobody could sell");
    }
}

/// What its receipts say, and whether there are any.
fn paper(site: &SiteV1, found: &mut Found) {
    if let Some(Err(error)) = site.receipts.as_deref().map(str::parse::<Receipts>) {
        found.add("/receipts", "malformed", error.to_string());
    }
    if let Some(address) = &site.address {
        found.text("/address".to_owned(), address, "where the shop is");
    }
}

/// What is taken on trust is said in full, or not at all.
fn cards(site: &SiteV1, found: &mut Found) {
    if let Some(Err(error)) = site.card_forward.as_deref().map(str::parse::<ForwardLimits>) {
        found.add("/card_forward", "malformed", error.to_string());
    }
}

fn stock(site: &SiteV1, menu: Option<&Catalog>, found: &mut Found) {
    for (at, line) in site.stock.iter().enumerate() {
        if menu.is_some_and(|menu| !menu.content.stock_items.contains_key(&StockItemId::new(line.item))) {
            let said = format!("the menu has no stock item {}", line.item);
            found.add(format!("/stock/{at}/item"), "unknown", said);
        }
        if !(0..=MOVEMENT_QUANTITY_MAX).contains(&line.quantity) {
            let said = format!(
                "what is there at first is from 0 to {MOVEMENT_QUANTITY_MAX} of its unit: {} is not",
                line.quantity
            );
            found.add(format!("/stock/{at}/quantity"), "out_of_range", said);
        }
    }
}
