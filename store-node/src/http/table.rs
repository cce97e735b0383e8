//! Who may ask what: the one table of the node's routes. What has no row is refused.

use percolate_common::domain::terminals::TerminalKind;

use Who::{Anybody, Local, OnTheBox, Pairing, Terminals};

/// Who may ask a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Whoever reaches the box.
    Anybody,
    /// Whoever is on the box itself.
    OnTheBox,
    /// Whoever shows a pairing code; so often a minute from one address.
    Pairing,
    /// Terminals of these kinds, and whoever holds the box's own token.
    Terminals(&'static [TerminalKind]),
    /// Whoever holds the box's own token: the file of that name in its data folder.
    Local,
}

/// One route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) who: Who,
}

const SELLS: Who = Terminals(&[TerminalKind::Till]);
const READS: Who = Terminals(&[TerminalKind::Till, TerminalKind::Kitchen]);
const PREPARES: Who = Terminals(&[TerminalKind::Till, TerminalKind::Kitchen]);

const fn row(method: &'static str, path: &'static str, who: Who) -> Row {
    Row { method, path, who }
}

/// All routes.
pub(crate) const TABLE: &[Row] = &[
    row("GET", "/livez", Anybody),
    row("GET", "/readyz", Anybody),
    row("GET", "/openapi.json", Anybody),
    row("GET", "/metrics", OnTheBox),
    row("GET", "/pair", Anybody),
    row("GET", "/root.pem", Anybody),
    row("GET", "/kitchen", Anybody),
    row("POST", "/v1/pairings/redemptions", Pairing),
    row("GET", "/v1/node", READS),
    row("GET", "/v1/catalog", READS),
    row("GET", "/v1/catalog/scan", SELLS),
    row("GET", "/v1/tickets", READS),
    row("GET", "/v1/tickets/{id}", READS),
    row("GET", "/v1/events", READS),
    row("POST", "/v1/quotes", SELLS),
    row("POST", "/v1/tickets", SELLS),
    row("POST", "/v1/tickets/{id}/refunds", SELLS),
    row("POST", "/v1/tickets/{id}/tip", SELLS),
    row("GET", "/v1/open-tickets", READS),
    row("POST", "/v1/open-tickets", SELLS),
    row("GET", "/v1/open-tickets/{id}", READS),
    row("POST", "/v1/open-tickets/{id}/lines", SELLS),
    row("POST", "/v1/open-tickets/{id}/voids", SELLS),
    row("POST", "/v1/open-tickets/{id}/moves", SELLS),
    row("POST", "/v1/open-tickets/{id}/divisions", SELLS),
    row("POST", "/v1/open-tickets/{id}/payments", SELLS),
    row("POST", "/v1/open-tickets/{id}/close", SELLS),
    row("POST", "/v1/open-tickets/{id}/abandon", SELLS),
    row("POST", "/v1/open-tickets/{id}/send", SELLS),
    row("GET", "/v1/kitchen", READS),
    row("POST", "/v1/kitchen/{id}/bump", PREPARES),
    row("POST", "/v1/kitchen/{id}/recall", PREPARES),
    row("GET", "/v1/stock", SELLS),
    row("POST", "/v1/stock/movements", SELLS),
    row("GET", "/v1/business-day", SELLS),
    row("GET", "/v1/business-days/{day}", SELLS),
    row("GET", "/v1/business-days/{day}/tips", SELLS),
    row("GET", "/v1/staff", SELLS),
    row("POST", "/v1/sign-ins", SELLS),
    row("GET", "/v1/sign-ins/current", SELLS),
    row("DELETE", "/v1/sign-ins/current", SELLS),
    row("POST", "/v1/approvals", SELLS),
    row("GET", "/v1/drawers", SELLS),
    row("POST", "/v1/drawers", SELLS),
    row("POST", "/v1/drawers/{id}/movements", SELLS),
    row("POST", "/v1/drawers/{id}/close", SELLS),
    row("GET", "/v1/readings/current", SELLS),
    row("GET", "/v1/readings", SELLS),
    row("POST", "/v1/readings", SELLS),
    row("GET", "/v1/readings/{number}", SELLS),
    row("GET", "/v1/card-payments", SELLS),
    row("POST", "/v1/card-payments", SELLS),
    row("GET", "/v1/card-payments/{id}", SELLS),
    row("POST", "/v1/card-payments/{id}/reversal", SELLS),
    row("POST", "/v1/card-payments/{id}/ticket", SELLS),
    row("GET", "/v1/prints", SELLS),
    row("POST", "/v1/tickets/{id}/prints", SELLS),
    row("POST", "/v1/refunds/{id}/pay-out", SELLS),
    row("POST", "/v1/refunds/{id}/prints", SELLS),
    row("POST", "/v1/readings/{number}/prints", SELLS),
    row("POST", "/v1/prints/{id}/retry", SELLS),
    row("POST", "/v1/prints/{id}/cancel", SELLS),
    row("GET", "/v1/audit", Local),
    row("POST", "/v1/imports/baskets", Local),
    row("POST", "/v1/terminals/pairings", Local),
    row("GET", "/v1/terminals", Local),
    row("DELETE", "/v1/terminals/{name}", Local),
];

/// By which way somebody comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From this machine, in the clear.
    Loopback,
    /// From the shop's network, over HTTPS. The box's own token does not count here.
    Network,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// Shows no token, or one that nobody knows.
    Nobody,
    /// A terminal that was revoked, or paired anew.
    Revoked,
    Terminal(TerminalKind),
    /// Holds the box's own token, and came by loopback.
    Local,
}

/// Whether they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Yes,
    /// Who asks must be known.
    Unknown,
    Revoked,
    /// A terminal of another kind may.
    OtherKind,
    /// Only the box itself may.
    OnTheBoxOnly,
}

/// Who may ask a route; nobody if it has no row.
pub(crate) fn who(method: &str, path: &str) -> Option<Who> {
    // HEAD is a GET whose answer has no body.
    let method = if method == "HEAD" { "GET" } else { method };
    TABLE.iter().find(|row| row.method == method && row.path == path).map(|row| row.who)
}

/// Whether somebody may ask a route.
pub(crate) fn may(who: Who, asker: Asker, way: Way) -> Verdict {
    match (who, asker) {
        (Anybody | Pairing, _) | (Terminals(_) | Local, Asker::Local) => Verdict::Yes,
        (OnTheBox, _) if way == Way::Loopback => Verdict::Yes,
        (OnTheBox, _) | (Local, Asker::Terminal(_)) => Verdict::OnTheBoxOnly,
        (Terminals(kinds), Asker::Terminal(kind)) if kinds.contains(&kind) => Verdict::Yes,
        (Terminals(_), Asker::Terminal(_)) => Verdict::OtherKind,
        (Terminals(_) | Local, Asker::Revoked) => Verdict::Revoked,
        (Terminals(_) | Local, Asker::Nobody) => Verdict::Unknown,
    }
}
