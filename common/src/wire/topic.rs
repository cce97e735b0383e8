//! Every topic is built and read here.
//!
//! ```
//! use percolate_common::ids::NodeId;
//! use percolate_common::journal::StreamKind;
//! use percolate_common::wire::topic::Topic;
//!
//! let topic = Topic::Up(NodeId::new(11), StreamKind::Sales);
//! assert_eq!(topic.to_string(), "percolate/v1/n11/up/sales/l2");
//! assert_eq!("percolate/v1/n11/up/sales/l2".parse(), Ok(topic));
//! ```

use core::fmt;
use core::str::FromStr;

use crate::ids::NodeId;
use crate::journal::StreamKind;

const PREFIX: &str = "percolate/v1";

/// What comes after the prefix between the hub's own processes. No node may write or read there.
const HUB_DOWNLINK: &str = "hub/downlink";

/// The MQTT client ids of the hub's own connections begin so.
pub const HUB_PREFIX: &str = "hub-";

/// Into how many lanes the nodes of a chain are divided: what one node says comes to one of the processes that take it in.
/// As many processes as divide this number have equal shares: 2, 3, 4, 6, 8.
pub const LANES: u8 = 24;

/// Nodes of one store have numbers in a row, and those of the next store begin ten further.
pub const NODES_A_STORE: u32 = 10;

/// The lane of a node, for ever: whoever changes it cuts off the nodes that know it otherwise.
///
/// The boxes of stores in a row have lanes in a row, and so have the boxes of one store.
#[must_use]
pub fn lane_of(node: NodeId) -> u8 {
    let lane = (node.get() / NODES_A_STORE + node.get() % NODES_A_STORE) % u32::from(LANES);
    u8::try_from(lane).unwrap_or(0)
}

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Batches of a node's journals, on its lane; a node of before there were lanes leaves the lane out.
    Up(NodeId, StreamKind),
    /// What a node says about journals, on its lane as above.
    UpSession(NodeId),
    /// Whether a node is connected; retained.
    Presence(NodeId),
    /// Batches for one node, of the hub's journals and of the node's own past: each says of which.
    Down(NodeId),
    /// What the hub says about journals to one node.
    DownSession(NodeId),
    /// Nudges to all nodes.
    AllDown(StreamKind),
    /// What the processes of the hub tell each other about who reads.
    HubDownlink,
}

/// A text that is no topic of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no topic of this system")]
pub struct TopicParseError(String);

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up(node, stream) => write!(f, "{PREFIX}/n{node}/up/{stream}/l{}", lane_of(*node)),
            Self::UpSession(node) => write!(f, "{PREFIX}/n{node}/up/session/l{}", lane_of(*node)),
            Self::Presence(node) => write!(f, "{PREFIX}/n{node}/up/presence"),
            Self::Down(node) => write!(f, "{PREFIX}/n{node}/down/batch"),
            Self::DownSession(node) => write!(f, "{PREFIX}/n{node}/down/session"),
            Self::AllDown(stream) => write!(f, "{PREFIX}/all/down/{stream}"),
            Self::HubDownlink => write!(f, "{PREFIX}/{HUB_DOWNLINK}"),
        }
    }
}

impl FromStr for Topic {
    type Err = TopicParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || TopicParseError(text.to_owned());
        let rest = text.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('/')).ok_or_else(refused)?;
        if rest == HUB_DOWNLINK {
            return Ok(Self::HubDownlink);
        }
        let mut parts = rest.split('/');
        let (Some(who), Some(way), Some(what)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refused());
        };
        let has_lane = parts.next().is_some();
        if (who, way, has_lane) == ("all", "down", false) {
            return what.parse().map(Self::AllDown).map_err(|_unknown_stream| refused());
        }
        let node = who.strip_prefix('n').and_then(|number| number.parse().ok()).ok_or_else(refused)?;
        let topic = match (way, what) {
            ("up", "session") => Self::UpSession(node),
            ("up", "presence") => Self::Presence(node),
            ("down", "session") => Self::DownSession(node),
            ("down", "batch") => Self::Down(node),
            ("up", stream) => Self::Up(node, stream.parse().map_err(|_unknown_stream| refused())?),
            _other_way => return Err(refused()),
        };
        // One spelling only, `n011` is not `n11`, and but one lane for each node. An older node says no lane.
        let spelled = topic.to_string();
        let is_it = if has_lane { spelled == text } else { topic.without_lane(&spelled) == text };
        if is_it { Ok(topic) } else { Err(refused()) }
    }
}

impl Topic {
    /// A spelling of it as it was before there were lanes.
    fn without_lane<'t>(&self, spelled: &'t str) -> &'t str {
        match self {
            Self::Up(..) | Self::UpSession(_) => spelled.rsplit_once('/').map_or(spelled, |(before, _lane)| before),
            Self::Presence(_) | Self::Down(_) | Self::DownSession(_) | Self::AllDown(_) | Self::HubDownlink => spelled,
        }
    }
}

/// The MQTT client id of a node.
#[must_use]
pub fn client_id(node: NodeId) -> String {
    format!("n{node}")
}

/// The MQTT client id of one process of a node: two that run on copies of one disk do not push each other out.
#[must_use]
pub fn process_client_id(node: NodeId, boot: u64) -> String {
    format!("n{node}-{boot:016x}")
}

/// The MQTT client id of one process of the hub that does the work of a service: replicas do not push each other out.
#[must_use]
pub fn hub_client_id(service: &str, chance: u64) -> String {
    format!("{HUB_PREFIX}{service}-{chance:016x}")
}

