//! Who sends a request, and whether that is enough for what it asks.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use tokio::sync::watch;

use super::audit::AUDIT;
use super::password::{CurrentPassword, Password};
use super::request::{bearer, session_cookie};
use super::routes::Access;
use super::session::{Lifetimes, Sessions};
use super::throttle::{GuessRule, Guesses};
use super::token::{TokenAccess, Tokens};
use super::turnstile::Turnstile;

/// For whoever is sent away because too many came at once.
const COME_AGAIN: Duration = Duration::from_secs(1);

/// Who sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    Nobody,
    /// The technician, with the log-in's cookie and CSRF token.
    Technician {
        cookie: String,
        csrf: String,
    },
    /// A script.
    Token {
        name: String,
        access: TokenAccess,
    },
}

impl std::fmt::Display for Who {
    /// For the audit lines: no secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nobody => f.write_str("nobody"),
            Self::Technician { .. } => f.write_str("the technician"),
            Self::Token { name, .. } => write!(f, "token {name:?}"),
        }
    }
}

impl Who {
    /// Whether this sender may use an address with this access.
    pub(super) fn may(&self, access: Access) -> bool {
        match (access, self) {
            (Access::Open, _) | (_, Self::Technician { .. }) | (Access::Read, Self::Token { .. }) => true,
            (Access::Full, Self::Token { access, .. }) => *access == TokenAccess::Full,
            (Access::Technician | Access::TechnicianChange, Self::Token { .. }) | (_, Self::Nobody) => false,
        }
    }
}

/// Must wait so long before another guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MustWait(pub(super) Duration);

/// What a log-in led to.
pub(super) enum LogIn {
    /// The new cookie.
    Opened(String),
    /// It was compared. Before another try the address must wait so long, if at all.
    Wrong(Option<Duration>),
    /// It was not compared: the address must wait so long.
    MustWait(Duration),
}

/// Decides who may do what: password, tokens, sessions, and their delays.
pub(super) struct AccessGuard {
    password: Arc<CurrentPassword>,
    tokens: Tokens,
    sessions: Mutex<Sessions>,
    passwords_guessed: Mutex<Guesses>,
    tokens_guessed: Mutex<Guesses>,
    /// Log-ins refused unread since the last one that was compared: told with the next, for a line each would
    /// fill the log.
    unread: AtomicU32,
    /// Password checks: each takes 19 MiB and a tenth of a second of a core, so there are two at once at
    /// most, one for addresses that knew the password before and one for all others.
    checks: [Turnstile; 2],
    /// Becomes true when the first password need not be shown any more: it was used, or there is another.
    entered: watch::Sender<bool>,
}

impl AccessGuard {
    pub(super) fn new(password: Arc<CurrentPassword>, tokens: Tokens, lifetimes: Lifetimes) -> Self {
        let now = Instant::now();
        Self {
            entered: watch::Sender::new(false),
            password,
            tokens,
            sessions: Mutex::new(Sessions::new(lifetimes)),
            passwords_guessed: Mutex::new(Guesses::new(GuessRule::PASSWORD, now)),
            tokens_guessed: Mutex::new(Guesses::new(GuessRule::TOKEN, now)),
            unread: AtomicU32::new(0),
            checks: Default::default(),
        }
    }

    /// Who sent these headers. A token comes before a cookie: who sends one means it.
    /// `by_a_person` is false for what an open page asks by itself, which does not keep a log-in alive.
    pub(super) fn who(&self, headers: &HeaderMap, from: IpAddr, by_a_person: bool) -> Result<Who, MustWait> {
        let now = Instant::now();
        if let Some(token) = bearer(headers) {
            // A right token never waits for wrong ones from the same address: 256 random bits cannot be
            // guessed, however fast.
            if let Some((name, access)) = self.tokens.find(token) {
                return Ok(Who::Token { name, access });
            }
            let mut guesses = lock(&self.tokens_guessed);
            if let Some(wait) = guesses.wait(from, now) {
                return Err(MustWait(wait));
            }
            guesses.failed(from, now);
            log::warn!(target: AUDIT, "an unknown token came from {from}");
            return Ok(Who::Nobody);
        }
        let Some(cookie) = session_cookie(headers) else { return Ok(Who::Nobody) };
        self.password();
        Ok(match lock(&self.sessions).csrf(cookie, now, by_a_person) {
            Some(csrf) => Who::Technician { cookie: cookie.to_owned(), csrf },
            None => Who::Nobody,
        })
    }

    /// Whether these headers would still be let in: asked by streams, which do not keep a log-in alive.
    pub(super) fn still(&self, headers: &HeaderMap) -> bool {
        match (bearer(headers), session_cookie(headers)) {
            (Some(token), _) => self.tokens.find(token).is_some(),
            (None, Some(cookie)) => {
                self.password();
                lock(&self.sessions).csrf(cookie, Instant::now(), false).is_some()
            }
            (None, None) => false,
        }
    }

    /// Tells when the first password need not be shown any more.
    pub(super) fn entered(&self) -> watch::Receiver<bool> {
        self.entered.subscribe()
    }

    /// How long this address must wait before it may try a password.
    pub(super) fn must_wait(&self, from: IpAddr) -> Option<Duration> {
        lock(&self.passwords_guessed).wait(from, Instant::now())
    }

