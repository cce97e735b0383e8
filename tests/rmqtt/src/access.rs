//! Who may say and hear what: `deploy/mosquitto/percolate.acl` in other words, by the account's name. An RMQTT without such
//! a list allows all.

/// Where everything of Percolate stands.
const ROOT: &str = "percolate/v1/";

/// The account that may say and hear everything of Percolate.
const HUB: &str = "hub";

/// Whether an account may say something on a topic, its will included.
pub(crate) fn may_say(account: &str, topic: &str) -> bool {
    let Some(below) = topic.strip_prefix(ROOT) else { return false };
    account == HUB || levels(below, account, "/up/").is_some_and(|levels| levels <= 2)
}

/// Whether an account may hear what a filter asks for; `shared` is whether in turn with others.
pub(crate) fn may_hear(account: &str, filter: &str, shared: bool) -> bool {
    let Some(below) = filter.strip_prefix(ROOT) else { return false };
    account == HUB || (!shared && ["all", account].iter().any(|who| levels(below, who, "/down/") == Some(1)))
}

/// How many levels a text has below somebody's branch, if it is of that and names them.
fn levels(text: &str, who: &str, branch: &str) -> Option<usize> {
    let below = text.strip_prefix(who)?.strip_prefix(branch)?;
    (!below.contains('#')).then(|| below.split('/').count())
}

#[cfg(test)]
mod tests {
    use super::{may_hear, may_say};

    #[test]
    fn a_node_says_what_is_its_own() {
        assert!(may_say("n11", "percolate/v1/n11/up/sales/l2") && may_say("n11", "percolate/v1/n11/up/presence"));
        for topic in [
            "percolate/v1/n1/up/sales",
            "percolate/v1/n12/up/sales",
            "percolate/v1/n11/down/session",
            "percolate/v1/n12/up/sales/l2",
            "percolate/v1/n11/up/sales/l2/more",
            "percolate/v1/all/down/catalog",
            "percolate/v1/hub/downlink",
            "percolate/v2/n11/up/sales",
            "$SYS/n11/up/sales",
        ] {
            assert!(!may_say("n11", topic), "{topic}");
        }
    }

    #[test]
    fn a_node_hears_what_is_for_it() {
        for filter in ["percolate/v1/n11/down/+", "percolate/v1/n11/down/session", "percolate/v1/all/down/+"] {
            assert!(may_hear("n11", filter, false), "{filter}");
            assert!(!may_hear("n11", filter, true), "{filter} in turn");
        }
        for filter in ["#", "+/+/+/+/+", "percolate/v1/#", "percolate/v1/+/down/+", "percolate/v1/n11/down/#"] {
            assert!(!may_hear("n11", filter, false), "{filter}");
        }
        assert!(!may_hear("n11", "percolate/v1/n11/up/+", false));
    }

    #[test]
    fn the_hub_says_and_hears_all_of_percolate_and_nothing_else() {
        assert!(may_say("hub", "percolate/v1/n11/down/session"));
        assert!(may_hear("hub", "percolate/v1/+/up/+", true) && may_hear("hub", "percolate/v1/+/up/+/l2", true));
        assert!(may_hear("hub", "percolate/v1/#", false));
        assert!(!may_say("hub", "other/topic"));
        assert!(!may_hear("hub", "#", false));
    }
}
