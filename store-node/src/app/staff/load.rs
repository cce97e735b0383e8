//! The people whom the box's description names are taken into the table, and what they type is hashed, once.

use std::collections::BTreeSet;

use percolate_common::domain::staff::roles::Role;
use percolate_common::identity::site::StaffV1;
use percolate_common::ids::StaffId;
use percolate_runtime::password::KeptPassword;

use crate::app::App;
use crate::app::error::AppError;
use crate::store::staff::{self as store, StaffRow};

const KEY_CONTEXT: &str = "percolate 2026 marks of a shop's people";

/// A hash by a key that only the box has: whoever has the database alone can try nothing on it.
fn keyed(app: &App, parts: &[&[u8]]) -> [u8; 32] {
    let key = blake3::derive_key(KEY_CONTEXT, app.key.sign(KEY_CONTEXT, b"key").as_bytes());
    let mut hasher = blake3::Hasher::new_keyed(&key);
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
    }
    *hasher.finalize().as_bytes()
}

pub(super) fn badge_hash(app: &App, badge: &str) -> [u8; 32] {
    keyed(app, &[b"badge", badge.as_bytes()])
}

/// What a role's word means. One that is not known is taken for the role that may least, and is said once.
fn role(word: &str, said: &mut BTreeSet<String>) -> Role {
    word.parse().unwrap_or_else(|_unknown| {
        if said.insert(word.to_owned()) {
            tracing::warn!(role = word, "the role {word:?} is not known: whoever has it may what a barista may");
        }
        Role::Barista
    })
}

/// Takes the people in, in place of those before. A PIN that has not changed is not hashed again. Blocks.
pub(crate) fn load(app: &App, people: &[StaffV1]) -> Result<(), AppError> {
    let before = app.readers.read(store::staff_list)?;
    let (mut rows, mut changed, mut said, mut badges) = (Vec::new(), Vec::new(), BTreeSet::new(), BTreeSet::new());
    for one in people {
        let id = StaffId::new(one.id);
        let pin = one.pin.as_deref();
        let mark = keyed(app, &[b"pin", &one.id.to_be_bytes(), pin.unwrap_or_default().as_bytes()]);
        let known = before.iter().find(|row| row.id == id);
        let same = known.filter(|row| row.mark == mark && row.pin_hash.is_some() == pin.is_some());
        let pin_hash = match same {
            Some(row) => row.pin_hash.clone(),
            None => pin.map(|pin| KeptPassword::make(pin, &*app.entropy)).transpose()?.map(|it| it.as_str().to_owned()),
        };
        let badge_hash = one.badge.as_deref().map(|badge| badge_hash(app, badge)).filter(|hash| badges.insert(*hash));
        if badge_hash.is_none() && one.badge.is_some() {
            tracing::warn!(staff = one.id, "person {} has the badge of somebody else: it is theirs alone", one.id);
        }
        if known.is_some_and(|known| same.is_none() || known.badge_hash != badge_hash) {
            changed.push(id);
        }
        rows.push(StaffRow {
            id,
            name: one.name.clone(),
            role: role(&one.role, &mut said),
            pin_hash,
            badge_hash,
            mark,
        });
    }
    let now = app.clock.now();
    if rows.is_empty() && before.is_empty() {
        return Ok(());
    }
    app.writer.run_blocking("load_staff", move |tx| {
        store::staff_deactivate(tx)?;
        rows.iter().try_for_each(|row| store::staff_put(tx, row))?;
        // Whoever has another PIN or badge begins anew, and whoever is gone is out.
        changed.iter().try_for_each(|id| store::sessions_end(tx, *id, None, now))?;
        store::sessions_of_absent_end(tx, now)?;
        Ok(())
    })
}