    /// Compares a password, when this address may try one.
    pub(super) async fn log_in(&self, attempt: String, from: IpAddr) -> LogIn {
        let line = {
            let mut guesses = lock(&self.passwords_guessed);
            let now = Instant::now();
            if let Some(wait) = guesses.wait(from, now) {
                self.unread.fetch_add(1, Ordering::Relaxed);
                return LogIn::MustWait(wait);
            }
            guesses.failed(from, now);
            usize::from(guesses.knows(from))
        };
        let Some(_turn) = self.checks[line].enter().await else {
            lock(&self.passwords_guessed).not_compared(from);
            self.unread.fetch_add(1, Ordering::Relaxed);
            return LogIn::MustWait(COME_AGAIN);
        };
        let password = self.password();
        let current = Arc::clone(&self.password);
        let compared = tokio::task::spawn_blocking(move || {
            let right = password.is(&attempt);
            if right {
                current.is_used();
            }
            right
        });
        let right = compared.await.unwrap_or(false);
        let unread = match self.unread.swap(0, Ordering::Relaxed) {
            0 => String::new(),
            refused => format!(
                "; before it {refused} log-ins from anywhere were refused unread, for coming too fast"
            ),
        };
        if !right {
            log::warn!(target: AUDIT, "a wrong password came from {from}{unread}");
            lock(&self.passwords_guessed).answered(from, Instant::now());
            return LogIn::Wrong(self.must_wait(from));
        }
        lock(&self.passwords_guessed).succeeded(from);
        self.entered.send_replace(true);
        log::info!(target: AUDIT, "the technician logged in from {from}{unread}");
        LogIn::Opened(lock(&self.sessions).open(Instant::now()).cookie)
    }

    /// The present password. When it is a new one, every log-in with the old one ends.
    fn password(&self) -> Password {
        let (password, is_new) = self.password.present();
        if is_new {
            lock(&self.sessions).close_all();
            self.entered.send_replace(true);
            log::info!(target: AUDIT, "the password was changed; every log-in has ended");
        }
        password
    }

    /// Ends a log-in.
    pub(super) fn log_out(&self, cookie: &str, from: IpAddr) {
        lock(&self.sessions).close(cookie);
        log::info!(target: AUDIT, "the technician logged out from {from}");
    }
}

fn lock<T>(table: &Mutex<T>) -> MutexGuard<'_, T> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use base::secret::Secret;

    use super::*;
    use crate::password;
    use crate::token::TokenFile;

    #[tokio::test]
    async fn many_addresses_that_guess_at_once_do_not_keep_the_right_password_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let hash = password::hash(&Secret::new("correct horse")).unwrap();
        let current = CurrentPassword::new(Password::parse(&hash, "here"), None);
        let lifetimes = Lifetimes { idle: Duration::from_secs(60), longest: Duration::from_secs(60) };
        let tokens = Tokens::new(Default::default(), TokenFile::below(folder.path()));
        let door = Arc::new(AccessGuard::new(Arc::new(current), tokens, lifetimes));
        let begun = Instant::now();
        assert!(matches!(door.log_in("a guess".to_owned(), ip(0)).await, LogIn::Wrong(_)));
        let one = begun.elapsed();
        let guesses: Vec<_> = (1..=250)
            .map(|host| {
                let door = Arc::clone(&door);
                tokio::spawn(async move { door.log_in("a guess".to_owned(), ip(host)).await })
            })
            .collect();
        tokio::task::yield_now().await;
        let begun = Instant::now();
        // Somebody in the middle of the crowd may be told to come again, and does.
        while let LogIn::MustWait(wait) = door.log_in("correct horse".to_owned(), ip(1000)).await {
            tokio::time::sleep(wait).await;
        }
        let waited = begun.elapsed();
        assert!(door.must_wait(ip(1000)).is_none());
        assert!(waited < 2 * COME_AGAIN + 20 * one, "{waited:?}, where one check takes {one:?}");
        // Who knew it once has a line of their own.
        let begun = Instant::now();
        assert!(matches!(door.log_in("correct horse".to_owned(), ip(1000)).await, LogIn::Opened(_)));
        assert!(begun.elapsed() < 20 * one);
        for guess in guesses {
            assert!(!matches!(guess.await.unwrap(), LogIn::Opened(_)));
        }
        assert!(door.must_wait(ip(250)).is_none_or(|wait| wait <= Duration::from_secs(2)));
    }

    fn ip(host: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + host).into())
    }

    #[test]
    fn rights_are_as_narrow_as_they_read() {
        let technician = Who::Technician { cookie: String::new(), csrf: String::new() };
        let token = |access| Who::Token { name: "x".to_owned(), access };
        let every = [Access::Open, Access::Read, Access::Full, Access::Technician, Access::TechnicianChange];
        let rights = |who: &Who| every.map(|access| who.may(access));
        assert_eq!(rights(&Who::Nobody), [true, false, false, false, false]);
        assert_eq!(rights(&token(TokenAccess::Read)), [true, true, false, false, false]);
        assert_eq!(rights(&token(TokenAccess::Full)), [true, true, true, false, false]);
        assert_eq!(rights(&technician), [true; 5]);
    }
}
