//! Log-ins of the technician: who holds the cookie, for how long, and with which CSRF token.

use std::time::{Duration, Instant};

use subtle::ConstantTimeEq;

use super::token::{digest, random_text};

/// Most log-ins at once. One account, a few phones and a desk; the one idle longest makes room.
const MOST: usize = 16;

/// How long a log-in lasts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lifetimes {
    /// Without a request.
    pub(super) idle: Duration,
    /// In all.
    pub(super) longest: Duration,
}

/// A new log-in.
pub(super) struct Opened {
    /// The cookie's value: known to the browser only, the table keeps its hash.
    pub(super) cookie: String,
}

/// The table of log-ins. Pure: the time comes with each call.
pub(super) struct Sessions {
    lifetimes: Lifetimes,
    open: Vec<Session>,
}

struct Session {
    cookie_digest: [u8; 32],
    csrf: String,
    began: Instant,
    used: Instant,
}

impl Sessions {
    pub(super) fn new(lifetimes: Lifetimes) -> Self {
        Self { lifetimes, open: Vec::with_capacity(MOST) }
    }

    /// Opens a log-in.
    pub(super) fn open(&mut self, now: Instant) -> Opened {
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
            began: now,
            used: now,
        });
        Opened { cookie }
    }

    /// The CSRF token of the log-in with this cookie, if it still lasts. `use_it` counts this as a use: an
    /// event stream that asks whether it may go on does not keep a log-in alive.
    pub(super) fn csrf(&mut self, cookie: &str, now: Instant, use_it: bool) -> Option<String> {
        self.expire(now);
        let wanted = digest(cookie);
        let mut found = None;
        for session in &mut self.open {
            if session.cookie_digest.ct_eq(&wanted).into() {
                if use_it {
                    session.used = now;
                }
                found = Some(session.csrf.clone());
            }
        }
        found
    }

    /// Ends the log-in with this cookie.
    pub(super) fn close(&mut self, cookie: &str) {
        let wanted = digest(cookie);
        self.open.retain(|session| !bool::from(session.cookie_digest.ct_eq(&wanted)));
    }

    /// Ends every log-in.
    pub(super) fn close_all(&mut self) {
        self.open.clear();
    }

    fn expire(&mut self, now: Instant) {
        let Lifetimes { idle, longest } = self.lifetimes;
        self.open.retain(|session| {
            now.duration_since(session.used) < idle && now.duration_since(session.began) < longest
        });
    }
}

/// Whether a CSRF token that came with a request is the log-in's, in constant time.
pub(super) fn csrf_matches(expected: &str, given: &str) -> bool {
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
        let first = table.open(start).cookie;
        assert!(table.csrf(&first, start + 29 * MINUTE, true).is_some());
        assert!(table.csrf(&first, start + 58 * MINUTE, false).is_some());
        assert!(table.csrf(&first, start + 59 * MINUTE, true).is_none(), "looking did not keep it alive");

        let second = table.open(start).cookie;
        for minute in 1..120 {
            assert!(table.csrf(&second, start + minute * MINUTE, true).is_some(), "{minute}");
        }
        assert!(table.csrf(&second, start + 120 * MINUTE, true).is_none());

        let third = table.open(start).cookie;
        table.close(&third);
        assert!(table.csrf(&third, start, true).is_none());
        assert!(table.csrf("", start, true).is_none());
    }

    #[test]
    fn the_table_is_bounded_and_the_idle_one_makes_room() {
        let start = Instant::now();
        let mut table = sessions();
        let first = table.open(start).cookie;
        let second = table.open(start + MINUTE).cookie;
        assert!(table.csrf(&first, start + 2 * MINUTE, true).is_some());
        for _ in 0..MOST - 1 {
            table.open(start + 3 * MINUTE);
        }
        assert_eq!(table.open.len(), MOST);
        assert!(table.csrf(&second, start + 3 * MINUTE, true).is_none());
        assert!(table.csrf(&first, start + 3 * MINUTE, true).is_some());
    }

    #[test]
    fn every_log_in_has_secrets_of_its_own() {
        let start = Instant::now();
        let mut table = sessions();
        let [a, b] = [table.open(start).cookie, table.open(start).cookie];
        assert_ne!(a, b);
        let [csrf_a, csrf_b] = [table.csrf(&a, start, true).unwrap(), table.csrf(&b, start, true).unwrap()];
        assert!(csrf_a != csrf_b && csrf_matches(&csrf_a, &csrf_a) && !csrf_matches(&csrf_a, &csrf_b));
        assert!(!csrf_matches(&csrf_a, ""));
    }
}
