//! Whether the shop is out of touch with head office, why, and what waits to be sent. Decided from facts; who gathers them
//! is in `sync/outlook.rs`.
//!
//! A state changes nothing about selling, and nothing about trying again: the link asks on by itself, whatever it is called.

use std::time::Duration;

use percolate_common::journal::StreamKind;
use percolate_common::time::UtcMillis;
use percolate_common::wire::event::decode;
use percolate_runtime::network::OwnNetwork;
use percolate_runtime::sqlite::ReadTx;

use super::error::AppError;
use super::{App, LinkState};
use crate::store::{journal, lives};

/// Somebody answered at the broker for so long, and the hub did not greet: it is not there.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// The hub is greeted, something is to be sent, and for so long nothing of it was acknowledged.
pub(crate) const STANDS_STILL_MIN: Duration = Duration::from_secs(60);

/// How it stands between the shop and head office.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HubState {
    /// Nothing was tried yet since the start.
    Starting,
    Connected,
    /// The hub is greeted, and what is sent to it is not acknowledged.
    NotDraining,
    /// The shop's own network: no cable, no address, no router.
    NoLan,
    /// The shop's network is there, and where head office is nobody answers: the line is dead, or head office is switched off.
    NoInternet,
    /// Somebody answers where the hub is, and it is not the hub.
    HubUnreachable,
    /// The hub or its broker will not have this box, or this box not them.
    Refused,
    /// The box has no certificate yet, and tries nothing.
    NotEnrolled,
}

impl HubState {
    pub(crate) const ALL: [Self; 8] = [
        Self::Starting,
        Self::Connected,
        Self::NotDraining,
        Self::NoLan,
        Self::NoInternet,
        Self::HubUnreachable,
        Self::Refused,
        Self::NotEnrolled,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Connected => "connected",
            Self::NotDraining => "not_draining",
            Self::NoLan => "no_lan",
            Self::NoInternet => "no_internet",
            Self::HubUnreachable => "hub_unreachable",
            Self::Refused => "refused",
            Self::NotEnrolled => "not_enrolled",
        }
    }

    /// What whoever stands in the shop does about it; nothing where all is well.
    pub(crate) const fn advice(self) -> Option<&'static str> {
        match self {
            Self::Starting | Self::Connected => None,
            Self::NotDraining => Some(
                "Head office is reached and takes nothing in. There is nothing to do in the shop: sell on, and tell head office.",
            ),
            Self::NoLan => Some(
                "This box has no network: look at its cable, the switch and the router. Tills on the same network may be cut off, too.",
            ),
            Self::NoInternet => Some(
                "The shop's network is there, and head office does not answer: it is off, or the line to it. Sell on. Look at the router \
                 and the provider's line; if others reach the internet from here, tell head office.",
            ),
            Self::HubUnreachable => Some(
                "The internet is there and head office is not. There is nothing to do in the shop: sell on, and tell head office.",
            ),
            Self::Refused => Some(
                "Head office refuses this box, or somebody else answers in its place. Sell on, and tell head office what `/v1/node` says.",
            ),
            Self::NotEnrolled => {
                Some("This box has not been let in yet. Sell on; it asks by itself, and needs the code of its sheet.")
            }
        }
    }
}

/// How an attempt or a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// No way leads there from this machine.
    NoRoute,
    /// The name was not found.
    NoName,
    /// Nobody answered, or not any more.
    NoAnswer,
    /// Somebody was there, and hung up or does not serve.
    HungUp,
    /// Over TLS or by the broker's word.
    Refused,
    /// By this box's own doing; it says nothing about others.
    Ours,
}

/// What the link was told last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Nothing,
    /// The broker has let it in, and the hub has not answered for so long.
    Broker {
        unanswered: Duration,
    },
    Ended(Ended),
}

/// All that is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) link: LinkState,
    pub(crate) told: Told,
    pub(crate) network: OwnNetwork,
    /// How long something has been to be sent without an acknowledgement; zero if nothing is.
    pub(crate) standing_still: Duration,
}

/// What it is called; nothing if the facts do not tell, and it stays what it was.
pub(crate) fn judge(facts: &Facts) -> Option<HubState> {
    match facts.link {
        LinkState::NotEnrolled => Some(HubState::NotEnrolled),
        LinkState::Refused => Some(HubState::Refused),
        LinkState::Up if facts.standing_still >= STANDS_STILL_MIN => Some(HubState::NotDraining),
        LinkState::Up => Some(HubState::Connected),
        LinkState::Down => match facts.told {
            Told::Nothing | Told::Ended(Ended::Ours) => None,
            Told::Broker { unanswered } => (unanswered >= ANSWER_TIME_MAX).then_some(HubState::HubUnreachable),
            Told::Ended(Ended::NoRoute) => Some(HubState::NoLan),
            // What the machine itself knows tells a cable that is out from a line that is down.
            Told::Ended(Ended::NoName | Ended::NoAnswer) => Some(match facts.network {
                OwnNetwork::NoRoute | OwnNetwork::NoCarrier => HubState::NoLan,
                OwnNetwork::Ready => HubState::NoInternet,
            }),
            Told::Ended(Ended::HungUp) => Some(HubState::HubUnreachable),
            Told::Ended(Ended::Refused) => Some(HubState::Refused),
        },
    }
}

