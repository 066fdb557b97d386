//! Log-ins: whose they are, who holds the cookie, for how long, and with which CSRF token.

use std::time::{Duration, Instant};

use subtle::ConstantTimeEq;

use super::password::Password;
use super::token::{digest, random_text};

/// Most log-ins at once: a few phones and a desk for each account; the one idle longest makes room.
const MOST: usize = 64;

/// How long a log-in lasts.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// Without a request.
    pub idle: Duration,
    /// In all.
    pub longest: Duration,
}

/// A new log-in.
pub struct Opened {
    /// The cookie's value: known to the browser only, the table keeps its hash.
    pub cookie: String,
}

/// A log-in that lasts.
#[derive(Clone, PartialEq, Eq)]
pub struct Found {
    /// The CSRF token.
    pub csrf: String,
    /// Whose it is.
    pub account: String,
    /// The password it was opened with: with another one it has ended.
    pub password: Password,
}

/// The table of log-ins. Pure: the time comes with each call.
pub struct Sessions {
    lifetimes: Lifetimes,
    open: Vec<Session>,
}

struct Session {
    cookie_digest: [u8; 32],
    csrf: String,
    account: String,
    password: Password,
    began: Instant,
    used: Instant,
}

impl Sessions {
    /// No session yet.
    pub fn new(lifetimes: Lifetimes) -> Self {
        Self { lifetimes, open: Vec::with_capacity(MOST) }
    }

    /// Opens a log-in of this account, with this password.
    pub fn open(&mut self, account: &str, password: &Password, now: Instant) -> Opened {
        self.expire(now);
        if self.open.len() >= MOST {
            let idle_longest =
                self.open.iter().enumerate().min_by_key(|(_, session)| session.used).map(|(at, _)| at);
            if let Some(at) = idle_longest {
                self.open.swap_remove(at);
            }
        }
        let cookie = random_text();
        self.open.push(Session {
            cookie_digest: digest(&cookie),
            csrf: random_text(),
            account: account.to_owned(),
            password: password.clone(),
            began: now,
            used: now,
        });
        Opened { cookie }
    }

    /// The log-in with this cookie, if it still lasts. `use_it` counts this as a use: an
    /// event stream that asks whether it may go on does not keep a log-in alive.
    pub fn find(&mut self, cookie: &str, now: Instant, use_it: bool) -> Option<Found> {
        self.expire(now);
        let wanted = digest(cookie);
        let mut found = None;
        for session in &mut self.open {
            if session.cookie_digest.ct_eq(&wanted).into() {
                if use_it {
                    session.used = now;
                }
                found = Some(Found {
                    csrf: session.csrf.clone(),
                    account: session.account.clone(),
                    password: session.password.clone(),
                });
            }
        }
        found
    }

    /// Ends the log-in with this cookie.
    pub fn close(&mut self, cookie: &str) {
        let wanted = digest(cookie);
        self.open.retain(|session| !bool::from(session.cookie_digest.ct_eq(&wanted)));
    }

    /// Ends every log-in of this account.
    pub fn close_all_of(&mut self, account: &str) {
        self.open.retain(|session| session.account != account);
    }

    fn expire(&mut self, now: Instant) {
        let Lifetimes { idle, longest } = self.lifetimes;
        self.open.retain(|session| {
            now.duration_since(session.used) < idle && now.duration_since(session.began) < longest
        });
    }
}

/// Whether a CSRF token that came with a request is the log-in's, in constant time.
pub fn csrf_matches(expected: &str, given: &str) -> bool {
    expected.as_bytes().ct_eq(given.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn sessions() -> Sessions {
        Sessions::new(Lifetimes { idle: 30 * MINUTE, longest: 120 * MINUTE })
    }

    #[test]
    fn a_log_in_ends_when_idle_when_old_and_when_closed() {
        let start = Instant::now();
        let mut table = sessions();
        let first = table.open("anna", &Password::none(), start).cookie;
        assert!(table.find(&first, start + 29 * MINUTE, true).is_some());
        assert!(table.find(&first, start + 58 * MINUTE, false).is_some());
        assert!(table.find(&first, start + 59 * MINUTE, true).is_none(), "looking did not keep it alive");

        let second = table.open("anna", &Password::none(), start).cookie;
        for minute in 1..120 {
            assert!(table.find(&second, start + minute * MINUTE, true).is_some(), "{minute}");
        }
        assert!(table.find(&second, start + 120 * MINUTE, true).is_none());

        let third = table.open("anna", &Password::none(), start).cookie;
        table.close(&third);
        assert!(table.find(&third, start, true).is_none());
        assert!(table.find("", start, true).is_none());
    }

    #[test]
    fn the_table_is_bounded_and_the_idle_one_makes_room() {
        let start = Instant::now();
        let mut table = sessions();
        let first = table.open("anna", &Password::none(), start).cookie;
        let second = table.open("anna", &Password::none(), start + MINUTE).cookie;
        assert!(table.find(&first, start + 2 * MINUTE, true).is_some());
        for _ in 0..MOST - 1 {
            table.open("anna", &Password::none(), start + 3 * MINUTE);
        }
        assert_eq!(table.open.len(), MOST);
        assert!(table.find(&second, start + 3 * MINUTE, true).is_none());
        assert!(table.find(&first, start + 3 * MINUTE, true).is_some());
    }

    #[test]
    fn the_log_ins_of_one_account_end_together_and_no_others() {
        let start = Instant::now();
        let mut table = sessions();
        let anna = table.open("anna", &Password::none(), start).cookie;
        let ben = table.open("ben", &Password::none(), start).cookie;
        table.close_all_of("anna");
        assert!(table.find(&anna, start, true).is_none());
        assert_eq!(table.find(&ben, start, true).unwrap().account, "ben");
    }

    #[test]
    fn every_log_in_has_secrets_of_its_own() {
        let start = Instant::now();
        let mut table = sessions();
        let [a, b] = [
            table.open("anna", &Password::none(), start).cookie,
            table.open("anna", &Password::none(), start).cookie,
        ];
        assert_ne!(a, b);
        let [csrf_a, csrf_b] =
            [table.find(&a, start, true).unwrap().csrf, table.find(&b, start, true).unwrap().csrf];
        assert!(csrf_a != csrf_b && csrf_matches(&csrf_a, &csrf_a) && !csrf_matches(&csrf_a, &csrf_b));
        assert!(!csrf_matches(&csrf_a, ""));
    }
}