/// The node that an MQTT client id names, in either form; there is one spelling only, so `n011` is not `n11`.
#[must_use]
pub fn client_node(client_id: &str) -> Option<NodeId> {
    let name = client_id.strip_prefix('n')?;
    let (number, boot) = name.split_once('-').map_or((name, None), |(number, boot)| (number, Some(boot)));
    let node = number.parse().ok()?;
    let spelled = match boot {
        None => self::client_id(node),
        Some(boot) => process_client_id(node, u64::from_str_radix(boot, 16).ok()?),
    };
    (spelled == client_id).then_some(node)
}

/// What a node subscribes to: topics of its own by their names, because a broker compares each message with every
/// pattern that anybody has.
#[must_use]
pub fn node_subscriptions(node: NodeId) -> Vec<String> {
    vec![Topic::DownSession(node).to_string(), Topic::Down(node).to_string(), format!("{PREFIX}/all/down/+")]
}

/// What a hub of one process subscribes to.
#[must_use]
pub fn hub_subscriptions() -> Vec<String> {
    vec![format!("{PREFIX}/+/up/+"), format!("{PREFIX}/+/up/+/+")]
}

/// What each of several processes of a hub subscribes to, beside its lanes: what nodes of before there were lanes send comes
/// to one of them; who is connected, and what they tell each other, to all.
#[must_use]
pub fn replica_subscriptions() -> Vec<String> {
    vec![format!("$share/hub/{PREFIX}/+/up/+"), format!("{PREFIX}/+/up/presence"), format!("{PREFIX}/{HUB_DOWNLINK}")]
}

/// What the one of several processes of a hub that has a lane subscribes to. While two have it each gets some.
#[must_use]
pub fn lane_subscription(lane: u8) -> String {
    format!("$share/hub-l{lane}/{PREFIX}/+/up/+/l{lane}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_round_trips() {
        let node = NodeId::new(11);
        let fixed = [Topic::UpSession(node), Topic::Presence(node), Topic::DownSession(node), Topic::Down(node)];
        let by_stream = StreamKind::ALL.into_iter().flat_map(|s| [Topic::Up(node, s), Topic::AllDown(s)]);
        for topic in fixed.into_iter().chain(by_stream).chain([Topic::HubDownlink]) {
            assert_eq!(topic.to_string().parse(), Ok(topic));
        }
    }

    #[test]
    fn a_node_has_one_lane_and_older_nodes_say_none() {
        let node = NodeId::new(11);
        assert_eq!(Topic::UpSession(node).to_string(), "percolate/v1/n11/up/session/l2");
        assert_eq!("percolate/v1/n11/up/session".parse(), Ok(Topic::UpSession(node)));
        assert_eq!("percolate/v1/n11/up/sales".parse(), Ok(Topic::Up(node, StreamKind::Sales)));
        for lane in (0..LANES).filter(|lane| *lane != lane_of(node)) {
            assert!(format!("percolate/v1/n11/up/sales/l{lane}").parse::<Topic>().is_err(), "{lane}");
        }
        assert_eq!(lane_subscription(2), "$share/hub-l2/percolate/v1/+/up/+/l2");
    }

    #[test]
    fn lanes_never_change_and_all_are_used_alike() {
        let lanes: Vec<u8> =
            [1, 11, 12, 21, 101, 2_147_483_647].into_iter().map(|id| lane_of(NodeId::new(id))).collect();
        assert_eq!(lanes, [1, 2, 3, 3, 11, 19]);
        // Numbered by stores, a box each or two, and one after the other.
        let by_store =
            |boxes: u32| (1..=2_400).flat_map(move |store| (1..=boxes).map(move |of| store * 10 + of)).collect();
        let numbered: [Vec<u32>; 3] = [by_store(1), by_store(2), (1..=24_000).collect()];
        for ids in numbered {
            let mut count = [0; LANES as usize];
            ids.iter().for_each(|id| count[usize::from(lane_of(NodeId::new(*id)))] += 1);
            let (least, most) = (count.iter().min().unwrap(), count.iter().max().unwrap());
            assert!(most - least <= most / 50, "{count:?}");
        }
    }

    #[test]
    fn a_client_id_names_its_node_in_one_spelling() {
        let node = NodeId::new(11);
        for id in [client_id(node), process_client_id(node, 0), process_client_id(node, u64::MAX)] {
            assert_eq!(client_node(&id), Some(node), "{id}");
        }
        assert_eq!(process_client_id(node, 0xab), "n11-00000000000000ab");
        assert_eq!(hub_client_id("ingest", 0xab), "hub-ingest-00000000000000ab");
        for stranger in [
            "hub-ingest-00000000000000ab",
            "",
            "n",
            "n011",
            "n-1",
            "11",
            "n11-",
            "n11-ab",
            "n11-00000000000000AB",
            "n11-00000000000000ab-1",
        ] {
            assert_eq!(client_node(stranger), None, "{stranger}");
        }
    }

    #[test]
    fn strangers_are_refused() {
        for text in [
            "",
            "percolate/v1",
            "percolate/v2/n1/up/sales",
            "percolate/v1/n1/up",
            "percolate/v1/n1/up/sales/x",
            "percolate/v1/n1/up/sales/l01",
            "percolate/v1/n1/up/sales/l1/l1",
            "percolate/v1/n1/up/presence/l1",
            "percolate/v1/n1/down/batch/l1",
            "percolate/v1/all/down/catalog/l1",
            "percolate/v1/hub/downlink/l1",
            "percolate/v1/n01/up/sales",
            "percolate/v1/1/up/sales",
            "percolate/v1/n1/up/money",
            "percolate/v1/all/up/sales",
            "percolate/v1/n1/sideways/sales",
        ] {
            assert!(text.parse::<Topic>().is_err(), "{text}");
        }
    }
}
