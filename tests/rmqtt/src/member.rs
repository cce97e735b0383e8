//! The members of a cluster: where each is reached, and how they keep together.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rmqtt::net::{Builder, Listener};

/// Presence lies in memory, in each member, and does not expire.
pub(crate) const RETAINER_SETTINGS: &str = "storage.type = \"ram\"\nretained_message_ttl = \"0s\"\n";

/// What is said in `deploy/mosquitto/percolate.conf`.
const PACKET_BYTES_MAX: u32 = 524_288;

/// What is said there. A queue that overflows costs time.
const QUEUE_MESSAGES_MAX: usize = 100_000;

/// What is said there.
const INFLIGHT_MESSAGES_MAX: NonZeroU16 = NonZeroU16::new(100).expect("invariant: it is not zero");

/// Ports of a member, all on 127.0.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    clients: u16,
    messages: u16,
    raft: u16,
}

impl Member {
    /// Where it hears messages of other members.
    pub(crate) fn messages(self) -> SocketAddr {
        at(self.messages)
    }

    /// Begins to listen for clients.
    pub(crate) fn listener(self) -> Result<Listener> {
        let settings = Builder::new()
            .name("clients")
            .laddr(at(self.clients))
            // Else one that was killed could not come back for a minute.
            .reuseaddr(Some(true))
            .nodelay(true)
            .allow_anonymous(false)
            .max_packet_size(PACKET_BYTES_MAX)
            .max_mqueue_len(QUEUE_MESSAGES_MAX)
            .max_inflight(INFLIGHT_MESSAGES_MAX)
            .message_expiry_interval(Duration::ZERO);
        settings.bind()?.tcp()
    }
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

impl FromStr for Member {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let ports = text.split(':').map(str::parse).collect::<Result<Vec<u16>, _>>();
        match ports.with_context(|| format!("{text} has no three ports"))?.as_slice() {
            &[clients, messages, raft] => Ok(Self { clients, messages, raft }),
            _ => bail!("{text} has no three ports"),
        }
    }
}

/// All members, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Members(Vec<Member>);

impl Members {
    /// The member of this number, counted from 1.
    pub(crate) fn member(&self, id: u64) -> Option<Member> {
        self.numbered().find(|(number, _)| *number == id).map(|(_, member)| member)
    }

    fn numbered(&self) -> impl Iterator<Item = (u64, Member)> {
        (1..).zip(self.0.iter().copied())
    }

    /// How they agree on who is connected where. Whoever does not answer for so long is gone: on one machine that is much.
    pub(crate) fn raft_settings(&self) -> String {
        let list = |port: fn(Member) -> u16| {
            let all = self.numbered().map(|(id, member)| format!("\"{id}@{}\"", at(port(member))));
            all.collect::<Vec<_>>().join(", ")
        };
        format!(
            "leader_id = 1\nworker_threads = 2\nnode_grpc_client_timeout = \"2s\"\n\
             node_grpc_addrs = [{}]\nraft_peer_addrs = [{}]\n[raft]\ngrpc_reuseaddr = true\n",
            list(|member| member.messages),
            list(|member| member.raft)
        )
    }
}

impl FromStr for Members {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let members = Self(text.split(',').map(str::parse).collect::<Result<_>>()?);
        ensure!(members.0.len() >= 3, "fewer than three members do not outvote a dead one");
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::{Member, Members};

    #[test]
    fn members_are_counted_from_one() {
        let members: Members = "1:2:3,11:12:13,21:22:23".parse().unwrap();
        assert_eq!(members.member(2), Some(Member { clients: 11, messages: 12, raft: 13 }));
        assert_eq!((members.member(0), members.member(4)), (None, None));
        let settings = members.raft_settings();
        assert!(settings.contains("node_grpc_addrs = [\"1@127.0.0.1:2\", \"2@127.0.0.1:12\""), "{settings}");
        assert!(settings.contains("raft_peer_addrs = [\"1@127.0.0.1:3\", \"2@127.0.0.1:13\""), "{settings}");
    }

    #[test]
    fn what_names_no_members_is_refused() {
        for text in ["", "1:2", "1:2:3:4", "1:2:x", "1:2:3,", "1:2:3,4:5:6"] {
            assert!(text.parse::<Members>().is_err(), "{text}");
        }
    }
}
