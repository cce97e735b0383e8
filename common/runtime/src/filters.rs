//! What a link subscribes to: some of it always, some as its owner says; and which of the broker's answers is about what.

use std::collections::{BTreeSet, VecDeque};

use rumqttc::{AsyncClient, QoS, SubAck, SubscribeFilter, SubscribeReasonCode};

use crate::mqtt::{DownReason, FILTERS_MAX, HearError};

/// The filters of a link.
pub(crate) struct Filters {
    always: Vec<String>,
    more: BTreeSet<String>,
    /// The present connection, once the broker has let us in.
    client: Option<AsyncClient>,
    /// What was asked of it and not answered yet, in this order; with the packet's number once it went.
    asked: VecDeque<(Option<u16>, Vec<String>)>,
}

impl Filters {
    pub(crate) const fn new(always: Vec<String>) -> Self {
        Self { always, more: BTreeSet::new(), client: None, asked: VecDeque::new() }
    }

    /// Subscribes to all of them over a new connection. Tells whether there is nothing to subscribe to.
    pub(crate) fn begin(&mut self, client: &AsyncClient) -> Result<bool, DownReason> {
        self.asked.clear();
        self.client = Some(client.clone());
        let all: Vec<_> = self.always.iter().chain(&self.more).cloned().collect();
        if all.is_empty() {
            return Ok(true);
        }
        let asked = self.ask(client, all).map_err(|detail| DownReason::Lost { detail });
        asked.map(|()| false)
    }

    /// The connection is over.
    pub(crate) fn end(&mut self) {
        self.client = None;
        self.asked.clear();
    }

    /// See [`crate::mqtt::Publisher::hears_all`].
    pub(crate) fn are_granted(&self) -> bool {
        self.client.is_some() && self.asked.is_empty()
    }

    /// See [`crate::mqtt::Publisher::hear`].
    pub(crate) fn change(&mut self, more: BTreeSet<String>) -> Result<(), HearError> {
        let filters = self.always.len() + more.len();
        if filters > FILTERS_MAX {
            return Err(HearError::TooMany { filters });
        }
        if let Some(client) = self.client.clone() {
            let new: Vec<_> = more.difference(&self.more).cloned().collect();
            if !new.is_empty() {
                self.ask(&client, new.clone()).map_err(|_busy| HearError::Full)?;
                self.more.extend(new);
            }
            let old: Vec<_> = self.more.difference(&more).cloned().collect();
            for filter in old {
                client.try_unsubscribe(&filter).map_err(|_busy| HearError::Full)?;
                self.more.remove(&filter);
            }
        }
        self.more = more;
        Ok(())
    }

    /// Asks the broker to send nothing more over the present connection.
    pub(crate) fn unsubscribe_all(&self) {
        let Some(client) = &self.client else { return };
        // A connection that takes no request is about to end anyway.
        self.always.iter().chain(&self.more).for_each(|filter| client.try_unsubscribe(filter).unwrap_or_default());
    }

    /// A subscription went to the broker in a packet of this number.
    pub(crate) fn went(&mut self, number: u16) {
        if let Some((sent, _)) = self.asked.iter_mut().find(|(sent, _)| sent.is_none()) {
            *sent = Some(number);
        }
    }

    /// The broker has answered a subscription.
    pub(crate) fn answered(&mut self, answer: &SubAck) -> Result<(), DownReason> {
        let asked = self.asked.iter().position(|(sent, _)| *sent == Some(answer.pkid));
        match asked.and_then(|place| self.asked.remove(place)) {
            Some((_, filters)) => check_subscriptions(&filters, answer),
            None => {
                Err(DownReason::Refused { detail: "a subscription was answered that was not asked for".to_owned() })
            }
        }
    }

    fn ask(&mut self, client: &AsyncClient, filters: Vec<String>) -> Result<(), String> {
        let wanted = filters.iter().map(|filter| SubscribeFilter::new(filter.clone(), QoS::AtLeastOnce));
        client.try_subscribe_many(wanted).map_err(|error| error.to_string())?;
        self.asked.push_back((None, filters));
        Ok(())
    }
}

fn check_subscriptions(filters: &[String], answer: &SubAck) -> Result<(), DownReason> {
    let granted = |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
    let refused = filters.iter().zip(&answer.return_codes).find(|(_, code)| !granted(code));
    match refused {
        Some((filter, _)) => Err(DownReason::Refused { detail: format!("the subscription to {filter}") }),
        None if answer.return_codes.len() != filters.len() => {
            Err(DownReason::Refused { detail: "a subscription was left unanswered".to_owned() })
        }
        None => Ok(()),
    }
}
