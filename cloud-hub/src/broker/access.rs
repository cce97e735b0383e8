//! Who may connect to the hub's own broker, and to what. A broker of somebody else's is told the same by its own list
//! (`deploy/mosquitto`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError, RwLock};

use mqtt5::broker::auth::{AuthProvider, AuthResult};
use mqtt5::packet::connect::ConnectPacket;
use mqtt5::protocol::v5::reason_codes::ReasonCode;
use percolate_common::ids::NodeId;
use percolate_common::wire::topic::{HUB_PREFIX, Topic, client_node, node_subscriptions};

/// Names that are remembered of one node, so that all its processes can be cut off; of more, the latest are.
const NAMES_PER_NODE: usize = 8;

/// Who may connect, and to what.
#[derive(Default)]
pub(super) struct Access {
    revoked: RwLock<BTreeSet<NodeId>>,
    /// The names under which each node has come, the latest last.
    names: Mutex<BTreeMap<NodeId, VecDeque<String>>>,
}

impl Access {
    /// Refuses a node from now on.
    pub(super) fn shut_out(&self, node: NodeId) {
        self.revoked.write().unwrap_or_else(PoisonError::into_inner).insert(node);
    }

    fn may_connect(&self, client_id: &str) -> bool {
        match client_node(client_id) {
            Some(node) => !self.revoked.read().unwrap_or_else(PoisonError::into_inner).contains(&node),
            None => client_id.starts_with(HUB_PREFIX),
        }
    }

    fn remember(&self, client_id: &str) {
        let Some(node) = client_node(client_id) else { return };
        let mut all = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let names = all.entry(node).or_default();
        if names.iter().all(|name| name != client_id) {
            names.push_back(client_id.to_owned());
            names.drain(..names.len().saturating_sub(NAMES_PER_NODE));
        }
    }

    /// The names under which a node has come.
    pub(super) fn names_of(&self, node: NodeId) -> Vec<String> {
        let all = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&node).into_iter().flatten().cloned().collect()
    }
}

fn may_publish(client_id: &str, topic: &str) -> bool {
    let Some(node) = client_node(client_id) else { return client_id.starts_with(HUB_PREFIX) };
    match topic.parse() {
        Ok(Topic::Up(of, _) | Topic::UpSession(of) | Topic::Presence(of)) => of == node,
        Ok(Topic::Down(_) | Topic::DownSession(_) | Topic::AllDown(_) | Topic::HubDownlink) | Err(_) => false,
    }
}

fn may_subscribe(client_id: &str, filter: &str) -> bool {
    match client_node(client_id) {
        Some(node) => node_subscriptions(node).iter().any(|own| own == filter),
        None => client_id.starts_with(HUB_PREFIX),
    }
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl AuthProvider for Access {
    fn authenticate<'a>(
        &'a self,
        connect: &'a ConnectPacket,
        _client_addr: SocketAddr,
    ) -> Answer<'a, mqtt5::Result<AuthResult>> {
        let id = connect.client_id.as_str();
        let will_lawful = connect.will.as_ref().is_none_or(|will| may_publish(id, &will.topic));
        let welcome = self.may_connect(id) && will_lawful;
        if welcome {
            self.remember(id);
        }
        Box::pin(async move {
            Ok(if welcome { AuthResult::success() } else { AuthResult::fail(ReasonCode::NotAuthorized) })
        })
    }

    fn authorize_publish<'a>(&'a self, client_id: &str, _user_id: Option<&'a str>, topic: &'a str) -> Answer<'a, bool> {
        let lawful = may_publish(client_id, topic);
        Box::pin(async move { lawful })
    }

    fn authorize_subscribe<'a>(
        &'a self,
        client_id: &str,
        _user_id: Option<&'a str>,
        topic_filter: &'a str,
    ) -> Answer<'a, bool> {
        let lawful = may_subscribe(client_id, topic_filter);
        Box::pin(async move { lawful })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_opens_its_own_topics_and_no_others() {
        for topic in ["percolate/v1/n11/up/sales", "percolate/v1/n11/up/session", "percolate/v1/n11/up/presence"] {
            assert!(may_publish("n11", topic) && !may_publish("n12", topic), "{topic}");
            assert!(
                may_publish("n11-00000000000000ab", topic) && !may_publish("n12-00000000000000ab", topic),
                "{topic}"
            );
            assert!(may_publish("hub-1", topic));
        }
        for topic in ["percolate/v1/n11/down/catalog", "percolate/v1/all/down/catalog", "percolate/v1/n1/up/x", "other"]
        {
            assert!(!may_publish("n11", topic), "{topic}");
        }
        assert!(node_subscriptions(NodeId::new(11)).iter().all(|own| may_subscribe("n11", own)));
        for filter in
            ["#", "+/+/#", "percolate/v1/+/down/+", "percolate/v1/n12/down/batch", "$share/g/percolate/v1/+/up/+"]
        {
            assert!(!may_subscribe("n11", filter), "{filter}");
            assert!(may_subscribe("hub-1", filter));
        }
    }

    #[test]
    fn strangers_and_the_revoked_may_not_connect() {
        let access = Access::default();
        assert!(access.may_connect("n11") && access.may_connect("hub-1"));
        for name in ["", "n", "n011", "n-1", "stranger", "11"] {
            assert!(!access.may_connect(name), "{name}");
        }
        access.shut_out(NodeId::new(11));
        assert!(!access.may_connect("n11") && !access.may_connect("n11-00000000000000ab") && access.may_connect("n12"));
    }
}
