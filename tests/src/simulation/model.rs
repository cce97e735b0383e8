//! What tills were told, and what may be gone: the small model that the chain's books are held against.

use std::collections::{BTreeMap, BTreeSet};

/// A request of a till.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) shop: usize,
    pub(super) path: &'static str,
    pub(super) key: String,
    pub(super) body: String,
    /// The box that was asked, once one was.
    pub(super) at: Option<BoxVisit>,
    /// The ticket that was given for it, as 16 bytes, once one was.
    pub(super) answered: Option<Vec<u8>>,
}

/// A box in one of the states of its disk: it is another one once it was put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BoxVisit {
    pub(super) bx: usize,
    pub(super) history: u32,
}

/// What was promised to tills.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) orders: Vec<Order>,
    /// Tickets that tills were given, with their sum with tax.
    pub(super) given: BTreeMap<Vec<u8>, i64>,
    /// Tickets of disks that exist no more, which the hub did not hold.
    pub(super) gone: BTreeSet<Vec<u8>>,
    /// Tickets of disks that exist no more: gone too if the hub is put back.
    pub(super) only_at_hub: BTreeSet<Vec<u8>>,
}

impl Model {
    /// A disk is lost.
    pub(super) fn disk_lost(&mut self, tickets: BTreeSet<Vec<u8>>, held_by_hub: &BTreeSet<Vec<u8>>) {
        for ticket in tickets {
            if held_by_hub.contains(&ticket) {
                self.only_at_hub.insert(ticket);
            } else {
                self.gone.insert(ticket);
            }
        }
    }

    /// The hub was put back: what only it held may be gone.
    pub(super) fn hub_put_back(&mut self) {
        self.gone.append(&mut self.only_at_hub);
    }
}

/// The 16 bytes of an id in its text form.
pub(super) fn id_bytes(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.bytes().filter_map(|digit| char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte * 16 + digit)).collect()
}
