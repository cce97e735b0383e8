//! Whether a box may greet with its key, where its broker is somebody else's.

use metrics::counter;
use percolate_common::time::UtcMillis;
use percolate_runtime::storage::WriteTx;

use super::apply::{Answer, Answered, Input, Patience, apply};
use super::message::Message;
use crate::kernel::auth::keys::{Keys, Standing};

/// As [`apply`], unless a box greets with a key that it may not have. One that nobody knows is not judged: its certificate may be
/// newer than what was read, and who is not answered greets again.
pub(super) fn apply_known(
    tx: &WriteTx<'_>,
    mut input: Input,
    (fresh, now, patience): (u64, UtcMillis, Patience),
    keys: Option<&Keys>,
) -> Answered {
    if let (Some(keys), Input::Message(Message::Hello(node, greeting))) = (keys, &mut input) {
        // Who comes with none is not believed either way.
        match greeting.key.map(|key| keys.standing(*node, &key)) {
            None | Some(Standing::Allowed) => {}
            Some(Standing::ShutOut) => greeting.key = None,
            Some(Standing::Unknown) if patience == Patience::Some => return Ok(Answer::Later(Box::new(input))),
            Some(Standing::Unknown) => {
                counter!("hub_greetings_total", "verdict" => "key_unknown").increment(1);
                return Ok(Answer::Nothing);
            }
        }
    }
    apply(tx, input, fresh, now, patience)
}
