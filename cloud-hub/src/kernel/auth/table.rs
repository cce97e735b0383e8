//! The table of routes: every route of the hub, and who may ask it. What has no row here is not answered.

use super::roles::Permission;

/// How a route is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Reads.
    Get,
    /// Writes something new.
    Post,
    /// Says how something is from now on.
    Put,
    /// Takes something away.
    Delete,
}

impl Method {
    /// Its name in HTTP.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// How it is asked.
    pub method: Method,
    /// Its path, as routers have it.
    pub path: &'static str,
    /// Who may ask.
    pub who: Who,
}

/// Who may ask a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Whoever can reach the hub.
    Anybody,
    /// Whoever is on the hub's own machine: nobody over HTTPS.
    OwnMachine,
    /// Whoever proves it by what they ask. It costs the hub something, so there is a limit for each address.
    Proof(Cost),
    /// Whoever is signed in.
    SignedIn,
    /// Whoever has the permission there.
    Person(Permission, TargetFrom),
}

/// What a question costs the hub before it knows who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cost {
    /// A signature is checked.
    Signature,
    /// A password is hashed.
    Password,
}

impl Cost {
    /// How often an address may ask in a minute. All boxes of a chain may come from one address; a person is one person.
    #[must_use]
    pub const fn tries_per_minute(self) -> u32 {
        match self {
            Self::Signature => 600,
            Self::Password => 20,
        }
    }
}

/// Where in a question it stands what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetFrom {
    /// Nowhere: it is about the chain.
    Chain,
    /// Nowhere: it is the same in every shop.
    Anywhere,
    /// `store=` in the query; without it, the chain.
    QueryStore,
    /// `{store}` in the path.
    PathStore,
}

/// The table.
pub static RULES: &[Rule] = {
    use Permission as P;
    use TargetFrom as T;
    &[
        get("/", Who::Anybody),
        get("/openapi.json", Who::Anybody),
        get("/livez", Who::Anybody),
        get("/readyz", Who::OwnMachine),
        get("/metrics", Who::OwnMachine),
        get("/v1/sync/streams", Who::Person(P::ReadNodes, T::Chain)),
        get("/v1/sync/nodes", Who::Person(P::ReadNodes, T::Chain)),
        get("/v1/sync/parked", Who::Person(P::ReadNodes, T::Chain)),
        get("/v1/sync/dead-letters", Who::Person(P::ReadNodes, T::Chain)),
        get("/v1/sync/audit", Who::Person(P::ReadAudit, T::Chain)),
        get("/v1/catalog/revisions", Who::Person(P::ReadMenu, T::Anywhere)),
        get("/v1/catalog/items", Who::Person(P::ReadMenu, T::Anywhere)),
        get("/v1/catalog/menu", Who::Person(P::ReadMenu, T::Anywhere)),
        put("/v1/catalog/menu", Who::Person(P::PublishMenu, T::Chain)),
        post("/v1/catalog/rollout", Who::Person(P::PublishMenu, T::Chain)),
        post("/v1/catalog/undo", Who::Person(P::PublishMenu, T::Chain)),
        get("/v1/catalog/draft", Who::Person(P::PublishMenu, T::Chain)),
        put("/v1/catalog/draft", Who::Person(P::PublishMenu, T::Chain)),
        delete("/v1/catalog/draft", Who::Person(P::PublishMenu, T::Chain)),
        post("/v1/catalog/draft/publish", Who::Person(P::PublishMenu, T::Chain)),
        get("/v1/reporting/sales", Who::Person(P::ReadReports, T::QueryStore)),
        get("/v1/reporting/stock", Who::Person(P::ReadReports, T::QueryStore)),
        get("/v1/reporting/tickets", Who::Person(P::ReadReports, T::QueryStore)),
        get("/v1/reporting/closings", Who::Person(P::ReadReports, T::QueryStore)),
        get("/v1/reporting/differences", Who::Person(P::ReadReports, T::QueryStore)),
        post("/v1/reporting/differences/{ticket}/settlements", Who::Person(P::SettleDifferences, T::Chain)),
        get("/v1/reporting/stores", Who::Person(P::ReadReports, T::Chain)),
        get("/v1/reporting/live", Who::Person(P::ReadReports, T::Chain)),
        get("/v1/identity/chain", Who::Anybody),
        post("/v1/identity/bundle-fetches", Who::Proof(Cost::Signature)),
        post("/v1/identity/enrolments", Who::Proof(Cost::Signature)),
        post("/v1/identity/renewals", Who::Proof(Cost::Signature)),
        post("/v1/identity/devices/{node}/acceptances", Who::Proof(Cost::Signature)),
        get("/v1/identity/stores", Who::Person(P::SeeIdentity, T::Chain)),
        get("/v1/identity/stores/{store}", Who::Person(P::SeeIdentity, T::PathStore)),
        put("/v1/identity/stores/{store}", Who::Person(P::CreateStore, T::PathStore)),
        delete("/v1/identity/stores/{store}", Who::Person(P::CreateStore, T::PathStore)),
        post("/v1/identity/stores/{store}/bundles", Who::Person(P::IssueCode, T::PathStore)),
        // Whoever moves a shop to another district changes who sees it.
        put("/v1/identity/stores/{store}/place", Who::Person(P::CreateStore, T::Chain)),
        get("/v1/identity/devices", Who::Person(P::SeeIdentity, T::Chain)),
        put("/v1/identity/devices/{node}/revocation", Who::Person(P::RevokeDevice, T::Chain)),
        post("/v1/identity/sessions", Who::Proof(Cost::Password)),
        get("/v1/identity/sessions/own", Who::SignedIn),
        delete("/v1/identity/sessions/own", Who::SignedIn),
        post("/v1/identity/invitations/redemptions", Who::Proof(Cost::Password)),
        get("/v1/identity/users", Who::Person(P::ManageUsers, T::Chain)),
        post("/v1/identity/users", Who::Person(P::ManageUsers, T::Chain)),
        delete("/v1/identity/users/{name}", Who::Person(P::ManageUsers, T::Chain)),
        put("/v1/identity/users/{name}/grants", Who::Person(P::ManageUsers, T::Chain)),
        get("/v1/identity/doings", Who::Person(P::ReadAudit, T::Chain)),
    ]
};

const fn get(path: &'static str, who: Who) -> Rule {
    Rule { method: Method::Get, path, who }
}

const fn post(path: &'static str, who: Who) -> Rule {
    Rule { method: Method::Post, path, who }
}

const fn put(path: &'static str, who: Who) -> Rule {
    Rule { method: Method::Put, path, who }
}

const fn delete(path: &'static str, who: Who) -> Rule {
    Rule { method: Method::Delete, path, who }
}

/// The rows of a path.
pub(crate) fn rules_of(path: &str) -> impl Iterator<Item = &'static Rule> {
    RULES.iter().filter(move |rule| rule.path == path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_route_has_one_row() {
        let rows: BTreeSet<_> = RULES.iter().map(|rule| (rule.method, rule.path)).collect();
        assert_eq!(rows.len(), RULES.len());
    }

    #[test]
    fn what_is_asked_about_a_shop_says_which() {
        for rule in RULES {
            if let Who::Person(_, TargetFrom::PathStore) = rule.who {
                assert!(rule.path.contains("{store}"), "{}", rule.path);
            }
        }
    }
}
