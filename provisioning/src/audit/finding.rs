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
    /// How many further figures differ because of it.
    pub follows: usize,
}

impl Finding {
    pub(super) fn new(nature: Nature, code: &'static str, sentence: impl Into<String>) -> Self {
        Self { code, nature, sentence: sentence.into(), follows: 0 }
    }
}

/// The findings with the causes first. What differs because something is on its way is no finding of its own: the last
/// cause tells how much it is.
#[must_use]
pub fn by_cause(findings: Vec<Finding>) -> Vec<Finding> {
    let (mut sorted, mut others): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|found| found.nature == Nature::OnItsWay);
    if let Some(cause) = sorted.last_mut() {
        cause.follows = others.extract_if(.., |found| found.nature == Nature::Follows).count();
        let differ = match cause.follows {
            0 => String::new(),
            1 => " Until then 1 figure differs.".to_owned(),
            more => format!(" Until then {more} figures differ."),
        };
        cause.sentence.push_str(&differ);
    }
    sorted.append(&mut others);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(natures: &[Nature]) -> Vec<(Nature, String, usize)> {
        let found = |nature: &Nature| Finding::new(*nature, "code", format!("{nature:?}."));
        let sorted = by_cause(natures.iter().map(found).collect());
        sorted.into_iter().map(|found| (found.nature, found.sentence, found.follows)).collect()
    }

    #[test]
    fn what_is_on_its_way_comes_first_and_tells_how_much_follows_from_it() {
        use Nature::{Follows, OnItsWay, Wrong};
        let said = |nature: Nature, sentence: &str, follows| (nature, sentence.to_owned(), follows);
        let expected = [said(OnItsWay, "OnItsWay. Until then 2 figures differ.", 2), said(Wrong, "Wrong.", 0)];
        assert_eq!(told(&[Follows, Wrong, OnItsWay, Follows]), expected);
        assert_eq!(told(&[OnItsWay]), [said(OnItsWay, "OnItsWay.", 0)]);
        assert_eq!(told(&[Wrong, Follows]), [said(Wrong, "Wrong.", 0), said(Follows, "Follows.", 0)]);
    }
}
