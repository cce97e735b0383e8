//! People of the office: invited, given what they may do, signed in and out.

use std::path::Path;

use percolate_common::identity::person::PersonName;
use percolate_common::ids::StoreId;
use percolate_common::time::UtcMillis;
use percolate_runtime::invitation::{OwnerInvitation, Secret};
use percolate_runtime::password::KeptPassword;
use percolate_runtime::storage::{ReadTx, StorageError, WriteTx};
use percolate_runtime::tasks;
use percolate_runtime::totp::TotpSecret;

use super::app::IdentityApp;
use super::error::IdentityError;
use super::sign_in::{Judgement, judge};
use super::store::{
    Credentials, DoingRow, UserRow, UserState, What, doing_insert, doing_list, invitation_insert, invitations_delete,
    invited_fetch, nobody_failed, user_by_name, user_credentials_set, user_failed, user_insert, user_list,
    user_signed_in, user_state_set,
};
use crate::kernel::auth::roles::{Grant, Place, Role, Scope};
use crate::kernel::auth::sessions::SESSION_MS;
use crate::kernel::auth::store::people::{
    SessionRow, grant_list, grants_put, place_put, session_delete, session_fetch, session_insert,
    sessions_ended_delete, sessions_of_user_delete, store_list,
};

/// How long an invitation can be redeemed.
const INVITATION_MS: i64 = 7 * 24 * 60 * 60 * 1_000;
/// Characters of a password.
const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 12..=128;

/// An invitation, for its holder.
#[derive(Debug)]
pub(crate) struct Invited {
    pub(crate) name: PersonName,
    pub(crate) secret: Secret,
    pub(crate) expires_at: UtcMillis,
}

/// What somebody is told once.
#[derive(Debug)]
pub(crate) struct Redeemed {
    pub(crate) name: String,
    pub(crate) totp: TotpSecret,
    /// The chain's name, for the app that shows codes.
    pub(crate) chain: String,
}

/// A session, as somebody sees their own.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) name: String,
    pub(crate) ends_at: UtcMillis,
    pub(crate) grants: Vec<Grant>,
    /// The shops that smaller grants than the chain's reach.
    pub(crate) stores: Vec<StoreId>,
}

/// What somebody shows to sign in.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) name: String,
    pub(crate) password: String,
    pub(crate) code: String,
    /// The session that their browser had before.
    pub(crate) earlier: Option<[u8; 32]>,
}

impl IdentityApp {
    /// Asks somebody in. Asked again, it ends the earlier invitation; who was disabled is asked in anew.
    pub(crate) async fn invite(&self, name: PersonName, actor: String) -> Result<Invited, IdentityError> {
        let (secret, now) = (Secret::draw(&*self.entropy), self.clock.now());
        let expires_at = UtcMillis::new(now.get().saturating_add(INVITATION_MS));
        let invited = name.clone();
        self.db
            .write("user_invite", move |tx| {
                let id = match user_by_name(tx, &invited)? {
                    Some(user) => {
                        if user.state == UserState::Disabled {
                            user_state_set(tx, user.id, UserState::Invited)?;
                        }
                        user.id
                    }
                    None => user_insert(tx, &invited)?,
                };
                asked_in(tx, id, (&secret, expires_at))?;
                Ok::<_, IdentityError>(doing_insert(tx, (&actor, now), (What::UserInvited, invited.as_str()))?)
            })
            .await?;
        Ok(Invited { name, secret, expires_at })
    }

    /// Asks the chain's first owner in, if a file says so and nobody has taken it up yet.
    pub(super) async fn invite_owner(&self, data_dir: &Path) -> Result<(), IdentityError> {
        let Some(invited) = OwnerInvitation::read(data_dir).map_err(IdentityError::OwnerFile)? else { return Ok(()) };
        let now = self.clock.now();
        self.db
            .write("owner_invite", move |tx| {
                let expires_at = UtcMillis::new(invited.made_at.get().saturating_add(INVITATION_MS));
                if user_by_name(tx, &invited.name)?.is_some() {
                    // The file was taken in at an earlier start, whatever has become of them since.
                    return Ok(());
                }
                let id = user_insert(tx, &invited.name)?;
                asked_in(tx, id, (&invited.secret, expires_at))?;
                grants_put(tx, id, &[Grant { role: Role::Owner, scope: Scope::Chain }])?;
                Ok(doing_insert(tx, ("local", now), (What::UserInvited, invited.name.as_str()))?)
            })
            .await
    }

