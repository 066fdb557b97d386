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
mod tests {
    #![allow(clippy::unwrap_used)]
    use base::secret::Secret;

    use super::*;
    use crate::rights::Rights;
    use crate::routes::{Endpoint, ROUTES};
    use access::account::AccountFile;
    use access::password;
    use access::token::TokenFile;

    #[tokio::test]
    async fn many_addresses_that_guess_at_once_do_not_keep_the_right_password_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let hash = password::hash(&Secret::new("correct horse")).unwrap();
        let current = CurrentPassword::new(Password::parse(&hash, "here"), None);
        let lifetimes = Lifetimes { idle: Duration::from_secs(60), longest: Duration::from_secs(60) };
        let tokens = Tokens::new(Default::default(), TokenFile::below(folder.path()));
        let accounts = Arc::new(Accounts::new(AccountFile::below(folder.path())));
        let door = Arc::new(AccessGuard::new(Arc::new(current), accounts, tokens, lifetimes));
        let begun = Instant::now();
        assert!(matches!(
            door.log_in(TECHNICIAN.to_owned(), "a guess".to_owned(), ip(0)).await,
            LogIn::Wrong(_)
        ));
        let one = begun.elapsed();
        let guesses: Vec<_> = (1..=250)
            .map(|host| {
                let door = Arc::clone(&door);
                tokio::spawn(async move {
                    door.log_in(TECHNICIAN.to_owned(), "a guess".to_owned(), ip(host)).await
                })
            })
            .collect();
        tokio::task::yield_now().await;
        let begun = Instant::now();
        // Somebody in the middle of the crowd may be told to come again, and does.
        while let LogIn::MustWait(wait) =
            door.log_in(TECHNICIAN.to_owned(), "correct horse".to_owned(), ip(1000)).await
        {
            tokio::time::sleep(wait).await;
        }
        let waited = begun.elapsed();
        assert!(door.must_wait(ip(1000)).is_none());
        assert!(waited < 2 * COME_AGAIN + 20 * one, "{waited:?}, where one check takes {one:?}");
        // Who knew it once has a line of their own.
        let begun = Instant::now();
        assert!(matches!(
            door.log_in(TECHNICIAN.to_owned(), "correct horse".to_owned(), ip(1000)).await,
            LogIn::Opened(_)
        ));
        assert!(begun.elapsed() < 20 * one);
        for guess in guesses {
            assert!(!matches!(guess.await.unwrap(), LogIn::Opened(_)));
        }
        assert!(door.must_wait(ip(250)).is_none_or(|wait| wait <= Duration::from_secs(2)));
    }

    fn ip(host: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + host).into())
    }

    fn person(role: Role) -> Who {
        Who::Person { account: "anna".to_owned(), role, cookie: String::new(), csrf: String::new() }
    }

    fn token(access: TokenAccess) -> Who {
        Who::Token { name: "x".to_owned(), access }
    }

    /// The addresses that `who` may use, as the table has them.
    fn allowed(who: &Who) -> Vec<String> {
        let may =
            |route: &&crate::routes::Route| who.may(route.access, Rights::default().least(route.endpoint));
        ROUTES.iter().filter(may).map(|route| format!("{} {}", route.method, route.path)).collect()
    }

    const OPEN: [&str; 3] = ["GET /healthz", "GET /login", "POST /login"];

    /// What no token sees.
    fn is_for_persons(path: &str) -> bool {
        let seen = ["/preview.svg", "/roster/picture.svg", "/door", "/door.jpg"];
        [" /settings", " /accounts", " /enrol", " /archive/reset"].iter().any(|begin| path.contains(begin))
            || seen.iter().any(|seen| path == format!("GET {seen}"))
    }

    /// What a token with `read` could do before there were roles.
    const READ: [&str; 15] = [
        "GET /",
        "GET /status",
        "GET /attendance/today",
        "GET /attendance/health",
        "GET /attendance/{date}.csv",
        "GET /attendance/{date}",
        "GET /roster",
        "GET /events",
        "GET /logs/server",
        "GET /metrics",
        "GET /diagnostics",
        "GET /docs",
        "GET /openapi.json",
        "GET /healthz",
        "GET /login",
    ];
    /// What one with `full` could do beside that.
    const FULL: [&str; 17] = [
        "POST /attendance/restart",
        "POST /attendance/close",
        "POST /sync/manual",
        "POST /sync/confirm-removal",
        "POST /sync/test",
        "POST /clock/confirm",
        "POST /upload/manual",
        "POST /upload/test",
        "POST /upload/retry/{row}",
        "POST /upload/retry-all",
        "POST /upload/dismiss/{row}",
        "POST /update/bundle",
        "POST /update/install",
        "POST /update/try",
        "POST /update/acknowledge",
        "POST /update/check",
        "POST /update/go-back",
    ];

    #[test]
    fn tokens_without_a_role_keep_the_rights_they_had() {
        let read = allowed(&token(TokenAccess::Read));
        let full = allowed(&token(TokenAccess::Full));
        assert_eq!(allowed(&Who::Nobody), OPEN);
        for path in READ {
            assert!(read.contains(&path.to_owned()) && full.contains(&path.to_owned()), "{path}");
        }
        assert_eq!(read.len(), READ.len() + 1, "and POST /login: {read:?}");
        for path in FULL {
            assert!(full.contains(&path.to_owned()), "{path}");
        }
        assert_eq!(full.len(), READ.len() + FULL.len() + 1, "{full:?}");
    }

    #[test]
    fn each_role_may_do_what_the_table_says_and_no_more() {
        let viewer = allowed(&person(Role::Viewer));
        let office = allowed(&person(Role::Office));
        let everything = ROUTES.len();
        assert_eq!(allowed(&person(Role::Technician)).len(), everything);
        for path in ["GET /", "GET /attendance/{date}", "POST /logout", "GET /page.js"] {
            assert!(viewer.contains(&path.to_owned()), "{path}");
        }
        for path in ["POST /attendance/close", "GET /roster", "GET /roster/picture.svg", "POST /sync/manual"]
        {
            assert!(office.contains(&path.to_owned()) && !viewer.contains(&path.to_owned()), "{path}");
        }
        for path in [
            "GET /preview.svg",
            "GET /door.jpg",
            "GET /diagnostics",
            "GET /logs/server",
            "POST /update/install",
            "POST /attendance/restart",
            "GET /accounts",
            "POST /accounts/{change}",
        ] {
            assert!(!office.contains(&path.to_owned()), "{path}");
        }
        for role in Role::ALL {
            let mut of_person = allowed(&person(role));
            of_person.retain(|path| !is_for_persons(path));
            assert_eq!(of_person, allowed(&token(role.into())), "a token with a role has its rights");
        }
    }

    #[test]
    fn the_office_sees_the_live_picture_only_where_that_is_allowed() {
        let may = |office_sees_picture, endpoint| {
            let least = Rights { office_sees_picture }.least(endpoint);
            person(Role::Office).may(Access::Person, least)
        };
        for endpoint in [Endpoint::Preview, Endpoint::DoorPage, Endpoint::DoorPicture] {
            assert!(may(true, endpoint) && !may(false, endpoint));
        }
    }

    #[tokio::test]
    async fn an_account_logs_in_with_its_own_password_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let file = AccountFile::below(folder.path());
        let password = file.add("anna", Role::Office).unwrap().expose().to_owned();
        let hash = password::hash(&Secret::new("correct horse")).unwrap();
        let current = Arc::new(CurrentPassword::new(Password::parse(&hash, "here"), None));
        let lifetimes = Lifetimes { idle: Duration::from_secs(60), longest: Duration::from_secs(60) };
        let tokens = Tokens::new(Default::default(), TokenFile::below(folder.path()));
        let door = AccessGuard::new(current, Arc::new(Accounts::new(file.clone())), tokens, lifetimes);
        let log_in =
            |account: &str, password: &str| door.log_in(account.to_owned(), password.to_owned(), ip(1));
        let LogIn::Opened(cookie) = log_in("anna", &password).await else { panic!("refused") };
        let headers = HeaderMap::from_iter([(
            http::header::COOKIE,
            format!("{}={cookie}", crate::request::SESSION_COOKIE).parse().unwrap(),
        )]);
        let who = door.who(&headers, ip(1), true).unwrap();
        assert_eq!(who.to_string(), "anna (office)");
        // The technician's password opens no other account, and none that does not exist.
        assert!(matches!(log_in("anna", "correct horse").await, LogIn::Wrong(_)));
        assert!(!matches!(log_in("nobody", "correct horse").await, LogIn::Opened(_)));
        file.new_password("anna").unwrap();
        assert_eq!(door.who(&headers, ip(1), true).unwrap(), Who::Nobody, "it has another password");
    }
}
