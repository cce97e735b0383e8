//! The task that keeps the certificate: does what [`super::plan`] says, and tells how it stands.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use percolate_common::entropy::Entropy;
use percolate_common::identity::certificate::Certificate;
use percolate_common::identity::pem::{Label, PemError, encode};
use percolate_common::time::{Clock, UtcMillis};
use percolate_runtime::backoff::jittered_delay;
use percolate_runtime::http::caller::Caller;
use percolate_runtime::mqtt::{LinkConfig, LinkTls};
use percolate_runtime::tasks::blocking;
use percolate_runtime::tls::{OwnCertificate, OwnIdentity, Roots, TlsClock, TlsError, TlsTrouble, client_config};
use tokio_util::sync::CancellationToken;

use super::enrol::enrol;
use super::files::{Files, FilesError};
use super::hub::{Failure, Given, Hub};
use super::member::{Held, Member};
use super::plan::{Known, Lifetime, SPREAD_MS_MAX, Step, floor_to_write};
use super::renew::renew;
use super::trial::try_out;
use crate::app::{App, Enrolment, LinkState};
use crate::causes::with_causes;

/// How often it is looked whether something is due: a clock may be set, and a code may be brought, at any time. It costs a
/// look at one file.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The longest wait before the hub is asked again.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Failures that the wait begins with, so that the first one is of a second or two.
const FAILURES_BEFORE: u32 = 3;

/// Why the certificate cannot be looked after.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeskError {
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What is needed before there is a link: the files, the clock, and whom the link shows.
pub(crate) struct Desk {
    member: Member,
    files: Files,
    clock: Arc<TlsClock>,
    entropy: Arc<dyn Entropy>,
    own: Arc<OwnIdentity>,
    /// What terminals are shown.
    lan: Arc<OwnCertificate>,
    /// Until when that holds.
    lan_until: Option<UtcMillis>,
    link_tls: LinkTls,
    hub: Hub,
    held: Option<Held>,
    new: Option<Held>,
    floor: Option<UtcMillis>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("member", &self.member).finish_non_exhaustive()
    }
}

impl Desk {
    /// Opens the folder, and shows the certificate that lies there.
    pub(crate) fn open(
        member: Member,
        data: &Path,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, DeskError> {
        let files = Files::open(data)?;
        let floor = files.floor();
        let clock = Arc::new(TlsClock::new(clock, member.made_at.max(floor.unwrap_or(member.made_at))));
        let own = Arc::new(OwnIdentity::none());
        let tls = client_config(&member.roots, Some(own.clone()), clock.clone())?;
        let hub = Hub::new(member.https.clone(), Caller::new(client_config(&member.roots, None, clock.clone())?));
        let (held, new) = (usable(&member, files.current()), usable(&member, files.new_one()));
        // One that is older than what is shown was left behind.
        let newer = |new: &Held| held.as_ref().is_none_or(|held| new.leaf.not_before >= held.leaf.not_before);
        let new = new.filter(newer);
        let link_tls = LinkTls::of(tls, own.clone());
        let (lan, lan_until) = (Arc::new(OwnCertificate::none()), None);
        let mut desk = Self { member, files, clock, entropy, own, lan, lan_until, link_tls, hub, held, new, floor };
        if let Some(held) = &desk.held {
            desk.show(held)?;
        }
        if let Some(shown) = usable_lan(&desk.member, desk.files.lan()) {
            desk.show_lan(&shown);
        }
        Ok(desk)
    }

    /// What terminals are shown, as soon as there is a certificate for them.
    pub(crate) fn lan(&self) -> Arc<OwnCertificate> {
        self.lan.clone()
    }

    /// Whom the box believes.
    pub(crate) fn roots(&self) -> &Roots {
        &self.member.roots
    }

    /// The root's certificate in DER.
    pub(crate) fn root(&self) -> &[u8] {
        &self.member.root
    }

    /// The root's certificate in PEM.
    pub(crate) fn root_pem(&self) -> Result<String, PemError> {
        encode(Label::Certificate, &self.member.root)
    }

    /// What time certificates are judged by.
    pub(crate) fn clock(&self) -> Arc<TlsClock> {
        self.clock.clone()
    }

    /// Terminals are shown this certificate from the next handshake on. One that is of no use is told of, and the one before
    /// stays.
    fn show_lan(&mut self, certificates: &[Vec<u8>]) {
        let leaf = certificates.first().and_then(|leaf| Certificate::read(leaf).ok());
        match self.lan.replace(certificates.iter().cloned().map(Into::into).collect(), &self.member.key) {
            Ok(()) => self.lan_until = leaf.map(|leaf| leaf.not_after),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "terminals are not shown the certificate: {error}"
                );
            }
        }
    }

    /// How the link speaks, as soon as there is a certificate.
    pub(crate) fn link_tls(&self) -> LinkTls {
        self.link_tls.clone()
    }

    /// The next connections are made by this certificate. It began in the past.
    fn show(&self, held: &Held) -> Result<(), TlsError> {
        self.own.replace(held.certificates.iter().cloned().map(Into::into).collect(), &self.member.key)?;
        self.clock.raise(held.leaf.not_before);
        Ok(())
    }
}

