//! Who sends a request, and whether that is enough for what it asks.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use tokio::sync::watch;

use super::request::{bearer, session_cookie};
use super::routes::Access;
use access::account::{Accounts, TECHNICIAN};
use access::audit::AUDIT;
use access::password::{CurrentPassword, Password};
use access::role::Role;
use access::session::{Found, Lifetimes, Sessions};
use access::throttle::{GuessRule, Guesses};
use access::token::{TokenAccess, Tokens};
use access::turnstile::Turnstile;

/// For whoever is sent away because too many came at once.
const COME_AGAIN: Duration = Duration::from_secs(1);

/// Who sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    Nobody,
    /// A person who is logged in, with the log-in's cookie and CSRF token.
    Person {
        account: String,
        role: Role,
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
            Self::Person { account, .. } if account == TECHNICIAN => f.write_str("the technician"),
            Self::Person { account, role, .. } => write!(f, "{account} ({role})"),
            Self::Token { name, .. } => write!(f, "token {name:?}"),
        }
    }
}

impl Who {
    /// Whether this sender may use an address with this access, which needs `least` of a role.
    pub(super) fn may(&self, access: Access, least: Role) -> bool {
        match (access, self) {
            (Access::Open, _) => true,
            (_, Self::Nobody) => false,
            (_, Self::Person { role, .. }) => *role >= least,
            (Access::Person | Access::PersonChange, Self::Token { .. }) => false,
            (_, Self::Token { access: token, .. }) => match (token.role(), access) {
                (Some(role), _) => role >= least,
                (None, Access::Read) => true,
                (None, Access::Full) => *token == TokenAccess::Full,
                (None, _) => false,
            },
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
    accounts: Arc<Accounts>,
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
    pub(super) fn new(
        password: Arc<CurrentPassword>,
        accounts: Arc<Accounts>,
        tokens: Tokens,
        lifetimes: Lifetimes,
    ) -> Self {
        let now = Instant::now();
        Self {
            entered: watch::Sender::new(false),
            password,
            accounts,
            tokens,
            sessions: Mutex::new(Sessions::new(lifetimes)),
            passwords_guessed: Mutex::new(Guesses::new(GuessRule::PASSWORD, now)),
            tokens_guessed: Mutex::new(Guesses::new(GuessRule::TOKEN, now)),
            unread: AtomicU32::new(0),
            checks: Default::default(),
        }
    }

    /// Who sent these headers. A token takes precedence over a cookie: it was sent on purpose.
    /// `by_a_person` is false for what an open page requests automatically, which does not keep a log-in
    /// alive.
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
        Ok(self.logged_in(cookie, now, by_a_person).map_or(Who::Nobody, |(account, role, csrf)| {
            Who::Person { account, role, cookie: cookie.to_owned(), csrf }
        }))
    }

    /// Whose log-in this is, with which role and CSRF token. It has ended when the account is gone or has
    /// another password.
    fn logged_in(&self, cookie: &str, now: Instant, use_it: bool) -> Option<(String, Role, String)> {
        let technician = self.password();
        let Found { csrf, account, password } = lock(&self.sessions).find(cookie, now, use_it)?;
        let (present, role) = match account.as_str() {
            TECHNICIAN => (technician, Role::Technician),
            name => match self.accounts.find(name) {
                Some(found) => (found.password(), found.role),
                None => (Password::none(), Role::Viewer),
            },
        };
        if present != password {
            lock(&self.sessions).close_all_of(&account);
            log::info!(target: AUDIT, "the log-ins of {account} ended: it has another password, or is gone");
            return None;
        }
        Some((account, role, csrf))
    }

    /// The accounts.
    pub(super) fn accounts(&self) -> &Arc<Accounts> {
        &self.accounts
    }

    /// Whether these headers would still be let in: asked by streams, which do not keep a log-in alive.
    pub(super) fn still(&self, headers: &HeaderMap) -> bool {
        match (bearer(headers), session_cookie(headers)) {
            (Some(token), _) => self.tokens.find(token).is_some(),
            (None, Some(cookie)) => self.logged_in(cookie, Instant::now(), false).is_some(),
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

    /// Compares the password of an account, when this address may try one.
    pub(super) async fn log_in(&self, account: String, attempt: String, from: IpAddr) -> LogIn {
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
        let technician = self.password();
        let is_technician = account == TECHNICIAN;
        let found = if is_technician { None } else { self.accounts.find(&account) };
        let exists = is_technician || found.is_some();
        // The answer for an account that does not exist takes as long as any other.
        let password = found.map_or(technician, |found| found.password());
        let (current, compared) = (Arc::clone(&self.password), password.clone());
        let compared = tokio::task::spawn_blocking(move || {
            let right = compared.is(&attempt) && exists;
            if right && is_technician {
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
        if is_technician {
            lock(&self.passwords_guessed).succeeded(from);
        } else {
            // Another account's password does not prove that this address guesses no technician's.
            lock(&self.passwords_guessed).not_compared(from);
        }
        if is_technician {
            self.entered.send_replace(true);
        }
        log::info!(target: AUDIT, "{account} logged in from {from}{unread}");
        LogIn::Opened(lock(&self.sessions).open(&account, &password, Instant::now()).cookie)
    }

    /// The technician's present password. When it is a new one, every log-in with the old one ends.
    fn password(&self) -> Password {
        let (password, is_new) = self.password.present();
        if is_new {
            lock(&self.sessions).close_all_of(TECHNICIAN);
            self.entered.send_replace(true);
            log::info!(target: AUDIT, "the technician's password was changed; every log-in with the old one has ended");
        }
        password
    }

    /// Ends a log-in.
    pub(super) fn log_out(&self, who: &Who, cookie: &str, from: IpAddr) {
        lock(&self.sessions).close(cookie);
        log::info!(target: AUDIT, "{who} logged out from {from}");
    }
}

fn lock<T>(table: &Mutex<T>) -> MutexGuard<'_, T> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