    /// Somebody chooses a password, and is told once what their app needs to show codes.
    pub(crate) async fn redeem(&self, secret: &Secret, password: String) -> Result<Redeemed, IdentityError> {
        let (hash, now) = (secret.hash(), self.clock.now());
        // Nothing dear is done for what is no invitation.
        let known = self.db.read_async(move |tx| invited_fetch(tx, &hash, now)).await?;
        if known.is_none() {
            return Err(IdentityError::InvitationUnknown);
        }
        if !PASSWORD_CHARS.contains(&password.chars().count()) {
            return Err(IdentityError::PasswordUnfit);
        }
        let entropy = self.entropy.clone();
        let made = self.hashing(move || KeptPassword::make(&password, &*entropy)).await?;
        let password = made.map_err(|_no_memory| IdentityError::Hashing)?;
        let totp = TotpSecret::draw(&*self.entropy);
        let chosen = Credentials { password, totp: totp.clone() };
        let name = self
            .db
            .write("invitation_redeem", move |tx| {
                let user = invited_fetch(tx, &hash, now)?.ok_or(IdentityError::InvitationUnknown)?;
                user_credentials_set(tx, user.id, &chosen)?;
                invitations_delete(tx, user.id)?;
                sessions_of_user_delete(tx, user.id)?;
                doing_insert(tx, (&user.name, now), (What::InvitationRedeemed, ""))?;
                Ok::<_, IdentityError>(user.name)
            })
            .await?;
        Ok(Redeemed { name, totp, chain: self.issuer().chain().name.clone() })
    }

    /// Lets somebody in who shows a right name, password and code. All that is wrong looks the same and takes as long.
    pub(crate) async fn sign_in(&self, shown: Shown) -> Result<(Secret, Session), IdentityError> {
        let Shown { name, password, code, earlier } = shown;
        let name: Option<PersonName> = name.parse().ok();
        let asked = name.clone();
        let user = self
            .db
            .read_async(move |tx| {
                Ok::<_, StorageError>(asked.map(|name| user_by_name(tx, &name)).transpose()?.flatten())
            })
            .await?;
        let kept = user.as_ref().and_then(|user| user.credentials.as_ref());
        let kept = kept.map_or_else(KeptPassword::nobodys, |credentials| credentials.password.clone());
        let checked = kept.clone();
        let fits = self.hashing(move || checked.fits(&password)).await?;
        let (secret, now) = (Secret::draw(&*self.entropy), self.clock.now());
        let hash = secret.hash();
        let session = self
            .db
            .write("sign_in", move |tx| {
                // What was read before may be old: another try has been judged meanwhile, or another password chosen.
                let user =
                    name.map(|name| user_by_name(tx, &name)).transpose()?.flatten().filter(|user| {
                        user.credentials.as_ref().is_none_or(|credentials| credentials.password == kept)
                    });
                let Some(user) = user else {
                    nobody_failed(tx, now)?;
                    return Ok::<_, IdentityError>(None);
                };
                match judge(&user, fits, &code, now) {
                    Judgement::Right { step } => {
                        user_signed_in(tx, user.id, step)?;
                        sessions_ended_delete(tx, now)?;
                        earlier.map(|earlier| session_delete(tx, &earlier)).transpose()?;
                        doing_insert(tx, (&user.name, now), (What::SignedIn, ""))?;
                        begin(tx, &user, (hash, now)).map(Some)
                    }
                    Judgement::Wrong { failures, locked_until } => {
                        user_failed(tx, user.id, (failures, locked_until))?;
                        if now < locked_until {
                            doing_insert(tx, (&user.name, now), (What::Locked, &format!("{failures} wrong tries")))?;
                        }
                        Ok(None)
                    }
                    Judgement::NotTaken => {
                        nobody_failed(tx, now)?;
                        Ok(None)
                    }
                }
            })
            .await?;
        session.map(|session| (secret, session)).ok_or(IdentityError::SignInWrong)
    }

    /// Somebody's own session.
    pub(crate) async fn own_session(&self, hash: [u8; 32]) -> Result<Session, IdentityError> {
        self.db
            .read_async(move |tx| {
                let row = session_fetch(tx, &hash)?.ok_or(IdentityError::SessionUnknown)?;
                Ok(session_of(tx, row)?)
            })
            .await
    }

    /// Ends a session: it is worth nothing from then on, whoever has its cookie.
    pub(crate) async fn sign_out(&self, hash: [u8; 32], actor: String) -> Result<(), IdentityError> {
        let now = self.clock.now();
        self.db
            .write("sign_out", move |tx| {
                session_delete(tx, &hash)?;
                Ok(doing_insert(tx, (&actor, now), (What::SignedOut, ""))?)
            })
            .await
    }

