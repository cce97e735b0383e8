//! Terminals are paired with their box, listed, and revoked.

use percolate_common::domain::terminals::{
    PAIRING_MS, Pairing, PairingRejection, Redeemed, Redemption, Shown, TerminalKind, redeem as decide_redemption,
};
use percolate_common::domain::tickets::receipt::TerminalName;
use percolate_common::identity::pairing::{PAIRING_IDS, PairingCode, PairingId, SECRET_DIGITS};
use percolate_common::time::UtcMillis;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::error::AppError;
use super::tickets::RequestKey;
use crate::store::terminals::{self as store, PairingRow, TerminalRow};

/// Pairings that are kept at once. At the limit: 409 `pairings_full`.
const PAIRINGS_MAX: usize = 64;
/// How long a pairing is remembered after its end, in milliseconds: whoever comes late is told so.
const REMEMBERED_MS: i64 = 60 * 60 * 1_000;

const SECRET_CONTEXT: &str = "percolate 2026 secrets of a shop's terminals";

/// A pairing that waits for its terminal.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct PairingAnswer {
    /// What is typed at the terminal; a secret until then. It pairs one, within ten minutes.
    pub(crate) code: String,
    /// The name of the terminal, as on receipts.
    pub(crate) terminal: String,
    /// `till` or `kitchen`.
    #[schema(value_type = String)]
    pub(crate) kind: &'static str,
    /// When the code ends, UTC milliseconds.
    pub(crate) expires_at_ms: i64,
    /// Where terminals find the box in the shop's network, the first name first; none where it serves none there.
    pub(crate) https: Vec<String>,
    /// What the terminal opens to be paired; null where the box serves none in the shop's network.
    pub(crate) link: Option<String>,
    /// SHA-256 of the chain's root certificate, which the terminal must show, too; null on a box that no bundle has made.
    pub(crate) root_sha256: Option<String>,
}

/// What a terminal is given, once.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct PairedAnswer {
    /// What it shows from now on, as `Authorization: Bearer`: a secret.
    pub(crate) token: String,
    /// Its name, as on receipts.
    pub(crate) terminal: String,
    /// `till` or `kitchen`.
    #[schema(value_type = String)]
    pub(crate) kind: &'static str,
    /// The shop's number.
    pub(crate) store: u32,
    /// The shop's name.
    pub(crate) store_name: String,
}

/// A terminal, as a list has it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct TerminalAnswer {
    /// Its name, as on receipts.
    name: String,
    /// `till` or `kitchen`.
    #[schema(value_type = String)]
    kind: &'static str,
    /// What it is, as it said itself.
    device: String,
    /// `paired` or `revoked`.
    #[schema(value_type = String)]
    state: &'static str,
    /// When it was paired, UTC milliseconds.
    paired_at_ms: i64,
    /// When it was revoked, UTC milliseconds.
    revoked_at_ms: Option<i64>,
    /// When it asked last, UTC milliseconds. After a loss of power it may be an earlier time than it was.
    seen_at_ms: Option<i64>,
}

/// What comes of a code.
#[derive(Debug)]
pub(crate) enum Outcome {
    Paired(PairedAnswer, Redemption),
    Refused(PairingRejection),
}

/// Secret bytes that only this box can make, and makes again for the same salt: its signatures need no chance.
fn secret(app: &App, salt: &[u8; 32], what: &[u8]) -> blake3::OutputReader {
    let mut hasher = blake3::Hasher::new_derive_key(SECRET_CONTEXT);
    hasher.update(app.key.sign(SECRET_CONTEXT, salt).as_bytes()).update(what);
    hasher.finalize_xof()
}

fn code(app: &App, id: PairingId, salt: &[u8; 32]) -> PairingCode {
    let mut digits = [0; SECRET_DIGITS];
    secret(app, salt, b"code").fill(&mut digits);
    PairingCode::new(id, digits)
}

/// The token of whoever redeemed a pairing by a key. The key never leaves that device but in this one request: who reads the
/// database, and the box's key, too, does not have it.
fn token(app: &App, salt: &[u8; 32], by: &str) -> String {
    let mut bytes = [0; 32];
    secret(app, salt, &[b"token ", by.as_bytes()].concat()).fill(&mut bytes);
    blake3::Hash::from_bytes(bytes).to_hex().to_string()
}

fn waiting(app: &App, row: &PairingRow) -> PairingAnswer {
    let code = code(app, row.id, &row.salt).to_string();
    let lan = app.present.lan();
    let https = lan.as_ref().map(|lan| lan.urls.clone()).unwrap_or_default();
    PairingAnswer {
        link: https.first().map(|url| format!("{url}/pair#{code}")),
        code,
        terminal: row.name.to_string(),
        kind: row.kind.as_str(),
        expires_at_ms: row.state.expires_at.get(),
        https,
        root_sha256: lan.map(|lan| lan.root_sha256.clone()),
    }
}

/// Takes the terminals that are known into memory.
pub(crate) fn load(app: &App) -> Result<(), AppError> {
    let rows = app.readers.read(store::terminal_list)?;
    app.terminals.load(&rows);
    Ok(())
}

