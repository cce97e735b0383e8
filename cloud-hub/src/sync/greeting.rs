//! A greeting as it was read: whether its key vouches for what it says is found out before anybody's turn at the database,
//! because a signature takes longer to check than a row to write.

use percolate_common::ids::NodeId;
use percolate_common::journal::{AuthorId, Incarnation, PublicKey};
use percolate_common::wire::session::{GREETING_MARKS_MAX, GREETING_STREAMS_MAX, Hello, SignedHead};
use percolate_runtime::verify::Verifier;

/// Longest program version that a greeting may carry, in bytes.
const VERSION_BYTES_MAX: usize = 64;

/// A greeting.
#[derive(Debug)]
pub(super) struct Greeting {
    pub(super) hello: Hello,
    /// The key that it came with, if that vouches for every head and nothing is out of bounds.
    pub(super) key: Option<PublicKey>,
}

impl Greeting {
    pub(super) fn new(node: NodeId, hello: Hello) -> Self {
        let key = PublicKey::from_slice(&hello.public_key[..]).filter(|key| is_vouched_for(node, &hello, key));
        Self { hello, key }
    }
}

fn is_vouched_for(node: NodeId, hello: &Hello, key: &PublicKey) -> bool {
    let author = AuthorId::node(node);
    let incarnation = Incarnation::new(hello.incarnation);
    let sizes_lawful = hello.heads.len() <= GREETING_STREAMS_MAX
        && hello.version.len() <= VERSION_BYTES_MAX
        && hello.marks.as_ref().is_none_or(|marks| marks.len() <= GREETING_MARKS_MAX);
    // A stream that only a newer program knows cannot be checked, and is not read either.
    let mut known = hello.heads.iter().filter(|head| head.stream().is_some());
    let verifier = Verifier::new(key);
    let holds = |head: &SignedHead| {
        let (message, signature) = head.signed(author, incarnation)?;
        Some(verifier.as_ref()?.signed(&message, &signature))
    };
    sizes_lawful && known.all(|head| holds(head) == Some(true))
}