/// A certificate from a file, if it is there and of use. The box goes on without it otherwise.
fn usable(member: &Member, read: Result<Option<Vec<Vec<u8>>>, FilesError>) -> Option<Held> {
    let told = |error: &dyn std::error::Error| {
        tracing::error!(error = %error, "a certificate in the folder is of no use: {error}");
    };
    let certificates = read.map_err(|error| told(&error)).ok()??;
    member.own(certificates).map_err(|error| told(&error)).ok()
}

/// As [`usable`], of the certificate for terminals.
fn usable_lan(member: &Member, read: Result<Option<Vec<Vec<u8>>>, FilesError>) -> Option<Vec<Vec<u8>>> {
    let told = |error: &dyn std::error::Error| {
        tracing::error!(error = %error, "the certificate for terminals is of no use: {error}");
    };
    let certificates = read.map_err(|error| told(&error)).ok()??;
    member.own_lan(certificates).map_err(|error| told(&error)).ok()?
}

/// Keeps the certificate.
pub(crate) struct Keeper {
    desk: Desk,
    app: App,
    /// How the link is made, for a trial beside it.
    link: LinkConfig,
    known: Known,
    /// How the last step failed, for programs and for a person.
    failed: Option<(&'static str, String)>,
}

impl Keeper {
    /// Of a node that is open. It stands at once how it stands, for whoever asks.
    pub(crate) fn new(desk: Desk, app: App, link: LinkConfig) -> Self {
        let spread = desk.entropy.next_u64() % SPREAD_MS_MAX.unsigned_abs();
        let known = Known {
            spread_ms: spread.cast_signed(),
            has_code: desk.files.has_code(),
            has_new: desk.new.is_some(),
            ..Known::default()
        };
        let mut keeper = Self { desk, app, link, known, failed: None };
        if keeper.desk.held.is_none() {
            keeper.app.present.set_link(LinkState::NotEnrolled);
        }
        keeper.shown_lan(None);
        keeper.note();
        keeper.tell(keeper.desk.clock.now());
        keeper
    }

    /// Keeps it until it is stopped. What is being written then is written to its end.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(self.keep()).await;
    }

    async fn keep(&mut self) {
        let mut troubles = self.app.present.troubles();
        loop {
            let trouble = *troubles.borrow_and_update();
            self.look(trouble).await;
            let now = self.desk.clock.now();
            let step = self.known.next(now);
            if step == Step::Wait {
                self.tell(now);
                tokio::select! {
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    Ok(()) = troubles.changed() => {}
                }
            } else {
                self.take(step, now).await;
                self.tell(now);
            }
        }
    }

    /// Looks at what others may have changed.
    async fn look(&mut self, trouble: Option<TlsTrouble>) {
        let now = self.desk.clock.now();
        if self.known.trouble.map(|(told, _)| told) != trouble {
            self.known.trouble = trouble.map(|told| (told, now));
        }
        let files = self.desk.files.clone();
        let floor = floor_to_write(self.desk.floor, self.app.present.agreed());
        let looked = blocking(move || {
            let written = floor.map_or(Ok(()), |floor| files.put_floor(floor));
            (files.has_code(), written)
        });
        let Ok((has_code, written)) = looked.await else { return };
        if has_code && !self.known.has_code {
            // Another one was brought, and nothing that was said of the one before counts.
            self.known.enrolment = Default::default();
            self.known.refusal = None;
        }
        self.known.has_code = has_code;
        match (floor, written) {
            (Some(floor), Ok(())) => {
                self.desk.clock.raise(floor);
                self.desk.floor = Some(floor);
            }
            (Some(_), Err(error)) => tracing::warn!(error = &error as &dyn std::error::Error, "the time is not noted"),
            (None, _) => {}
        }
    }

    async fn take(&mut self, step: Step, now: UtcMillis) {
        let ended = match step {
            Step::Enrol => self.enrol(now).await,
            Step::Renew => self.renew().await,
            Step::Try => self.try_new().await,
            Step::Wait => Ok(()),
        };
        let tries = match step {
            Step::Enrol => self.known.enrolment,
            Step::Renew => self.known.renewal,
            Step::Try | Step::Wait => self.known.trial,
        };
        let failures = tries.failures().saturating_add(FAILURES_BEFORE);
        let retry = jittered_delay(failures, RETRY_MAX, &*self.desk.entropy);
        let retry_ms = i64::try_from(retry.as_millis()).unwrap_or(i64::MAX);
        self.known.ended(step, ended.as_ref().copied(), now, retry_ms);
        self.note();
        self.failed = ended.err().map(|failure| {
            let code = failure.code();
            metrics::counter!("node_identity_failures_total", "code" => code).increment(1);
            (code, with_causes(&failure))
        });
    }