/// Has a pairing wait for its terminal. Tells whether the request had done so before.
pub(crate) fn open_pairing(
    app: &App,
    tx: &WriteTx<'_>,
    (name, kind): (TerminalName, TerminalKind),
    key: &RequestKey,
) -> Result<(PairingAnswer, bool), AppError> {
    if let Some(row) = store::pairing_by_request(tx, &key.key_hash)? {
        if row.body_hash != key.body_hash {
            return Err(AppError::KeyReused);
        }
        return Ok((waiting(app, &row), true));
    }
    app.check_files()?;
    let now = app.clock.now();
    store::pairing_forget(tx, UtcMillis::new(now.get().saturating_sub(REMEMBERED_MS)))?;
    let taken = store::pairing_ids(tx)?;
    if taken.len() >= PAIRINGS_MAX {
        return Err(AppError::PairingsFull);
    }
    let mut id = PairingId::draw(&*app.entropy);
    for _ in 0..PAIRING_IDS {
        if !taken.contains(&id.get()) {
            break;
        }
        id = id.next();
    }
    let mut salt = [0; 32];
    app.entropy.fill(&mut salt);
    let expires_at = UtcMillis::new(now.get().saturating_add(PAIRING_MS));
    let state = Pairing { expires_at, tries: 0, redeemed: None };
    let row = PairingRow { id, salt, body_hash: key.body_hash, name, kind, state };
    store::pairing_insert(tx, &row, &key.key_hash)?;
    Ok((waiting(app, &row), false))
}

/// Pairs a terminal by a code. `by` is the request's key, new for each terminal: whoever asks again by the same within a
/// minute is given the same token, which is kept nowhere.
///
/// A wrong code is written down, so that a refusal is an outcome here and no error.
pub(crate) fn redeem(
    app: &App,
    tx: &WriteTx<'_>,
    (shown, device): (&PairingCode, &str),
    by: &str,
) -> Result<Outcome, AppError> {
    let Some(row) = store::pairing_fetch(tx, shown.id())? else {
        return Ok(Outcome::Refused(PairingRejection::Unknown));
    };
    let now = app.clock.now();
    let right = code(app, row.id, &row.salt).to_string();
    // Hashes are compared in constant time.
    let is_right = blake3::hash(right.as_bytes()) == blake3::hash(shown.to_string().as_bytes());
    let by_hash = *blake3::hash(by.as_bytes()).as_bytes();
    let redemption = match decide_redemption(&row.state, &Shown { is_right, by: by_hash }, now) {
        Ok(redemption) => redemption,
        Err(rejection) => {
            if rejection == PairingRejection::Unknown {
                store::pairing_tried(tx, row.id)?;
            }
            return Ok(Outcome::Refused(rejection));
        }
    };
    let token = token(app, &row.salt, by);
    let hash = *blake3::hash(token.as_bytes()).as_bytes();
    match redemption {
        Redemption::Again => {
            let held = store::terminal_fetch(tx, &hash)?;
            if held.is_none_or(|held| held.revoked_at.is_some()) {
                return Ok(Outcome::Refused(PairingRejection::Used));
            }
        }
        Redemption::First => {
            app.check_files()?;
            let terminal = TerminalRow {
                hash,
                name: row.name.clone(),
                kind: row.kind,
                device: device.to_owned(),
                paired_at: now,
                revoked_at: None,
                seen_at: None,
            };
            store::pairing_redeemed(tx, row.id, &Redeemed { at: now, by: by_hash })?;
            store::terminal_revoke(tx, &row.name, now)?;
            store::terminal_insert(tx, &terminal)?;
            app.terminals.paired(&terminal);
        }
    }
    let answer = PairedAnswer {
        token,
        terminal: row.name.to_string(),
        kind: row.kind.as_str(),
        store: app.identity.store.get(),
        store_name: app.identity.described.name.clone(),
    };
    Ok(Outcome::Paired(answer, redemption))
}

fn answer(app: &App, row: &TerminalRow) -> TerminalAnswer {
    let seen_at = app.terminals.by_hash(&row.hash).and_then(|known| known.seen_at()).or(row.seen_at);
    TerminalAnswer {
        name: row.name.to_string(),
        kind: row.kind.as_str(),
        device: row.device.clone(),
        state: if row.revoked_at.is_some() { "revoked" } else { "paired" },
        paired_at_ms: row.paired_at.get(),
        revoked_at_ms: row.revoked_at.map(UtcMillis::get),
        seen_at_ms: seen_at.map(UtcMillis::get),
    }
}

/// The terminals, one of each name.
pub(crate) fn list(app: &App, tx: &ReadTx<'_>) -> Result<Vec<TerminalAnswer>, AppError> {
    let mut rows = store::terminal_list(tx)?;
    rows.dedup_by(|later, first| later.name == first.name);
    Ok(rows.iter().map(|row| answer(app, row)).collect())
}

/// Revokes the terminal of a name. Once more changes nothing.
pub(crate) fn revoke(app: &App, tx: &WriteTx<'_>, name: &TerminalName) -> Result<TerminalAnswer, AppError> {
    store::terminal_revoke(tx, name, app.clock.now())?;
    let row = store::terminal_by_name(tx, name)?.ok_or(AppError::NotFound("terminal"))?;
    app.terminals.revoked(name);
    Ok(answer(app, &row))
}

/// Writes down when terminals were seen, where that is not written yet.
pub(crate) async fn note_seen(app: &App) -> Result<(), AppError> {
    if !app.terminals.are_unnoted() {
        return Ok(());
    }
    let noting = app.clone();
    app.writer.run("note_terminals", move |tx| Ok(noting.terminals.note_now(tx)?)).await
}
