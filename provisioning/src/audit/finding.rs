//! What an audit finds, and whether that is wrong or may still be on its way.

/// What a finding says of the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// One side does not hold yet what the other has: asked again later, it may.
    OnItsWay,
    /// Figures of the two sides differ: because of what is on its way, if anything is.
    Follows,
    /// It is wrong, whatever comes.
    Wrong,
}

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// For programs.
    pub code: &'static str,
    /// Whether time may mend it.
    pub nature: Nature,
    /// For people, as a whole sentence.
    pub sentence: String,
}

impl Finding {
    pub(super) fn new(nature: Nature, code: &'static str, sentence: impl Into<String>) -> Self {
        Self { code, nature, sentence: sentence.into() }
    }
}
