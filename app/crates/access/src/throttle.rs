//! How fast somebody may guess, and how fast connections may come. Pure: the time comes with each call,
//! tables are bounded.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Addresses remembered. When full, the one silent longest is forgotten; the limit over all still holds.
const MOST_ADDRESSES: usize = 1024;

/// Most addresses that are remembered because somebody logged in from there: the technician's phone and desk,
/// and their neighbours.
const MOST_KNOWN: usize = 32;

/// An address as one party: IPv6 hosts choose freely among the 2^64 of their network.
pub fn party(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

/// Delays after wrong passwords or tokens, growing for each address and, more gently, for all.
pub struct Guesses {
    rule: GuessRule,
    by_address: HashMap<IpAddr, Failures>,
    all: Failures,
    /// Addresses that succeeded, the newest last. They do not wait for what others do: an attacker with many
    /// addresses could otherwise keep the technician out by failing all the time.
    known: VecDeque<IpAddr>,
}

/// How delays grow.
#[derive(Debug, Clone, Copy)]
pub struct GuessRule {
    /// Failures of one address that cost nothing: people mistype.
    pub free: u32,
    /// Failures of all addresses together that cost nothing.
    pub free_for_all: u32,
    /// The first delay; each further failure doubles it.
    pub first_delay: Duration,
    /// Longest delay of one address.
    pub longest: Duration,
    /// Longest delay for all: short, or an attacker could lock the technician out. Somebody with all 254
    /// addresses of a network can guess whenever it ends, so who comes new by IPv4 does not wait for it: see
    /// [`Guesses::wait`].
    pub longest_for_all: Duration,
    /// After so long without a failure all is forgotten.
    pub forget: Duration,
}

impl GuessRule {
    /// For passwords: at most some 100 guesses a day from one address; 43,200 from all, and 24 more from
    /// each. Against 2^80.
    pub const PASSWORD: Self = Self {
        free: 3,
        free_for_all: 30,
        first_delay: Duration::from_secs(1),
        longest: Duration::from_secs(15 * 60),
        longest_for_all: Duration::from_secs(2),
        forget: Duration::from_secs(60 * 60),
    };
    /// For tokens, which cannot be guessed: this limit only keeps a faulty script from filling the log.
    pub const TOKEN: Self = Self {
        free: 20,
        free_for_all: 1000,
        first_delay: Duration::from_secs(1),
        longest: Duration::from_secs(30),
        longest_for_all: Duration::from_secs(1),
        forget: Duration::from_secs(10 * 60),
    };
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Guesses {
    /// Nobody has guessed yet.
    pub fn new(rule: GuessRule, now: Instant) -> Self {
        Self {
            rule,
            by_address: HashMap::new(),
            all: Failures { count: 0, last: now },
            known: VecDeque::new(),
        }
    }

    /// How long `address` must still wait before it may try. An IPv4 address that has not failed for
    /// [`GuessRule::forget`] waits for nobody: one guess an hour each is little, and lets the technician in
    /// beside somebody who guesses all the time. While there are more addresses than are remembered, nobody
    /// knows who failed.
    pub fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let rule = &self.rule;
        let address = party(address);
        let own = self.by_address.get(&address).filter(|f| now.duration_since(f.last) <= rule.forget);
        let comes_new = own.is_none() && address.is_ipv4() && self.by_address.len() < MOST_ADDRESSES;
        let own = own.map(|f| remaining(*f, rule.free, rule.longest, rule, now)).unwrap_or_default();
        let all = remaining(self.all, rule.free_for_all, rule.longest_for_all, rule, now);
        let waits_for_all = !comes_new && !self.known.contains(&address);
        Some(if waits_for_all { own.max(all) } else { own }).filter(|wait| !wait.is_zero())
    }

    /// `address` failed. Counted before the answer is known, and undone by [`Self::succeeded`], so that
    /// guesses sent all at once are counted too.
    pub fn failed(&mut self, address: IpAddr, now: Instant) {
        let address = party(address);
        if self.by_address.len() >= MOST_ADDRESSES && !self.by_address.contains_key(&address) {
            let silent = self.by_address.iter().min_by_key(|(_, f)| f.last).map(|(a, _)| *a);
            silent.map(|silent| self.by_address.remove(&silent));
            let forget = self.rule.forget;
            self.by_address.retain(|_, f| now.duration_since(f.last) <= forget);
        }
        let own = self.by_address.entry(address).or_insert(Failures { count: 0, last: now });
        for failures in [own, &mut self.all] {
            if now.duration_since(failures.last) > self.rule.forget {
                failures.count = 0;
            }
            *failures = Failures { count: failures.count.saturating_add(1), last: now };
        }
    }

    /// The answer to `address` is known now, and it is no: its delay begins here, however long the comparison
    /// took.
    pub fn answered(&mut self, address: IpAddr, now: Instant) {
        if let Some(own) = self.by_address.get_mut(&party(address)) {
            own.last = now;
        }
        self.all.last = now;
    }

    /// What `address` sent was not compared after all: it told nothing, so it costs nothing.
    pub fn not_compared(&mut self, address: IpAddr) {
        let address = party(address);
        if let Some(own) = self.by_address.get_mut(&address) {
            own.count = own.count.saturating_sub(1);
            if own.count == 0 {
                self.by_address.remove(&address);
            }
        }
        self.all.count = self.all.count.saturating_sub(1);
    }

    /// Whether `address` succeeded before.
    pub fn knows(&self, address: IpAddr) -> bool {
        self.known.contains(&party(address))
    }

    /// `address` is who it says: its failures are forgotten, and the one counted in advance for all.
    pub fn succeeded(&mut self, address: IpAddr) {
        let address = party(address);
        self.by_address.remove(&address);
        self.all.count = self.all.count.saturating_sub(1);
        self.known.retain(|known| *known != address);
        if self.known.len() >= MOST_KNOWN {
            self.known.pop_front();
        }
        self.known.push_back(address);
    }
}

fn remaining(failures: Failures, free: u32, longest: Duration, rule: &GuessRule, now: Instant) -> Duration {
    let since = now.duration_since(failures.last);
    if failures.count < free || since > rule.forget {
        return Duration::ZERO;
    }
    let doublings = (failures.count - free).min(20);
    rule.first_delay.saturating_mul(1 << doublings).min(longest).saturating_sub(since)
}

/// How often something may happen: so many at once, so many a second over time.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// How many may come at once.
    pub at_once: f64,
    /// How many may come a second in the long run.
    pub a_second: f64,
}

