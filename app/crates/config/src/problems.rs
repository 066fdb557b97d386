//! Values of the configuration that are well-formed and cannot work.

use std::time::Duration;

use super::config::Config;
use access::password::Password;
use backend::http::Fingerprint;
use base::moment::SiteZone;
use base::unworkable::Unworkable;
use camera::config::CameraSource;
use journal::config::TimeOfDay;
use status::certificate;

/// Checks that the times of a school day are in order.
fn rows_of_a_day(config: &Config, check: &mut impl FnMut(bool, &'static [&'static str], String)) {
    let (attendance, starts) = (&config.attendance, config.site.day_starts);
    let since_start = |time: TimeOfDay| (time.time() - starts.time()).whole_seconds().rem_euclid(86_400);
    if let Some(ends) = attendance.day_ends {
        check(
            ends != starts,
            &["attendance.day_ends"],
            format!("is {ends}, when the next day begins (site.day_starts); leave it out"),
        );
        if let Some(from) = attendance.departures_from {
            check(
                since_start(from) < since_start(ends),
                &["attendance.departures_from", "attendance.day_ends"],
                format!("is {from}; it must be before attendance.day_ends ({ends})"),
            );
        }
    }
    if let Some(settles) = attendance.departure_settles {
        check(
            attendance.departures_from.is_some(),
            &["attendance.departure_settles", "attendance.departures_from"],
            "needs attendance.departures_from, for example \"12:00\": otherwise \
             who lingers in the morning is sent as gone"
                .to_owned(),
        );
        let allowed = seconds(60, 12 * 3600);
        check(
            allowed.contains(&settles),
            &["attendance.departure_settles"],
            format!("is {settles:?}; allowed is 1 minute to 12 hours"),
        );
    }
}

