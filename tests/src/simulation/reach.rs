//! What was really met in a run: a fault that never happened, or an answer that was never given, is noticed.

use std::collections::BTreeMap;

/// Something that a run of many seeds must meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Met {
    /// A sale was answered.
    Sold,
    /// A till asked again and was given the ticket that it had been sold before.
    Replayed,
    /// A request met a box that was down.
    Refused,
    /// Stock was moved.
    StockMoved,
    /// Past sales were brought in.
    Imported,
    /// A menu was published.
    MenuPublished,
    /// A sale was made without a link.
    SoldOffline,
    /// A frame was lost.
    FrameLost,
    /// A frame came twice.
    FrameDoubled,
    /// A frame came late, after others.
    FrameLate,
    /// A line was cut.
    LineCut,
    /// The broker dropped everybody.
    BrokerLost,
    /// A box was killed.
    NodeKilled,
    /// A box died at a commit.
    NodeDiedAtCommit,
    /// The hub was killed.
    HubKilled,
    /// The hub died at a commit.
    HubDiedAtCommit,
    /// A box was put back to an older copy of its disk.
    NodePutBack,
    /// A copy of a disk was started beside its original.
    Cloned,
    /// A disk was moved to another machine.
    Moved,
    /// A new box took the place of one that was lost.
    Replaced,
    /// All files of the hub were put back.
    HubPutBackWhole,
    /// Only some files of the hub were put back.
    HubPutBackInPart,
    /// A clock was set wrong.
    ClockWrong,
    /// A newer program wrote what nobody can read.
    Poisoned,
    /// A greeting was welcomed.
    Welcome,
    /// A greeting was answered: another past is held.
    Forked,
    /// A greeting was answered: a later process goes on with this life.
    Fenced,
    /// A session was refused.
    Rehello,
    /// An earlier life was contested.
    Contested,
    /// The hub asked for entries again.
    HubAsked,
    /// A node asked for entries again.
    NodeAsked,
    /// A greeting asked for the common past.
    Marks,
    /// A batch of an older life went up.
    OlderLifeSent,
    /// A batch of a journal of the hub went up.
    GivenBack,
    /// A batch of a node's own past came down.
    TakenBack,
    /// A batch carried totals.
    Totals,
    /// A node vouched for its journals and its stock.
    Vouched,
    /// The hub has compared a life's stock with what its node stated.
    StockCompared,
    /// An acknowledgement named parked events.
    Parked,
    /// A batch of a session that is over arrived.
    StaleBatch,
    /// The hub holds an entry that counts elsewhere.
    Alias,
    /// A node has set entries aside.
    SetAside,
    /// A life began because its disk was on another machine.
    LifeMoved,
    /// A life began because the hub holds another past.
    LifeForked,
    /// A life began because another process went on.
    LifeFenced,
    /// A life came back that the disk did not know.
    LifeReturned,
}

impl Met {
    /// All of them.
    pub const ALL: [Self; 46] = [
        Self::Sold,
        Self::Replayed,
        Self::Refused,
        Self::StockMoved,
        Self::Imported,
        Self::MenuPublished,
        Self::SoldOffline,
        Self::FrameLost,
        Self::FrameDoubled,
        Self::FrameLate,
        Self::LineCut,
        Self::BrokerLost,
        Self::NodeKilled,
        Self::NodeDiedAtCommit,
        Self::HubKilled,
        Self::HubDiedAtCommit,
        Self::NodePutBack,
        Self::Cloned,
        Self::Moved,
        Self::Replaced,
        Self::HubPutBackWhole,
        Self::HubPutBackInPart,
        Self::ClockWrong,
        Self::Poisoned,
        Self::Welcome,
        Self::Forked,
        Self::Fenced,
        Self::Rehello,
        Self::Contested,
        Self::HubAsked,
        Self::NodeAsked,
        Self::Marks,
        Self::OlderLifeSent,
        Self::GivenBack,
        Self::TakenBack,
        Self::Totals,
        Self::Vouched,
        Self::StockCompared,
        Self::Parked,
        Self::StaleBatch,
        Self::Alias,
        Self::SetAside,
        Self::LifeMoved,
        Self::LifeForked,
        Self::LifeFenced,
        Self::LifeReturned,
    ];

