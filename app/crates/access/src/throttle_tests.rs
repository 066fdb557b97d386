#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn delays_double_to_a_limit_and_are_forgotten() {
    let start = Instant::now();
    let mut guesses = Guesses::new(GuessRule::PASSWORD, start);
    let who = ip("192.0.2.1");
    let mut waits = Vec::new();
    let mut now = start;
    for _ in 0..14 {
        guesses.failed(who, now);
        let wait = guesses.wait(who, now).unwrap_or_default();
        waits.push(wait.as_secs());
        now += wait;
        assert_eq!(guesses.wait(who, now), None, "after the wait one may try");
    }
    assert_eq!(waits, [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
    assert_eq!(guesses.wait(ip("192.0.2.2"), now), None, "others do not wait");
    assert!(guesses.wait(who, now - SECOND).is_some());
    guesses.failed(who, now + 3601 * SECOND);
    assert_eq!(guesses.wait(who, now + 3601 * SECOND), None);
}

#[test]
fn the_right_password_clears_an_address() {
    let now = Instant::now();
    let mut guesses = Guesses::new(GuessRule::PASSWORD, now);
    for _ in 0..9 {
        guesses.failed(ip("192.0.2.1"), now);
    }
    guesses.succeeded(ip("::ffff:192.0.2.1"));
    assert_eq!(guesses.wait(ip("192.0.2.1"), now), None);
}

#[test]
fn many_addresses_together_are_slowed_but_never_locked_out() {
    let now = Instant::now();
    let mut guesses = Guesses::new(GuessRule::PASSWORD, now);
    guesses.succeeded(ip("192.0.2.9"));
    for n in 0..5000_u32 {
        guesses.failed(IpAddr::V4((0x0a00_0000 + n).into()), now);
    }
    assert!(guesses.by_address.len() <= MOST_ADDRESSES);
    assert_eq!(guesses.wait(ip("192.0.2.1"), now), Some(2 * SECOND));
    assert_eq!(guesses.wait(ip("192.0.2.9"), now), None, "who logged in before does not wait for others");
}

#[test]
fn who_holds_a_whole_network_does_not_take_the_technicians_first_try() {
    let start = Instant::now();
    let mut guesses = Guesses::new(GuessRule::PASSWORD, start);
    let technician = ip("192.0.2.255");
    let (mut now, mut shut, mut looks) = (start, 0, 0);
    for second in 0..2 * 3600_u32 {
        now = start + second * SECOND;
        // Whichever of their addresses may guess does so at once, before the technician comes.
        let may = |host: &u32| guesses.wait(IpAddr::V4((0xc000_0200 + host).into()), now).is_none();
        if let Some(host) = (1..255_u32).find(may) {
            guesses.failed(IpAddr::V4((0xc000_0200 + host).into()), now);
        }
        assert_eq!(guesses.wait(technician, now), None, "the technician waits after {second} s");
        looks += 1;
        shut += u32::from(guesses.wait(ip("2001:db8::1"), now).is_some());
    }
    assert!(shut * 10 > looks * 9, "they leave {} of {looks} moments to others", looks - shut);
    // A second try waits like everybody's, until the first is forgotten.
    guesses.failed(technician, now);
    assert_eq!(guesses.wait(technician, now), Some(2 * SECOND));
    for n in 0..40 {
        guesses.failed(ip("2001:db8::1"), now + 3601 * SECOND + n * SECOND);
    }
    assert_eq!(guesses.wait(technician, now + 3641 * SECOND), None);
}

#[test]
fn an_ipv6_network_is_one_party() {
    assert_eq!(party(ip("2001:db8::1")), party(ip("2001:db8::ffff:1")));
    assert_ne!(party(ip("2001:db8::1")), party(ip("2001:db8:0:1::1")));
    assert_eq!(party(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
}

#[test]
fn who_comes_seldom_gets_in_beside_a_flood() {
    let start = Instant::now();
    let [each, all] = [Rate { at_once: 64.0, a_second: 10.0 }, Rate { at_once: 256.0, a_second: 50.0 }];
    let mut arrivals = Arrivals::new(each, all, start);
    let mut flood = 0;
    for tenth in 0..600_u32 {
        let now = start + tenth * SECOND / 10;
        for host in 0..50_u32 {
            flood += u32::from(arrivals.admit(IpAddr::V4((0x0a00_0000 + host).into()), now));
        }
        // A browser: six connections for the page, then one every few seconds.
        let comes = if tenth == 300 { 6 } else { u32::from(tenth > 300 && tenth % 40 == 0) };
        for _ in 0..comes {
            assert!(arrivals.admit(ip("192.0.2.1"), now), "refused after {tenth} tenths of a second");
        }
    }
    assert!(flood <= 2 * (256 + 60 * 50), "{flood} of the flood were let in");
}

proptest! {
    #[test]
    fn no_address_gets_more_than_its_rate(gaps in prop::collection::vec(0_u64..400, 1..300)) {
        let each = Rate { at_once: 5.0, a_second: 10.0 };
        let start = Instant::now();
        let mut arrivals = Arrivals::new(each, Rate { at_once: 1e6, a_second: 1e6 }, start);
        let (mut now, mut admitted) = (start, 0.0);
        for gap in gaps {
            now += Duration::from_millis(gap);
            admitted += f64::from(u8::from(arrivals.admit(ip("192.0.2.1"), now)));
        }
        let allowed = each.at_once + now.duration_since(start).as_secs_f64() * each.a_second;
        prop_assert!(admitted <= allowed + 1e-6);
        prop_assert!(admitted >= 1.0);
    }
}