/// What of the present life's journals the hub has not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Unsent {
    pub(crate) events: u64,
    /// How much it has acknowledged, of all streams together: grows while something is taken in.
    pub(crate) acked: u64,
    /// When the oldest of them was recorded.
    pub(crate) oldest: Option<UtcMillis>,
}

impl Unsent {
    /// How old the oldest is; a clock that was set back makes nothing younger than new.
    pub(crate) fn age_ms(&self, now: UtcMillis) -> Option<i64> {
        self.oldest.map(|oldest| now.get().saturating_sub(oldest.get()).max(0))
    }
}

/// Reads it.
///
/// # Errors
/// [`AppError`] if the journal cannot be read.
pub(crate) fn unsent(app: &App, tx: &ReadTx<'_>) -> Result<Unsent, AppError> {
    let life = lives::present(tx)?;
    let mut all = Unsent::default();
    for stream in StreamKind::UP {
        let last = journal::head_fetch(tx, life, &app.journal(life, stream))?.seq;
        let acked = journal::acked_fetch(tx, life, stream)?.min(last);
        all.events += last - acked;
        all.acked += acked;
        if acked < last
            && let Some(bytes) = journal::entry_fetch(tx, life.number, stream, acked + 1)?
            && let Ok(recorded) = decode(&bytes)
        {
            let at = recorded.header.hlc.millis();
            all.oldest = Some(all.oldest.map_or(at, |oldest| oldest.min(at)));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(told: Told, network: OwnNetwork) -> Option<HubState> {
        judge(&Facts { link: LinkState::Down, told, network, standing_still: Duration::ZERO })
    }

    #[test]
    fn the_cause_of_an_outage_is_named_from_what_the_last_try_and_the_machine_say() {
        use OwnNetwork::{NoCarrier, NoRoute, Ready};
        let ended = |ended, network| judged(Told::Ended(ended), network);
        for network in [NoRoute, NoCarrier, Ready] {
            assert_eq!(ended(Ended::NoRoute, network), Some(HubState::NoLan), "the attempt itself found no way");
            // Who was answered has a network, whatever the routes look like: a hub may stand in the shop's own.
            assert_eq!(ended(Ended::HungUp, network), Some(HubState::HubUnreachable));
            assert_eq!(ended(Ended::Refused, network), Some(HubState::Refused));
            assert_eq!(ended(Ended::Ours, network), None);
            assert_eq!(judged(Told::Nothing, network), None);
        }
        for silent in [Ended::NoName, Ended::NoAnswer] {
            assert_eq!(ended(silent, Ready), Some(HubState::NoInternet));
            assert_eq!([NoRoute, NoCarrier].map(|network| ended(silent, network)), [Some(HubState::NoLan); 2]);
        }
    }

    #[test]
    fn a_broker_without_its_hub_is_an_outage_after_a_while_and_not_at_once() {
        let after = |unanswered| judged(Told::Broker { unanswered }, OwnNetwork::Ready);
        assert_eq!(after(Duration::ZERO), None);
        assert_eq!(after(ANSWER_TIME_MAX), Some(HubState::HubUnreachable));
    }

    #[test]
    fn p9_a_link_that_is_up_while_nothing_drains_is_not_called_connected() {
        let after = |link, standing_still| {
            judge(&Facts { link, told: Told::Nothing, network: OwnNetwork::NoCarrier, standing_still })
        };
        assert_eq!(after(LinkState::Up, Duration::ZERO), Some(HubState::Connected), "whatever the routes look like");
        assert_eq!(after(LinkState::Up, STANDS_STILL_MIN), Some(HubState::NotDraining));
        assert_eq!(after(LinkState::Refused, STANDS_STILL_MIN), Some(HubState::Refused));
        assert_eq!(after(LinkState::NotEnrolled, STANDS_STILL_MIN), Some(HubState::NotEnrolled));
    }

    #[test]
    fn each_state_has_a_word_of_its_own_and_each_outage_says_what_to_do() {
        let words: std::collections::BTreeSet<_> = HubState::ALL.iter().map(|state| state.as_str()).collect();
        assert_eq!(words.len(), HubState::ALL.len());
        for state in HubState::ALL {
            let well = matches!(state, HubState::Starting | HubState::Connected);
            assert_eq!(state.advice().is_none(), well, "{state:?}");
        }
    }

    #[test]
    fn what_is_said_where_nobody_answers_is_true_of_a_dead_line_and_of_a_head_office_that_is_switched_off() {
        let state = judged(Told::Ended(Ended::NoAnswer), OwnNetwork::Ready).unwrap();
        let advice = state.advice().unwrap();
        for part in ["head office does not answer", "it is off, or the line to it", "router", "tell head office"] {
            assert!(advice.contains(part), "{part}: {advice}");
        }
    }

    #[test]
    fn nothing_is_younger_than_new() {
        let unsent = Unsent { events: 1, acked: 0, oldest: Some(UtcMillis::new(5_000)) };
        assert_eq!([7_000, 4_000].map(|now| unsent.age_ms(UtcMillis::new(now))), [Some(2_000), Some(0)]);
        assert_eq!(Unsent::default().age_ms(UtcMillis::new(1)), None);
    }
}