    /// What was met, for somebody who reads the table and not the code.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Sold => "a till sold a ticket and was answered",
            Self::Replayed => "a till asked again and was given the ticket that it had been sold before",
            Self::Refused => "a till's request met a shop's box that was down",
            Self::StockMoved => "stock was moved in a shop",
            Self::Imported => "past sales were brought into a shop",
            Self::MenuPublished => "head office published a menu",
            Self::SoldOffline => "a shop sold a ticket while it did not reach head office",
            Self::FrameLost => "a message between shop and head office was lost",
            Self::FrameDoubled => "a message came twice",
            Self::FrameLate => "a message came late, after others",
            Self::LineCut => "a shop's line to head office was cut",
            Self::BrokerLost => "head office's broker dropped all shops at once",
            Self::NodeKilled => "a shop's box was killed",
            Self::NodeDiedAtCommit => "a shop's box died in the middle of writing to its disk",
            Self::HubKilled => "head office was killed",
            Self::HubDiedAtCommit => "head office died in the middle of writing to its disk",
            Self::NodePutBack => "a shop's disk was put back to an older copy",
            Self::Cloned => "a copy of a shop's disk ran beside the original",
            Self::Moved => "a shop's disk was moved to another machine",
            Self::Replaced => "a new box took the place of one that was lost",
            Self::HubPutBackWhole => "all of head office's files were put back to an older copy",
            Self::HubPutBackInPart => "some of head office's files were put back to an older copy",
            Self::ClockWrong => "a shop's clock was set wrong",
            Self::Poisoned => "a newer program wrote an entry that head office cannot read yet",
            Self::Welcome => "head office welcomed a shop's greeting: both know the same past",
            Self::Forked => "head office answered a greeting: it holds another past of this box",
            Self::Fenced => "head office answered a greeting: a later process of this box goes on",
            Self::Rehello => "head office refused a session, and the shop greeted anew",
            Self::Contested => "two boxes claimed one past",
            Self::HubAsked => "head office asked a shop for entries again",
            Self::NodeAsked => "a shop asked head office for entries again",
            Self::Marks => "a greeting looked for the last entry that both sides have",
            Self::OlderLifeSent => "entries of a box's earlier life were sent to head office",
            Self::GivenBack => "a shop gave head office back what that had lost",
            Self::TakenBack => "a shop was given back by head office what it had lost",
            Self::Totals => "a message carried totals of stock",
            Self::Vouched => "a shop vouched for its journals and its stock",
            Self::StockCompared => "head office compared the stock of a box with its own",
            Self::Parked => "head office kept entries aside that it cannot read yet",
            Self::StaleBatch => "a message of a session that was over arrived",
            Self::Alias => "head office held an entry that counts in another place",
            Self::SetAside => "a shop set entries aside",
            Self::LifeMoved => "a box began a new life, for its disk was on another machine",
            Self::LifeForked => "a box began a new life, for head office held another past",
            Self::LifeFenced => "a box began a new life, for another process went on with the old one",
            Self::LifeReturned => "head office told a box of a life that its disk did not know",
        }
    }
}

/// How often each was met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    times: BTreeMap<Met, u64>,
}

impl Reach {
    /// It was met.
    pub fn met(&mut self, what: Met) {
        self.add(what, 1);
    }

    /// It was met so often.
    pub fn add(&mut self, what: Met, times: u64) {
        *self.times.entry(what).or_default() += times;
    }

    /// Adds another run's.
    pub fn merge(&mut self, other: &Self) {
        other.times.iter().for_each(|(what, times)| self.add(*what, *times));
    }

    /// How often it was met.
    #[must_use]
    pub fn times(&self, what: Met) -> u64 {
        self.times.get(&what).copied().unwrap_or(0)
    }

    /// What was never met.
    #[must_use]
    pub fn never(&self) -> Vec<Met> {
        Met::ALL.into_iter().filter(|what| self.times(*what) == 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Met;

    #[test]
    fn each_says_something_of_its_own_that_fits_its_line() {
        let words: BTreeSet<&str> = Met::ALL.into_iter().map(Met::in_words).collect();
        assert_eq!(words.len(), Met::ALL.len());
        let long: Vec<&&str> = words.iter().filter(|words| words.chars().count() > 74).collect();
        assert_eq!(long, Vec::<&&str>::new());
    }
}
