//! Who may connect to the hub's own broker, and to what. A broker of somebody else's is told the same by its own list
//! (`deploy/mosquitto`).

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Mutex, OnceLock, PoisonError};

use mqtt5::broker::auth::{AuthProvider, AuthResult};
use mqtt5::packet::connect::ConnectPacket;
use mqtt5::protocol::v5::reason_codes::ReasonCode;
use percolate_common::identity::names::Principal;
use percolate_common::ids::NodeId;
use percolate_common::wire::topic::{HUB_PREFIX, Topic, client_id, client_node, node_subscriptions};

use super::HUB_USER;
use super::pace::Pace;
use super::peers::Peers;
use super::rate::Rate;

/// Somebody at the broker, as it is told of each message and each subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum User {
    Hub,
    Node(NodeId),
}

impl User {
    /// What the broker keeps of somebody while the connection lasts.
    fn name(self) -> String {
        match self {
            Self::Hub => HUB_USER.to_owned(),
            Self::Node(node) => client_id(node),
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        if name == HUB_USER { Some(Self::Hub) } else { client_node(name).map(Self::Node) }
    }

    /// Whom a client's id means.
    fn of_client(client_id: &str) -> Option<Self> {
        match client_node(client_id) {
            Some(node) => Some(Self::Node(node)),
            None => client_id.starts_with(HUB_PREFIX).then_some(Self::Hub),
        }
    }

    fn of_principal(principal: &Principal) -> Option<Self> {
        match principal {
            Principal::Node(node) => Some(Self::Node(*node)),
            Principal::Hub(_) => Some(Self::Hub),
            Principal::Broker => None,
        }
    }

    fn may_publish(self, topic: &str) -> bool {
        let Self::Node(node) = self else { return true };
        match topic.parse() {
            Ok(Topic::Up(of, _) | Topic::UpSession(of) | Topic::Presence(of)) => of == node,
            Ok(Topic::Down(_) | Topic::DownSession(_) | Topic::AllDown(_) | Topic::HubDownlink) | Err(_) => false,
        }
    }

    fn may_subscribe(self, filter: &str) -> bool {
        match self {
            Self::Node(node) => node_subscriptions(node).iter().any(|own| own == filter),
            Self::Hub => true,
        }
    }
}

/// The door that brings everybody.
struct Doorway {
    address: SocketAddr,
    peers: Peers,
    /// How often a node may say something.
    messages: Rate,
    /// Of each node that has said something.
    paces: Mutex<BTreeMap<NodeId, Pace>>,
}

impl Doorway {
    fn pace(&self, user: User) -> Option<Pace> {
        let User::Node(node) = user else { return None };
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        Some(paces.entry(node).or_insert_with(|| Pace::new(self.messages)).clone())
    }
}

/// Who may connect, and to what. Before there is a door, nobody may.
#[derive(Default)]
pub(super) struct Access {
    door: OnceLock<Doorway>,
}

impl Access {
    /// Lets in whom a door brings, and lets nodes say no more than `messages`.
    pub(super) fn stand_behind(&self, address: SocketAddr, messages: Rate) -> Peers {
        let (peers, paces) = (Peers::default(), Mutex::default());
        self.door.get_or_init(|| Doorway { address, peers, messages, paces }).peers.clone()
    }

    /// Where the door is.
    pub(super) fn door(&self) -> Option<SocketAddr> {
        self.door.get().map(|door| door.address)
    }

    /// Who it is that comes from an address and calls itself so, if it may.
    fn welcome(&self, client_id: &str, from: SocketAddr) -> Option<User> {
        let claimed = User::of_client(client_id)?;
        let proven = User::of_principal(&self.door.get()?.peers.principal(from)?);
        (proven == Some(claimed)).then_some(claimed)
    }
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl AuthProvider for Access {
    fn authenticate<'a>(
        &'a self,
        connect: &'a ConnectPacket,
        client_addr: SocketAddr,
    ) -> Answer<'a, mqtt5::Result<AuthResult>> {
        let id = connect.client_id.as_str();
        let will = connect.will.as_ref();
        let user = self.welcome(id, client_addr);
        let user = user.filter(|user| will.is_none_or(|will| user.may_publish(&will.topic)));
        Box::pin(async move {
            Ok(user.map_or_else(
                || AuthResult::fail(ReasonCode::NotAuthorized),
                |user| AuthResult::success_with_user(user.name()),
            ))
        })
    }