/// Values that are well-formed and cannot work, a sentence each, which begins with the setting.
pub(super) fn problems(config: &Config) -> Vec<Unworkable> {
    let mut found = Vec::new();
    let mut check = |holds: bool, settings: &'static [&'static str], what: String| {
        if !holds {
            found.push(Unworkable { settings, what });
        }
    };
    if let Err(unknown) = SiteZone::named(&config.site.time_zone) {
        check(false, &["site.time_zone"], format!("{unknown}"));
    }
    check(
        config.webhook.url.is_none() || config.webhook.key.is_some(),
        &["webhook.key"],
        "is missing; the webhook refuses every row without it".to_owned(),
    );
    check(
        config.update.url.as_ref().is_none_or(|url| url.is_https()),
        &["update.url"],
        "must begin with https://".to_owned(),
    );
    if let Some(url) = &config.fleet.url {
        check(url.is_https(), &["fleet.url"], "must begin with https://".to_owned());
        check(
            config.fleet.target_token.is_some() != config.fleet.gateway_token.is_some(),
            &["fleet.target_token", "fleet.gateway_token"],
            "set either it or fleet.gateway_token".to_owned(),
        );
        check(
            config.update.url.is_none(),
            &["update.url"],
            "cannot be used together with fleet.url; remove one of them".to_owned(),
        );
    }
    check(
        (1..=1000).contains(&config.webhook.batch_rows),
        &["webhook.batch_rows"],
        format!("is {}; allowed is 1 to 1000", config.webhook.batch_rows),
    );
    rows_of_a_day(config, &mut check);
    for (setting, value, allowed) in [
        (&["photos.interval"], config.photos.interval, seconds(10, 86_400)),
        (&["webhook.interval"], config.webhook.interval, seconds(1, 86_400)),
        (&["webhook.timeout"], config.webhook.timeout, seconds(1, 300)),
        (&["update.interval"], config.update.interval, seconds(600, 30 * 86_400)),
        (&["update.quiet"], config.update.quiet, seconds(0, 86_400)),
        // Recognition tells of somebody who stays every ten seconds.
        (&["attendance.minimum_gap"], config.attendance.minimum_gap, seconds(15, 86_400)),
        (&["page.session_idle"], config.page.session_idle, seconds(60, 86_400)),
        (&["page.session_longest"], config.page.session_longest, seconds(60, 7 * 86_400)),
    ] {
        check(
            allowed.contains(&value),
            setting,
            format!("is {value:?}; allowed is {:?} to {:?}", allowed.start(), allowed.end()),
        );
    }
    for (setting, value, low, high) in [
        (&["photos.removal_limit"], config.photos.removal_limit, 0.0, 1.0),
        (&["recognition.threshold"], config.recognition.threshold.unwrap_or(0.5), 0.05, 0.95),
        (&["recognition.accepted_fpir"], config.recognition.accepted_fpir, 1e-6, 0.5),
        (&["recognition.margin"], config.recognition.margin, 0.0, 0.5),
        (&["camera.frame_rate"], config.camera.frame_rate, 5.0, 60.0),
        (&["camera.replay_speed"], config.camera.replay_speed, 0.01, 1.0),
        (&["camera.slowest_frame_rate"], config.camera.slowest_frame_rate, 5.0, 60.0),
    ] {
        check((low..=high).contains(&value), setting, format!("is {value}; allowed is {low} to {high}"));
    }
    for (setting, value, low, high) in [
        (&["attendance.keep_days"], u64::from(config.attendance.keep_days), 8, 36_500),
        (&["photos.removal_confirmations"], u64::from(config.photos.removal_confirmations), 1, 10_000),
        (&["photos.max_megapixels"], u64::from(config.photos.max_megapixels), 1, 200),
        (&["photos.max_photos"], config.photos.max_photos as u64, 1, 200_000),
        (&["photos.max_file_size"], config.photos.max_file_size.bytes(), 1_000, 200_000_000),
        (&["camera.width"], u64::from(config.camera.width), 160, 4096),
        (&["camera.height"], u64::from(config.camera.height), 120, 4096),
        (&["recognition.min_face_px"], u64::from(config.recognition.min_face_px), 20, 1000),
        (&["recognition.votes"], u64::from(config.recognition.votes), 1, 16),
    ] {
        check((low..=high).contains(&value), setting, format!("is {value}; allowed is {low} to {high}"));
    }
    check(
        config.camera.source != CameraSource::Replay || !config.camera.replay.is_empty(),
        &["camera.replay"],
        "names no file; the source \"replay\" needs at least one".to_owned(),
    );
    check(
        config.page.certificate_file.is_some() == config.page.key_file.is_some(),
        &["page.certificate_file", "page.key_file"],
        "set page.key_file as well, or neither of the two".to_owned(),
    );
    if let Some(port) = config.page.original_port {
        check(
            port >= 1024 && port != config.page.listen.port(),
            &["page.original_port"],
            format!(
                "is {port}; it must be another one than that of page.listen, from 1024 on; the \
                 original's is 8000"
            ),
        );
    }
    for name in &config.page.host_names {
        check(
            certificate::can_name(name),
            &["page.host_names"],
            format!(
                "{name:?} cannot stand in a certificate; write it with at most {} characters, \
                 without blanks, and in its xn-- form where it has other letters than ASCII",
                certificate::LONGEST_NAME
            ),
        );
    }
    if let Some(hash) = &config.page.password_hash
        && let Err(wrong) = Password::parse(hash.expose(), "the value")
    {
        check(false, &["page.password_hash"], wrong.to_string());
    }
    for token in &config.page.tokens {
        check(
            token.sha256.len() == 64 && token.sha256.bytes().all(|b| b.is_ascii_hexdigit()),
            &["page.tokens"],
            format!("the sha256 of {:?} must be 64 hexadecimal digits", token.name),
        );
    }
    for (setting, pin) in [
        (&["tls.pinned_sha256"], &config.tls.pinned_sha256),
        (&["photos.pinned_sha256"], &config.photos.pinned_sha256),
        (&["webhook.pinned_sha256"], &config.webhook.pinned_sha256),
        (&["update.pinned_sha256"], &config.update.pinned_sha256),
        (&["fleet.pinned_sha256"], &config.fleet.pinned_sha256),
    ] {
        check(
            pin.as_ref().is_none_or(|pin| Fingerprint::parse(pin).is_some()),
            setting,
            "must be 64 hexadecimal digits, colons allowed; copy the SHA-256 fingerprint of the server's certificate"
                .to_owned(),
        );
    }
    found.extend(config.at_the_door().problems());
    found.extend(config.mqtt.problems());
    found.extend(config.network.problems());
    found.extend(config.card.problems());
    found
}

fn seconds(least: u64, most: u64) -> std::ops::RangeInclusive<Duration> {
    Duration::from_secs(least)..=Duration::from_secs(most)
}
