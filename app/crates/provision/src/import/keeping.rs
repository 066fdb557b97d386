//! Putting what the card brought into its place.

use std::io;
use std::path::Path;

use super::{Places, SSH_KEYS};
use crate::card::{Accepted, Imager, WifiProfile};
use crate::files::{remove, replace};
use base::durable::Access;
use base::kept;

/// Puts what was accepted into its place, and where the next start looks for it.
pub(super) fn keep(places: &Places, accepted: &Accepted) -> io::Result<()> {
    let keep = |name: &str, text: &str| kept::keep(&places.kept, name.as_ref(), text.as_bytes());
    let replace_kept = |path: &str, text: &str, mode| {
        kept::replace(&places.kept, Access::FolderGroup(mode), &places.etc.join(path), text.as_bytes())
    };
    match accepted {
        // Readable for the service's group, which owns the folder; the keys in it are nobody else's business.
        Accepted::Settings(text, _) => replace_kept("attendance/attendance.toml", text, 0o640),
        // No secret, and RAUC fetches bundles as an account of its own.
        Accepted::Authority(text) => replace_kept("attendance/ca.pem", text, 0o644),
        Accepted::PageCertificate(text) => replace_kept("attendance/page.crt", text, 0o644),
        Accepted::PageKey(key) => replace_kept("attendance/page.key", key.expose(), 0o640),
        // The service looks at their dates; the key is for those who log in at the network, as root.
        Accepted::EapAuthority(text) => replace_kept("attendance/eap-ca.pem", text, 0o644),
        Accepted::EapCertificate(text) => replace_kept("attendance/eap.crt", text, 0o644),
        Accepted::EapKey(key) => replace_kept("attendance/eap.key", key.expose(), 0o600),
        Accepted::Wifi(profile) => {
            if let Some(country) = profile.as_ref().and_then(|profile| profile.country.as_ref()) {
                keep("country", country)?;
                keep_country(&places.etc.join("iwd/main.conf"), country)?;
            }
            keep_wifi(&places.iwd, profile.as_ref())
        }
        Accepted::SshKeys(keys) if keys.is_empty() => {
            // The file is emptied, not removed: otherwise keys of an older system would take its place.
            keep("authorized_keys", "")?;
            remove(&places.etc.join(SSH_KEYS))
        }
        Accepted::SshKeys(keys) => replace_kept(SSH_KEYS, keys, 0o600),
        Accepted::Imager(imager) => keep_imager(places, imager),
        Accepted::ConsolePassword(hash) => {
            let hash = if hash.is_empty() { "*" } else { hash };
            keep("password.hash", hash)?;
            let shadow = places.etc.join("shadow");
            let text = std::fs::read_to_string(&shadow)?;
            replace(&shadow, &with_root_hash(&text, hash), 0o640)
        }
    }
}

/// Name and time zone go into settings that lack them. The other parts are kept as if each had come in its
/// own file.
fn keep_imager(places: &Places, imager: &Imager) -> io::Result<()> {
    let replace_kept = |path: &Path, text: &str, mode| {
        kept::replace(&places.kept, Access::FolderGroup(mode), path, text.as_bytes())
    };
    if let Some(host) = &imager.host {
        replace_kept(&places.etc.join("hostname"), &format!("{host}\n"), 0o644)?;
    }
    let settings = places.etc.join("attendance/attendance.toml");
    let before = match std::fs::read_to_string(&settings) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read?,
    };
    let mut document: toml_edit::DocumentMut = before.parse().map_err(io::Error::other)?;
    for (key, value) in [("name", &imager.host), ("time_zone", &imager.time_zone)] {
        let site = document.entry("site").or_insert_with(toml_edit::table).as_table_like_mut();
        if let (Some(site), Some(value)) = (site, value)
            && !site.contains_key(key)
        {
            site.insert(key, toml_edit::value(value.as_str()));
        }
    }
    // Also without any: then the page can be reached, and the rest be set there.
    replace_kept(&settings, &document.to_string(), 0o640)?;
    imager.parts.iter().try_for_each(|part| keep(places, part))
}

/// One network at a time: the card says which; any other is forgotten.
fn keep_wifi(folder: &Path, profile: Option<&WifiProfile>) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    if let Some(profile) = profile {
        replace(&folder.join(&profile.file), &profile.content, 0o600)?;
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let known = path.extension().is_some_and(|kind| kind == "psk" || kind == "open");
        if known && profile.is_none_or(|kept| path.file_name() != Some(kept.file.as_ref())) {
            remove(&path)?;
        }
    }
    Ok(())
}

/// The country in iwd's own settings, whose other lines stay.
fn keep_country(path: &Path, country: &str) -> io::Result<()> {
    let before = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read?,
    };
    let others: Vec<_> = before.lines().filter(|line| !line.trim_start().starts_with("Country=")).collect();
    let at = others.iter().position(|line| line.trim() == "[General]");
    let mut lines: Vec<String> = others.into_iter().map(str::to_owned).collect();
    match at {
        Some(at) => lines.insert(at + 1, format!("Country={country}")),
        None => lines.extend(["[General]".to_owned(), format!("Country={country}")]),
    }
    replace(path, &(lines.join("\n") + "\n"), 0o644)
}

/// /etc/shadow with another hash for root; `*` locks the account.
fn with_root_hash(shadow: &str, hash: &str) -> String {
    let lines =
        shadow.lines().map(|line| match line.strip_prefix("root:").and_then(|rest| rest.split_once(':')) {
            Some((_, rest)) => format!("root:{hash}:{rest}\n"),
            None => format!("{line}\n"),
        });
    lines.collect()
}