/// How often an address may come and still count as one that comes seldom: a technician's browser, not a
/// flood.
const SELDOM: Rate = Rate { at_once: 16.0, a_second: 0.5 };

/// New connections, limited for each address and for all: a TLS handshake costs the server a signature.
///
/// Those that come seldom have as much for themselves as all others together, so that a flood from some
/// addresses does not keep the technician out.
pub struct Arrivals {
    each: Rate,
    all: Rate,
    by_address: HashMap<IpAddr, Comer>,
    seldom: Bucket,
    often: Bucket,
}

/// What one address has left.
#[derive(Debug, Clone, Copy)]
struct Comer {
    own: Bucket,
    seldom: Bucket,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn full(rate: Rate, now: Instant) -> Self {
        Self { left: rate.at_once, at: now }
    }

    /// Fills up to now; whether one more may come.
    fn refill(&mut self, rate: Rate, now: Instant) -> bool {
        let gained = now.duration_since(self.at).as_secs_f64() * rate.a_second;
        *self = Self { left: (self.left + gained).min(rate.at_once), at: now };
        self.left >= 1.0
    }
}

impl Arrivals {
    /// Nobody has come yet.
    pub fn new(each: Rate, all: Rate, now: Instant) -> Self {
        let full = Bucket::full(all, now);
        Self { each, all, by_address: HashMap::new(), seldom: full, often: full }
    }

    /// Whether one more may come from `address`. A refused one is not counted for all: one noisy address does
    /// not take what is left for the others.
    pub fn admit(&mut self, address: IpAddr, now: Instant) -> bool {
        let address = party(address);
        if self.by_address.len() >= MOST_ADDRESSES && !self.by_address.contains_key(&address) {
            let silent = self.by_address.iter().min_by_key(|(_, comer)| comer.own.at).map(|(a, _)| *a);
            silent.map(|silent| self.by_address.remove(&silent));
        }
        let new = Comer { own: Bucket::full(self.each, now), seldom: Bucket::full(SELDOM, now) };
        let Comer { own, seldom } = self.by_address.entry(address).or_insert(new);
        let comes_seldom = seldom.refill(SELDOM, now) & self.seldom.refill(self.all, now);
        let room = self.often.refill(self.all, now);
        if !own.refill(self.each, now) || !(comes_seldom || room) {
            return false;
        }
        own.left -= 1.0;
        if comes_seldom {
            seldom.left -= 1.0;
            self.seldom.left -= 1.0;
        } else {
            self.often.left -= 1.0;
        }
        true
    }
}

#[cfg(test)]
#[path = "throttle_tests.rs"]
mod tests;