    async fn enrol(&mut self, now: UtcMillis) -> Result<(), Failure> {
        let files = self.desk.files.clone();
        let code = blocking(move || files.code()).await??;
        let asked = enrol(&self.desk.hub, &self.desk.member, &code, &*self.desk.entropy).await;
        let files = self.desk.files.clone();
        match asked {
            Ok(Given { held, lan }) => {
                let (certificates, kept) = (held.certificates.clone(), lan.clone());
                blocking(move || {
                    kept.map_or(Ok(()), |lan| files.put_lan(&lan))?;
                    // The code goes last: whoever is stopped before asks again, and is given the same.
                    files.put_current(&certificates).and_then(|()| files.remove_code())
                })
                .await??;
                self.shown_lan(lan.as_deref());
                self.shown(held)
            }
            Err(failure) if self.known.code_is_spent(failure.refusal(), now) => {
                tracing::info!("the code that was left here has done its work, and is removed");
                Ok(blocking(move || files.remove_code()).await??)
            }
            Err(failure) => Err(failure),
        }
    }

    async fn renew(&mut self) -> Result<(), Failure> {
        let Some(held) = &self.desk.held else { return Ok(()) };
        let Given { held: new, lan } = renew(&self.desk.hub, &self.desk.member, held).await?;
        let (files, certificates, kept) = (self.desk.files.clone(), new.certificates.clone(), lan.clone());
        blocking(move || {
            kept.map_or(Ok(()), |lan| files.put_lan(&lan))?;
            files.put_new(&certificates)
        })
        .await??;
        self.shown_lan(lan.as_deref());
        self.desk.new = Some(new);
        Ok(())
    }

    async fn try_new(&mut self) -> Result<(), Failure> {
        let desk = &self.desk;
        let Some(new) = desk.new.clone() else { return Ok(()) };
        try_out(&self.link, &desk.member, &new, desk.clock.clone(), desk.entropy.clone()).await?;
        let files = desk.files.clone();
        blocking(move || files.promote()).await??;
        self.shown(new)
    }

    /// Terminals are shown another certificate, if there is one. It needs no trial: they would say so.
    fn shown_lan(&mut self, lan: Option<&[Vec<u8>]>) {
        if let Some(lan) = lan {
            self.desk.show_lan(lan);
        }
        if let Some(until) = self.desk.lan_until {
            self.app.present.set_lan_until(until);
        }
    }

    /// Another certificate is in force.
    fn shown(&mut self, held: Held) -> Result<(), Failure> {
        self.desk.show(&held)?;
        let until_ms = held.leaf.not_after.get();
        tracing::info!(certificate.serial = %held.leaf.serial, until_ms, "the box shows certificate {}", held.leaf.serial);
        (self.desk.held, self.desk.new) = (Some(held), None);
        self.app.present.set_trouble(None);
        if self.app.present.link() == LinkState::NotEnrolled {
            self.app.present.set_link(LinkState::Down);
        }
        Ok(())
    }

    /// Takes note of the certificates that there are.
    fn note(&mut self) {
        self.known.life = self
            .desk
            .held
            .as_ref()
            .map(|held| Lifetime { not_before: held.leaf.not_before, not_after: held.leaf.not_after });
    }

    /// Tells how it stands, and says it in the log when that is another state.
    fn tell(&self, now: UtcMillis) {
        let state = self.known.state(now);
        let not_after = self.known.life.map(|life| life.not_after);
        let left_s = not_after.map_or(0, |until| until.get().saturating_sub(now.get()) / 1_000);
        metrics::gauge!("node_certificate_left_seconds").set(f64::from(i32::try_from(left_s).unwrap_or(i32::MAX)));
        let (code, why) = self.failed.clone().unzip();
        let enrolment = Enrolment {
            state: state.as_str(),
            not_after_ms: not_after.map(UtcMillis::get),
            code,
            detail: why.map_or_else(|| state.sentence().to_owned(), |why| format!("{} ({why})", state.sentence())),
        };
        let before = self.app.present.set_enrolment(enrolment.clone());
        if before.is_some_and(|before| before.state == enrolment.state && before.code == enrolment.code) {
            return;
        }
        match code {
            Some(code) => tracing::warn!(identity.state = state.as_str(), code, "{}", enrolment.detail),
            None => tracing::info!(identity.state = state.as_str(), "{}", enrolment.detail),
        }
    }
}
