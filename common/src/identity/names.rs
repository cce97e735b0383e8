//! Chains, those who take part in one, and how both are written in certificates: parsed and printed here alone.

use core::fmt;
use core::str::FromStr;

use super::base32::{digit, value};
use crate::entropy::Entropy;
use crate::ids::NodeId;

/// The name that a hub's certificate has, whatever address it is dialled at; no node's has it.
pub const HUB_DNS_NAME: &str = "hub.percolate.internal";

/// Characters of a hub's part.
pub const HUB_NAME_CHARS_MAX: usize = 32;

/// The largest number of a node: 31 bits.
const NODE_MAX: u32 = (1 << 31) - 1;

/// Digits of a chain's id: 128 bits, 5 a digit.
const CHAIN_DIGITS: usize = 26;

/// A text that is not the name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind}: {expected}")]
pub struct NameError {
    kind: &'static str,
    text: String,
    expected: &'static str,
}

/// A chain: 16 random bytes, drawn once. Written as 26 digits, as they stand in every certificate of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId([u8; 16]);

impl ChainId {
    /// Draws the id of a new chain.
    #[must_use]
    pub fn draw(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        Self(bytes)
    }

    /// Takes the 16 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = u128::from_be_bytes(self.0);
        (0..CHAIN_DIGITS).rev().try_for_each(|place| {
            let [.., lowest] = (number >> (5 * place)).to_be_bytes();
            write!(f, "{}", digit(lowest))
        })
    }
}

impl FromStr for ChainId {
    type Err = NameError;

    /// Takes exactly what is printed: capital letters, no space.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let refused = || NameError {
            kind: "chain id",
            text: text.to_owned(),
            expected: "26 digits and capital letters, without I, L, O and U",
        };
        let values: Option<Vec<u8>> = text.chars().map(value).collect();
        let values = values.filter(|values| values.len() == CHAIN_DIGITS).ok_or_else(refused)?;
        // The first digit has 3 bits: above 7 it would say more than 128 bits hold.
        if values.first().is_none_or(|first| *first > 7) {
            return Err(refused());
        }
        let number = values.iter().fold(0_u128, |number, value| (number << 5) | u128::from(*value));
        Ok(Self(number.to_be_bytes()))
    }
}

/// A part of a hub: what its certificate is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HubName(String);

impl HubName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HubName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let well_formed = (1..=HUB_NAME_CHARS_MAX).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if well_formed {
            return Ok(Self(text.to_owned()));
        }
        let expected = "1 to 32 small letters, digits and hyphens are expected, as in ingest";
        Err(NameError { kind: "part of a hub", text: text.to_owned(), expected })
    }
}

impl fmt::Display for HubName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whom a certificate of the chain is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// A box in a shop.
    Node(NodeId),
    /// A part of the hub.
    Hub(HubName),
    /// A broker that is not the hub's own.
    Broker,
}

impl Principal {
    /// The common name in a certificate, and the user name at a broker: `n11`, `hub`, `broker`.
    #[must_use]
    pub fn common_name(&self) -> String {
        match self {
            Self::Node(node) => format!("n{node}"),
            Self::Hub(_) => "hub".to_owned(),
            Self::Broker => "broker".to_owned(),
        }
    }

    /// The URI in a certificate: `percolate:<chain>:node:11`, `…:hub:ingest`, `…:broker`.
    #[must_use]
    pub fn uri(&self, chain: &ChainId) -> String {
        match self {
            Self::Node(node) => format!("percolate:{chain}:node:{node}"),
            Self::Hub(part) => format!("percolate:{chain}:hub:{part}"),
            Self::Broker => format!("percolate:{chain}:broker"),
        }
    }

    /// Whom a URI names; `None` if it is of another chain, or not spelled as [`Principal::uri`] does.
    #[must_use]
    pub fn from_uri(uri: &str, chain: &ChainId) -> Option<Self> {
        let parts: Vec<&str> = uri.split(':').collect();
        let found = match parts.as_slice() {
            [_, _, "node", number] => Self::Node(number.parse().ok().filter(is_node)?),
            [_, _, "hub", part] => Self::Hub(part.parse().ok()?),
            [_, _, "broker"] => Self::Broker,
            _ => return None,
        };
        // Printing it again is what compares the scheme and the chain, and leaves one spelling of a number.
        (found.uri(chain) == uri).then_some(found)
    }

