//! Who of a shared subscription gets a message. RMQTT knows the subscriptions by itself, and gives to nobody without this.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use rmqtt::context::ServerContext;
use rmqtt::subscribe::SharedSubscription;
use rmqtt::types::{
    ClientId, Id, IsOnline, NodeId, SharedGroup, SubscriptionIdentifier, SubscriptionOptions, TopicName,
};

/// A subscriber: member, client, and whether it is there.
type Subscriber = (NodeId, ClientId, SubscriptionOptions, Option<Vec<SubscriptionIdentifier>>, Option<IsOnline>);

/// Each that is there gets one in its turn.
#[derive(Debug, Default)]
pub(crate) struct InTurn {
    given: AtomicUsize,
}

#[async_trait]
impl SharedSubscription for InTurn {
    fn is_supported(&self) -> bool {
        true
    }

    async fn choice(
        &self,
        _scx: &ServerContext,
        _group: &SharedGroup,
        _publisher: &Id,
        _topic: &TopicName,
        subscribers: &[Subscriber],
    ) -> Option<(usize, IsOnline)> {
        let there = subscribers.iter().enumerate().filter(|(_, subscriber)| subscriber.4 == Some(true));
        let there: Vec<usize> = there.map(|(place, _)| place).collect();
        let turn = self.given.fetch_add(1, Ordering::Relaxed).checked_rem(there.len())?;
        there.get(turn).map(|place| (*place, true))
    }
}