    pub(crate) async fn users(&self) -> Result<Vec<(UserRow, Vec<Grant>)>, IdentityError> {
        self.db
            .read_async(|tx| {
                let mut listed = Vec::new();
                for user in user_list(tx)? {
                    let grants = grant_list(tx, user.id)?;
                    listed.push((user, grants));
                }
                Ok(listed)
            })
            .await
    }

    /// Says what somebody may do from now on, in place of what they might before.
    pub(crate) async fn grants_set(
        &self,
        name: PersonName,
        mut grants: Vec<Grant>,
        actor: String,
    ) -> Result<(), IdentityError> {
        let now = self.clock.now();
        grants.sort_unstable();
        grants.dedup();
        self.db
            .write("grants_set", move |tx| {
                let user = user_by_name(tx, &name)?.ok_or(IdentityError::UserUnknown)?;
                grants_put(tx, user.id, &grants)?;
                let told: Vec<String> = grants.iter().map(|grant| in_words(*grant)).collect();
                let about = format!("{name}: {}", if told.is_empty() { "nothing".to_owned() } else { told.join(", ") });
                Ok(doing_insert(tx, (&actor, now), (What::GrantsSet, &about))?)
            })
            .await
    }

    /// Somebody cannot sign in any more, and is signed out everywhere.
    pub(crate) async fn disable(&self, name: PersonName, actor: String) -> Result<(), IdentityError> {
        let now = self.clock.now();
        self.db
            .write("user_disable", move |tx| {
                let user = user_by_name(tx, &name)?.ok_or(IdentityError::UserUnknown)?;
                user_state_set(tx, user.id, UserState::Disabled)?;
                sessions_of_user_delete(tx, user.id)?;
                invitations_delete(tx, user.id)?;
                Ok(doing_insert(tx, (&actor, now), (What::UserDisabled, name.as_str()))?)
            })
            .await
    }

    /// Says where a shop belongs.
    pub(crate) async fn place(&self, store: StoreId, place: Place, actor: String) -> Result<(), IdentityError> {
        let now = self.clock.now();
        self.db
            .write("place_set", move |tx| {
                place_put(tx, store, place)?;
                let about = format!("{store}: district {}, region {}", place.district, place.region);
                Ok(doing_insert(tx, (&actor, now), (What::PlaceSet, &about))?)
            })
            .await
    }

    pub(crate) async fn doings(&self, before: i64, limit: i64) -> Result<Vec<DoingRow>, IdentityError> {
        Ok(self.db.read_async(move |tx| doing_list(tx, before, limit)).await?)
    }

    /// Does what is dear, one at a time: many at once would take the machine's memory.
    async fn hashing<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, IdentityError> {
        let turn = self.hashing.clone().acquire_owned().await.map_err(|_never_closed| IdentityError::Hashing)?;
        let done = tasks::blocking(move || {
            let _until_it_is_done = turn;
            work()
        });
        done.await.map_err(|_panicked| IdentityError::Hashing)
    }
}

/// Somebody is asked in by this invitation alone.
fn asked_in(tx: &WriteTx<'_>, user: u32, (secret, expires_at): (&Secret, UtcMillis)) -> Result<(), StorageError> {
    invitations_delete(tx, user)?;
    invitation_insert(tx, &secret.hash(), (user, expires_at))
}

fn begin(tx: &WriteTx<'_>, user: &UserRow, (hash, now): ([u8; 32], UtcMillis)) -> Result<Session, IdentityError> {
    let ends_at = UtcMillis::new(now.get().saturating_add(SESSION_MS));
    let row = SessionRow { hash, user: user.id, name: user.name.clone(), seen_at: now, ends_at };
    session_insert(tx, &row)?;
    Ok(session_of(tx, row)?)
}

fn session_of(tx: &ReadTx<'_>, row: SessionRow) -> Result<Session, StorageError> {
    let grants = grant_list(tx, row.user)?;
    let mut stores = Vec::new();
    for grant in &grants {
        stores.extend(store_list(tx, grant.scope)?);
    }
    stores.sort_unstable();
    stores.dedup();
    Ok(Session { name: row.name, ends_at: row.ends_at, grants, stores })
}

fn in_words(grant: Grant) -> String {
    let role = grant.role.as_str();
    match grant.scope {
        Scope::Chain => format!("{role} of the chain"),
        Scope::Region(number) => format!("{role} of region {number}"),
        Scope::District(number) => format!("{role} of district {number}"),
        Scope::Store(store) => format!("{role} of store {store}"),
    }
}