    /// The DNS name in a certificate: a node's own, or [`HUB_DNS_NAME`] for whatever nodes connect to.
    #[must_use]
    pub fn dns(&self) -> String {
        match self {
            Self::Node(node) => format!("n{node}.percolate.internal"),
            Self::Hub(_) | Self::Broker => HUB_DNS_NAME.to_owned(),
        }
    }
}

fn is_node(node: &NodeId) -> bool {
    (1..=NODE_MAX).contains(&node.get())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHAIN: ChainId = ChainId::from_bytes([0xa5; 16]);

    fn hub(part: &str) -> Principal {
        Principal::Hub(part.parse().unwrap())
    }

    #[test]
    fn everybody_has_one_spelling() {
        let chain = CHAIN.to_string();
        assert_eq!(chain, "55MPJTB9D5MPJTB9D5MPJTB9D5");
        for (principal, name, uri, dns) in [
            (Principal::Node(NodeId::new(11)), "n11", "node:11", "n11.percolate.internal"),
            (hub("ingest"), "hub", "hub:ingest", HUB_DNS_NAME),
            (Principal::Broker, "broker", "broker", HUB_DNS_NAME),
        ] {
            let uri = format!("percolate:{chain}:{uri}");
            assert_eq!((principal.common_name().as_str(), principal.dns().as_str()), (name, dns));
            assert_eq!(principal.uri(&CHAIN), uri);
            assert_eq!(Principal::from_uri(&uri, &CHAIN), Some(principal));
        }
    }

    #[test]
    fn no_other_spelling_and_no_other_chain_is_taken() {
        let chain = CHAIN.to_string();
        for rest in [
            "node:0",
            "node:011",
            "node:+11",
            "node: 11",
            "node:2147483648",
            "node:11:",
            "node",
            "hub",
            "hub:",
            "hub:A",
            "broker:",
            "brokers",
            "Node:11",
            "terminal:11:T1",
            "",
        ] {
            let uri = format!("percolate:{chain}:{rest}");
            assert_eq!(Principal::from_uri(&uri, &CHAIN), None, "{uri}");
        }
        let good = Principal::Node(NodeId::new(11)).uri(&CHAIN);
        assert_eq!(Principal::from_uri(&good, &ChainId::from_bytes([1; 16])), None);
        for uri in [good.to_ascii_lowercase(), good.replace("percolate", "Percolate"), format!("x:{good}")] {
            assert_eq!(Principal::from_uri(&uri, &CHAIN), None, "{uri}");
        }
    }

    #[test]
    fn parts_of_a_hub_are_short_and_plain() {
        let longest = "a".repeat(HUB_NAME_CHARS_MAX);
        for text in ["a", "door", "hub-2", &longest] {
            assert_eq!(text.parse::<HubName>().unwrap().as_str(), text);
        }
        for text in ["", "A", "a b", "a:b", "ä", &format!("{longest}a")] {
            assert!(text.parse::<HubName>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_chain_id_has_one_spelling() {
        let text = CHAIN.to_string();
        for wrong in [
            text.to_lowercase(),
            format!("{text}0"),
            text[1..].to_owned(),
            format!("8{}", &text[1..]),
            text.replace('M', "U"),
            String::new(),
        ] {
            assert!(wrong.parse::<ChainId>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn chain_ids_round_trip(bytes in any::<[u8; 16]>()) {
            let chain = ChainId::from_bytes(bytes);
            prop_assert_eq!(chain.to_string().len(), CHAIN_DIGITS);
            prop_assert_eq!(chain.to_string().parse(), Ok(chain));
        }

        #[test]
        fn nodes_round_trip(number in 1..=NODE_MAX, bytes in any::<[u8; 16]>()) {
            let (node, chain) = (Principal::Node(NodeId::new(number)), ChainId::from_bytes(bytes));
            prop_assert_eq!(Principal::from_uri(&node.uri(&chain), &chain), Some(node));
        }
    }
}
