//! What is written back to the card (`attendance-status.txt`, for the technician and their laptop), and what
//! stands above the log-in prompt of the console: the same, with the address as a QR code and, until it was
//! used once, the page's first password.

use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::files::replace;
use super::import::{ImportedFile, Places};
use super::network::state;
use backend::http::Fingerprint;
use base::failure::Fault;
use base::secret::Secret;
use status::console;
use status::console::FIRST_PASSWORD;
use update::report as service;
use update::start;
use view::card::{Card, Recovery};

/// The report's name on the card.
const STATUS_FILE: &str = "attendance-status.txt";
/// What the import found, kept for the reports of this start.
const FOUND_FILE: &str = "card";
/// What agetty shows above the log-in prompt, from every file of its folder.
pub const ISSUE_FILE: &str = "/run/issue.d/attendance.issue";
/// There when a time server has set the clock since the machine started.
const SYNCHRONIZED: &str = "/run/systemd/timesync/synchronized";
/// Longest first password read, bytes.
const PASSWORD_BYTES: u64 = 64;

/// Keeps the import's outcomes for the reports that follow, in the report's own words.
///
/// # Errors
/// An error of the file system.
pub fn remember(places: &Places, outcomes: &[ImportedFile]) -> io::Result<()> {
    let lines = outcomes.iter().fold(String::new(), |mut text, outcome| {
        let _ = match &outcome.wrong {
            None => {
                let remark =
                    outcome.remark.iter().map(|remark| format!("    {remark}\n")).collect::<String>();
                let then = if outcome.stays {
                    "for this start alone: nothing can be kept on this card, so leave it here, and replace the card"
                } else {
                    "and removed from this card"
                };
                write!(text, "{} was taken over {then}.\n{remark}", outcome.name)
            }
            Some(reason) => {
                writeln!(text, "{} IS WRONG and was not taken over; what was in force stays:", outcome.name)
                    .and_then(|()| reason.lines().try_for_each(|line| writeln!(text, "    {line}")))
            }
        };
        text
    });
    replace(&places.run.join(FOUND_FILE), &lines, 0o644)
}

/// What the appliance is at this moment.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Version of the image, from os-release.
    pub version: String,
    /// The machine's name.
    pub host: String,
    /// Its addresses, without loopback and link-local ones unless there is nothing else.
    pub addresses: Vec<String>,
    /// SHA-256 of the page's certificate, as browsers show it.
    pub fingerprint: Option<String>,
    /// Whether there are settings at all.
    pub configured: bool,
    /// What the import found on the card at this start.
    pub card: String,
    /// What is wrong with this start of the machine, and with its network.
    pub start: Vec<Fault>,
    /// The page's first password, as long as nobody has used it. For the console alone.
    pub first_password: Option<Secret>,
    /// The recovery key of the encrypted card, until somebody has written it down. For the console alone.
    pub recovery_key: Option<Secret>,
}

impl State {
    /// Looks at the running system. Whatever cannot be found out is left empty: a report with gaps is better
    /// than none.
    pub fn of_system(places: &Places, data_dir: &Path) -> Self {
        let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        let settings = places.etc.join("attendance/attendance.toml");
        let config = config::examine(&read(&settings)).0;
        let mut start = start::faults(&start::Notes::default());
        let trusted = Path::new(SYNCHRONIZED).exists();
        start.extend(state::faults(&state::System::default(), &config, OffsetDateTime::now_utc(), trusted));
        let page = config.page;
        let own = page.certificate_file.unwrap_or_else(|| data_dir.join("tls/certificate.pem"));
        Self {
            version: os_release_field(&read(&places.etc.join("os-release")), "IMAGE_VERSION"),
            host: read(&places.etc.join("hostname")).trim().to_owned(),
            addresses: reachable(addresses(), page.listen.ip()),
            fingerprint: shown_fingerprint(Path::new(service::PATH)).or_else(|| fingerprint(&own)),
            configured: settings.exists(),
            card: read(&places.run.join(FOUND_FILE)),
            start,
            first_password: first_password(Path::new(FIRST_PASSWORD)),
            recovery_key: {
                let card = Card::parse(&read(Path::new(view::card::PATH)));
                Recovery::new(&card, Path::new(view::card::RECOVERY_KEY), data_dir).unseen()
            },
        }
    }
}

