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

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::import::{ImportedFile, Places, replace};
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
/// Longest first password read, bytes.
const PASSWORD_BYTES: u64 = 64;

/// Keeps the import's outcomes for the reports that follow, in the report's own words.
///
/// # Errors
/// What the file system says.
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
    /// What is wrong with this start of the machine.
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
        let page = config::parse(&read(&settings)).unwrap_or_default().page;
        let own = page.certificate_file.unwrap_or_else(|| data_dir.join("tls/certificate.pem"));
        Self {
            version: os_release_field(&read(&places.etc.join("os-release")), "IMAGE_VERSION"),
            host: read(&places.etc.join("hostname")).trim().to_owned(),
            addresses: reachable(addresses(), page.listen.ip()),
            fingerprint: shown_fingerprint(Path::new(service::PATH)).or_else(|| fingerprint(&own)),
            configured: settings.exists(),
            card: read(&places.run.join(FOUND_FILE)),
            start: start::faults(&start::Notes::default()),
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
        let _ = writeln!(shown, "Recovery key of the encrypted card, until somebody says on the page that it is written down:\n    {}", key.expose());
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
/// What the file system says.
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
/// What the file system says.
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn places(folder: &Path) -> Places {
        Places {
            card: folder.join("card"),
            etc: folder.join("etc"),
            iwd: folder.join("iwd"),
            run: folder.join("run"),
            serial: folder.join("serial"),
            memory: folder.join("memory"),
        }
    }

    #[test]
    fn report_names_page_address_and_problems() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        let outcomes = [
            ImportedFile {
                name: "attendance.toml",
                wrong: Some("line 3: unknown field\nallowed: …".into()),
                stays: false,
                remark: None,
            },
            ImportedFile { name: "wifi.txt", wrong: None, stays: false, remark: Some("the firewall".into()) },
            ImportedFile { name: "ca.pem", wrong: None, stays: true, remark: None },
        ];
        remember(&places, &outcomes).unwrap();
        std::fs::create_dir_all(&places.etc).unwrap();
        std::fs::write(places.etc.join("os-release"), "ID=debian\nIMAGE_VERSION=\"1.2.3\"\n").unwrap();
        std::fs::write(places.etc.join("hostname"), "attendance-0a1b2c\n").unwrap();
        let mut state = State::of_system(&places, folder.path());
        state.addresses = vec!["192.0.2.7".into(), "2001:db8::7".into()];
        state.fingerprint = Some("AB:CD".into());
        state.start = vec![Fault::new("the EEPROM is old").advise("update it")];
        let text = text(&state);
        for expected in [
            "attendance-0a1b2c, system 1.2.3",
            "NOT CONFIGURED",
            "https://192.0.2.7/",
            "https://[2001:db8::7]/",
            "AB:CD",
            "attendance.toml IS WRONG",
            "    line 3: unknown field\r\n    allowed",
            "wifi.txt was taken over and removed from this card.\r\n    the firewall\r\n",
            "ca.pem was taken over for this start alone",
            "ATTENTION: the EEPROM is old.\r\nWhat to do: update it.\r\n",
            ".local/",
        ] {
            assert!(text.contains(expected), "{expected} is missing in\n{text}");
        }
        assert!(text.lines().count() > 5 && text.matches('\n').count() == text.matches("\r\n").count());
    }

    #[test]
    fn first_password_is_on_the_console_never_on_the_card() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        std::fs::create_dir_all(&places.card).unwrap();
        let kept = folder.path().join("first-password");
        std::fs::write(&kept, "abcd-efgh-ijkm-npqr\n").unwrap();
        let mut state = State {
            addresses: vec!["192.0.2.7".into()],
            fingerprint: Some("AB:".repeat(31) + "CD"),
            card: "wifi.txt: \\S is no network\n".into(),
            first_password: first_password(&kept),
            ..State::default()
        };
        let path = folder.path().join("issue.d/attendance.issue");
        assert!(show(&path, &state).unwrap() && !show(&path, &state).unwrap());
        let shown = std::fs::read_to_string(&path).unwrap();
        for part in ["https://192.0.2.7/", ":AB:CD", "abcd-efgh-ijkm-npqr", "▀", "\\\\S is no"] {
            assert!(shown.contains(part), "{part} is missing in\n{shown}");
        }
        assert!(shown.lines().count() <= 40 && !shown.contains('\r'));
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        publish(&places, &state).unwrap();
        assert!(!std::fs::read_to_string(places.card.join(STATUS_FILE)).unwrap().contains("abcd-efgh"));
        // After the first log-in the service removes it.
        state.first_password = None;
        assert!(show(&path, &state).unwrap());
        assert!(!std::fs::read_to_string(&path).unwrap().contains("Password"));
        // Nothing but a password is taken, and no link is followed.
        std::fs::write(&kept, "root:$6$hash:19000\n").unwrap();
        assert_eq!(first_password(&kept), None);
        let link = folder.path().join("link");
        std::fs::write(&kept, "abcd-efgh\n").unwrap();
        std::os::unix::fs::symlink(&kept, &link).unwrap();
        assert_eq!(first_password(&link), None);
        assert!(first_password(&kept).is_some());
    }

    #[test]
    fn running_page_reports_its_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        let say = |fingerprint: &str| {
            let page = service::Page { port: 8443, fingerprint: fingerprint.to_owned() };
            let written = base::moment::since_boot();
            let report = service::Report { page: Some(page), written, ..service::Report::default() };
            std::fs::write(&path, serde_json::to_vec(&report).unwrap()).unwrap();
            shown_fingerprint(&path)
        };
        let digest = ["AB"; 32].join(":");
        assert_eq!(say(&digest), Some(digest));
        assert_eq!(say("\u{1b}[2J not a fingerprint"), None);
        assert_eq!(shown_fingerprint(&folder.path().join("none")), None);
    }

    #[test]
    fn only_listening_addresses_are_reported() {
        let all = || vec!["192.0.2.7".to_owned(), "2001:db8::7".to_owned()];
        assert_eq!(reachable(all(), "::".parse().unwrap()), all());
        assert_eq!(reachable(all(), "0.0.0.0".parse().unwrap()), all()[..1]);
        assert_eq!(reachable(all(), "192.0.2.8".parse().unwrap()), Vec::<String>::new());
    }

    #[test]
    fn fingerprint_is_that_of_browsers() {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["door.local".to_owned()]).unwrap();
        let path = folder.path().join("certificate.pem");
        std::fs::write(&path, made.cert.pem()).unwrap();
        let shown = fingerprint(&path).unwrap();
        assert_eq!(shown.len(), 32 * 3 - 1);
        let digest: Vec<u8> = Sha256::digest(made.cert.der()).to_vec();
        assert!(shown.starts_with(&format!("{:02X}:{:02X}:", digest[0], digest[1])));
        assert_eq!(fingerprint(&folder.path().join("none")), None);
    }

    #[test]
    fn unchanged_report_is_not_rewritten() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        std::fs::create_dir_all(&places.card).unwrap();
        let state = State { host: "attendance-0a1b2c".into(), ..State::default() };
        let path = places.card.join(STATUS_FILE);
        std::fs::write(&path, text(&state)).unwrap();
        let before = std::fs::metadata(&path).unwrap().modified().unwrap();
        publish(&places, &state).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), before);
    }
}