    fn authorize_publish<'a>(&'a self, _client_id: &str, user_id: Option<&'a str>, topic: &'a str) -> Answer<'a, bool> {
        let user = user_id.and_then(User::of_name);
        let lawful = user.is_some_and(|user| user.may_publish(topic));
        let pace = user.and_then(|user| self.door.get()?.pace(user));
        Box::pin(async move {
            // The broker reads nothing more of this client meanwhile.
            if let Some(pace) = pace {
                pace.keep(1).await;
            }
            lawful
        })
    }

    fn authorize_subscribe<'a>(
        &'a self,
        _client_id: &str,
        user_id: Option<&'a str>,
        topic_filter: &'a str,
    ) -> Answer<'a, bool> {
        let lawful = user_id.and_then(User::of_name).is_some_and(|user| user.may_subscribe(topic_filter));
        Box::pin(async move { lawful })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::peers::made::peer;
    use super::*;

    const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4_000);

    const ONCE: Rate = Rate { count: 1, per: Duration::from_secs(60 * 60), burst: 1 };

    fn user(name: &str) -> User {
        User::of_name(name).unwrap()
    }

    #[test]
    fn a_node_opens_its_own_topics_and_no_others() {
        let (node, other) = (user("n11"), user("n12"));
        for topic in
            ["up/sales", "up/sales/l2", "up/session/l2", "up/presence"].map(|what| format!("percolate/v1/n11/{what}"))
        {
            let topic = &topic;
            assert!(node.may_publish(topic) && !other.may_publish(topic), "{topic}");
            assert!(User::Hub.may_publish(topic));
        }
        for topic in [
            "percolate/v1/n11/down/catalog",
            "percolate/v1/all/down/catalog",
            "percolate/v1/n1/up/x",
            "percolate/v1/n11/up/sales/l3",
            "other",
        ] {
            assert!(!node.may_publish(topic), "{topic}");
        }
        assert!(node_subscriptions(NodeId::new(11)).iter().all(|own| node.may_subscribe(own)));
        for filter in
            ["#", "+/+/#", "percolate/v1/+/down/+", "percolate/v1/n12/down/batch", "$share/g/percolate/v1/+/up/+/l2"]
        {
            assert!(!node.may_subscribe(filter), "{filter}");
            assert!(User::Hub.may_subscribe(filter));
        }
    }

    #[test]
    fn everybody_has_one_name_while_connected() {
        for who in [User::Hub, User::Node(NodeId::new(11))] {
            assert_eq!(User::of_name(&who.name()), Some(who));
        }
        assert_eq!(User::of_name("n011"), None);
    }

    #[test]
    fn without_a_door_nobody_may_connect() {
        let access = Access::default();
        for name in ["n11", "n11-00000000000000ab", "hub-1", "", "n", "stranger"] {
            assert_eq!(access.welcome(name, ANYWHERE), None, "{name}");
        }
    }

    #[tokio::test]
    async fn behind_a_door_a_node_that_says_too_much_is_made_to_wait_and_no_other() {
        let access = Access::default();
        access.stand_behind(ANYWHERE, ONCE);
        let says = |who| access.authorize_publish("", Some(who), "percolate/v1/n11/up/sales");
        assert!(says("n11").await);
        tokio::select! {
            biased;
            _ = says("n11") => panic!("it does not wait"),
            () = std::future::ready(()) => {}
        }
        assert!(!says("n12").await, "another node has a pace of its own");
        assert!(says("hub").await && says("hub").await);
    }

    #[test]
    fn behind_a_door_everybody_is_who_the_certificate_says() {
        let access = Access::default();
        let peers = access.stand_behind(ANYWHERE, ONCE);
        let note = |principal| peers.note(peer(principal));
        let node = note(Principal::Node(NodeId::new(11)));
        let hub = note(Principal::Hub("ingest".parse().unwrap()));
        let broker = note(Principal::Broker);
        let comes = |name: &str, from: SocketAddr| access.welcome(name, from).is_some();
        let (at_node, at_hub, at_broker) = (node.address(), hub.address(), broker.address());
        assert!(comes("n11", at_node) && comes("n11-00000000000000ab", at_node) && comes("hub-1", at_hub));
        for (name, from) in [
            ("n12", at_node),
            ("hub-1", at_node),
            ("n11", at_hub),
            ("hub-1", at_broker),
            ("broker", at_broker),
            ("n11", ANYWHERE),
            ("hub-1", ANYWHERE),
        ] {
            assert!(!comes(name, from), "{name} from {from}");
        }
        drop(node);
        assert!(!comes("n11", at_node), "who has gone");
        assert_ne!(note(Principal::Node(NodeId::new(11))).address(), at_node, "nobody comes after him there");
    }
}
