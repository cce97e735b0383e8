//! Who may say and hear what: `deploy/mosquitto/percolate.acl` in other words, by the account's name. An RMQTT without such
//! a list allows all.

/// Where everything of Percolate stands.
const ROOT: &str = "percolate/v1/";

/// The account that may say and hear everything of Percolate.
const HUB: &str = "hub";

/// Whether an account may say something on a topic, its will included.
pub(crate) fn may_say(account: &str, topic: &str) -> bool {
    let Some(below) = topic.strip_prefix(ROOT) else { return false };
    account == HUB || one_level(below, account, "/up/")
}

/// Whether an account may hear what a filter asks for; `shared` is whether in turn with others.
pub(crate) fn may_hear(account: &str, filter: &str, shared: bool) -> bool {
    let Some(below) = filter.strip_prefix(ROOT) else { return false };
    account == HUB || (!shared && (one_level(below, account, "/down/") || one_level(below, "all", "/down/")))
}

/// Whether a text is somebody's branch and one level more.
fn one_level(text: &str, who: &str, branch: &str) -> bool {
    let last = text.strip_prefix(who).and_then(|rest| rest.strip_prefix(branch));
    last.is_some_and(|last| !last.contains(['/', '#']))
}

#[cfg(test)]
mod tests {
    use super::{may_hear, may_say};

    #[test]
    fn a_node_says_what_is_its_own() {
        assert!(may_say("n11", "percolate/v1/n11/up/sales"));
        for topic in [
            "percolate/v1/n1/up/sales",
            "percolate/v1/n12/up/sales",
            "percolate/v1/n11/down/session",
            "percolate/v1/n11/up/sales/more",
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
        assert!(may_hear("hub", "percolate/v1/+/up/+", true));
        assert!(may_hear("hub", "percolate/v1/#", false));
        assert!(!may_say("hub", "other/topic"));
        assert!(!may_hear("hub", "#", false));
    }
}
