//! Who looks after the servers: starts one again when it has ended, as the system's service manager would, and ends them
//! all with the demo.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::diary::Diary;
use super::servers::{LOOK_EVERY_MS, Server, ServerError, ServerSpec, Who};

/// When a server that is killed may start again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// As soon as its end is seen.
    AtOnce,
    /// Not before it is released: its room has no power.
    WhenReleased,
}

#[derive(Debug)]
struct Post {
    server: Server,
    /// Whether it must stay down.
    dark: bool,
    /// Whether its next end is no surprise.
    expected: bool,
}

/// The servers that run, the head office among them.
#[derive(Debug)]
pub struct Crew {
    posts: Mutex<Vec<Post>>,
    restarts: AtomicU64,
    diary: Arc<Diary>,
}

impl Crew {
    /// Looks after these servers from now on.
    #[must_use]
    pub fn new(servers: Vec<Server>, diary: Arc<Diary>) -> Self {
        let posts = servers.into_iter().map(|server| Post { server, dark: false, expected: false }).collect();
        Self { posts: Mutex::new(posts), restarts: AtomicU64::new(0), diary }
    }

    /// Looks after one more.
    pub fn add(&self, server: Server) {
        self.lock().push(Post { server, dark: false, expected: false });
    }

    /// What a server was started with.
    #[must_use]
    pub fn spec(&self, who: Who) -> Option<ServerSpec> {
        self.lock().iter().find(|post| post.server.spec.who == who).map(|post| post.server.spec.clone())
    }

    /// The number of a server's process at this moment; it changes when the server is started again.
    #[must_use]
    pub fn pid(&self, who: Who) -> Option<u32> {
        self.lock().iter().find(|post| post.server.spec.who == who)?.server.pid()
    }

    /// How often a server had ended and was started again.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// Kills a server as a power cut would.
    pub fn kill(&self, who: Who, again: Again) {
        self.with(who, |post| {
            post.expected = true;
            post.dark = again == Again::WhenReleased;
            post.server.signal(Signal::KILL);
        });
    }

    /// Lets a server that was kept down start again.
    pub fn release(&self, who: Who) {
        self.with(who, |post| post.dark = false);
    }

    /// Lets a server's process stand still, so that its disk can be copied as it is.
    pub fn freeze(&self, who: Who) {
        self.with(who, |post| post.server.signal(Signal::STOP));
    }

    /// Lets it go on.
    pub fn thaw(&self, who: Who) {
        self.with(who, |post| post.server.signal(Signal::CONT));
    }

    /// Ends a server in order, and looks after it no more.
    pub async fn retire(&self, who: Who) {
        let server = {
            let mut posts = self.lock();
            let at = posts.iter().position(|post| post.server.spec.who == who);
            at.map(|at| posts.remove(at).server)
        };
        if let Some(server) = server {
            server.stop().await;
        }
    }

    /// Looks after the servers until told to stop, then ends them all, the head office last.
    ///
    /// # Errors
    /// [`ServerError`] if one cannot be kept up; the others are ended then.
    pub async fn keep_up(&self, stop: CancellationToken) -> Result<(), ServerError> {
        let outcome = loop {
            let pause = Duration::from_millis(LOOK_EVERY_MS);
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                break Ok(());
            }
            if let Err(error) = self.revive_all() {
                break Err(error);
            }
        };
        self.stop_all().await;
        outcome
    }

    fn revive_all(&self) -> Result<(), ServerError> {
        for post in self.lock().iter_mut() {
            if post.dark {
                continue;
            }
            let Some(status) = post.server.ended() else { continue };
            post.server.revive()?;
            self.restarts.fetch_add(1, Ordering::Relaxed);
            if !std::mem::take(&mut post.expected) {
                let (name, pid) = (&post.server.spec.name, post.server.pid().unwrap_or_default());
                self.diary.note(&format!("{name} had ended ({status})"), &format!("started again as process {pid}"));
            }
        }
        Ok(())
    }

    /// Shops first: their last words still reach the head office. All at once, for each may take a moment.
    async fn stop_all(&self) {
        let posts = std::mem::take(&mut *self.lock());
        let (offices, shops): (Vec<_>, Vec<_>) =
            posts.into_iter().map(|post| post.server).partition(|server| server.spec.who == Who::Office);
        for servers in [shops, offices] {
            let mut stopping = JoinSet::new();
            for server in servers {
                stopping.spawn(server.stop());
            }
            stopping.join_all().await;
        }
    }

    fn with(&self, who: Who, change: impl FnOnce(&mut Post)) {
        if let Some(post) = self.lock().iter_mut().find(|post| post.server.spec.who == who) {
            change(post);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Post>> {
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