/// The report: plain text with the line ends that every editor on Windows shows rightly.
pub fn text(state: &State) -> String {
    let mut text = String::new();
    let line = |text: &mut String, label: &str, value: &str| {
        let _ = writeln!(text, "{label:<13}{value}");
    };
    line(&mut text, "Appliance:", &format!("{}, system {}", state.host, state.version));
    if !state.configured {
        text.push_str(
            "NOT CONFIGURED: put attendance.toml beside this file and start the appliance again.\n",
        );
    }
    match &*state.addresses {
        [] => line(&mut text, "Address:", "none yet: no cable, no Wi-Fi, or no DHCP server"),
        all => all
            .iter()
            .for_each(|address| line(&mut text, "Page:", &format!("https://{}/", bracketed(address)))),
    }
    line(&mut text, "Also as:", &format!("https://{}.local/", state.host));
    match &state.fingerprint {
        Some(digest) => line(&mut text, "Certificate:", &format!("SHA-256 {digest}")),
        None => line(&mut text, "Certificate:", "none yet: the service has not started"),
    }
    for fault in &state.start {
        let _ = write!(text, "\nATTENTION: {}.\n", fault.what);
        if let Some(advice) = &fault.advice {
            let _ = writeln!(text, "What to do: {advice}.");
        }
    }
    if !state.card.is_empty() {
        let _ = write!(text, "\nFound on this card at the last start:\n{}", state.card);
    }
    text.replace('\n', "\r\n")
}

/// The console's text, as agetty takes it: a backslash begins one of its own codes.
fn issue(state: &State) -> String {
    let mut shown = text(state).replace('\r', "");
    if let Some(password) = &state.first_password {
        let _ = writeln!(shown, "{:<13}{} (gone when it was used once)", "Password:", password.expose());
    }
    if let Some(key) = &state.recovery_key {
        let _ = writeln!(
            shown,
            "Recovery key of the encrypted card. Each restart makes another,\n\
             until somebody says on the page that they have written it down:\n    {}",
            key.expose()
        );
    }
    if let (Some(address), Some(fingerprint)) = (state.addresses.first(), &state.fingerprint)
        && let Some(code) = console::qr(&format!("https://{}/", bracketed(address)), fingerprint)
    {
        let _ = write!(shown, "\n{code}\n");
    }
    shown.push('\n');
    shown.replace('\\', "\\\\")
}

/// Writes the report to the card if it says anything new: a card bears only so many writes.
///
/// # Errors
/// An error of the file system.
pub fn publish(places: &Places, state: &State) -> io::Result<()> {
    let text = text(state);
    let path = places.card.join(STATUS_FILE);
    if std::fs::read_to_string(&path).is_ok_and(|written| written == text) {
        return Ok(());
    }
    for line in text.lines() {
        log::info!("{line}");
    }
    std::fs::write(&path, text)?;
    std::fs::File::open(&path)?.sync_all()
}

/// Puts the console's text at `path` if it is another, readable by root alone; whether it was.
///
/// # Errors
/// An error of the file system.
pub fn show(path: &Path, state: &State) -> io::Result<bool> {
    let issue = issue(state);
    if std::fs::read_to_string(path).is_ok_and(|shown| shown == issue) {
        return Ok(false);
    }
    replace(path, &issue, 0o600).map(|()| true)
}

/// Asks every agetty to show its text again.
///
/// # Errors
/// When agetty cannot be started.
pub fn refresh_consoles() -> io::Result<()> {
    Command::new("agetty").arg("--reload").stdin(Stdio::null()).status().map(|_| ())
}

/// The file belongs to the service: a link in its place is not followed, or whoever took the service over
/// could have any file shown.
fn first_password(path: &Path) -> Option<Secret> {
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
        .ok()?;
    let mut text = String::new();
    file.take(PASSWORD_BYTES).read_to_string(&mut text).ok()?;
    let password = text.trim();
    let is_one = !password.is_empty() && password.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    is_one.then(|| Secret::new(password))
}

fn os_release_field(text: &str, key: &str) -> String {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value.unwrap_or_default().trim_matches('"').to_owned()
}

/// What the running service says its page shows. The file belongs to the service: nothing but a fingerprint
/// is taken from it.
fn shown_fingerprint(report: &Path) -> Option<String> {
    let page = service::read(report)?.page?;
    Fingerprint::parse(&page.fingerprint).map(|_| page.fingerprint)
}

fn fingerprint(certificate: &Path) -> Option<String> {
    let pem = std::fs::read(certificate).ok()?;
    let certificate = CertificateDer::pem_slice_iter(&pem).next()?.ok()?;
    let digits: Vec<_> = Sha256::digest(&certificate).iter().map(|byte| format!("{byte:02X}")).collect();
    Some(digits.join(":"))
}

/// This machine's addresses by the C library's `hostname -I`, which leaves loopback and IPv6 link-local ones
/// out.
fn addresses() -> Vec<String> {
    let asked = Command::new("hostname")
        .arg("--all-ip-addresses")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let Ok(answer) = asked else { return Vec::new() };
    String::from_utf8_lossy(&answer.stdout).split_ascii_whitespace().map(str::to_owned).collect()
}

/// Those at which a page that listens on `listening` is reached.
fn reachable(addresses: Vec<String>, listening: IpAddr) -> Vec<String> {
    let reaches = |address: &String| address.parse().is_ok_and(|own| console::listens_on(listening, own));
    addresses.into_iter().filter(reaches).collect()
}

fn bracketed(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.to_owned() }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
