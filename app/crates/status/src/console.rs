//! What a technician must know before the page can be trusted: its address, the certificate's fingerprint,
//! and once the password. For the console and the log.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::path::Path;

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use super::certificate::{Identity, device_addresses};
use access::private_file;
use base::secret::Secret;

/// Where the first password stands on the appliance, in the service's folder below `/run`. `attendance
/// provision --report` shows it above the log-in prompt of the console.
pub const FIRST_PASSWORD: &str = "/run/attendance/first-password";

/// The address a technician types: the first of the device's own when the server listens on all.
pub fn page_address(listening: SocketAddr) -> String {
    let address = if listening.ip().is_unspecified() {
        let mut reachable = device_addresses().into_iter().filter(|own| listens_on(listening.ip(), *own));
        reachable.next().unwrap_or(IpAddr::from([127, 0, 0, 1]))
    } else {
        listening.ip()
    };
    format!("https://{}/", SocketAddr::new(address, listening.port()))
}

/// Whether who listens on `listening` is reached at `own`, one of the device's addresses.
pub fn listens_on(listening: IpAddr, own: IpAddr) -> bool {
    match listening {
        IpAddr::V6(all) if all.is_unspecified() => true,
        IpAddr::V4(all) if all.is_unspecified() => own.is_ipv4(),
        one => one == own,
    }
}

/// Shows the notice on standard output, which is the console: with the password, when one was just made.
///
/// Under systemd standard output may be the journal, which is kept for weeks and read by others. Then the
/// password goes to [`FIRST_PASSWORD`] (readable by the service and root only, gone with the first log-in or
/// the next start of the machine), and the console shows it from there.
pub fn show(listening: SocketAddr, identity: &Identity, password: Option<&Secret>) {
    let to_journal = is_journal(std::io::stdout());
    let notice = notice(listening, identity, password.filter(|_| !to_journal));
    // The program goes on if there is no console.
    let _ = writeln!(std::io::stdout(), "\n{notice}");
    let Some(password) = password.filter(|_| to_journal) else { return };
    match private_file::write(Path::new(FIRST_PASSWORD), format!("{}\n", password.expose()).as_bytes()) {
        Ok(()) => log::warn!(
            "the page's first password stands on the console until it was used, or the next restart"
        ),
        Err(error) => log::warn!(
            "the page's first password cannot be shown on the console: {error}; `attendance password` makes another"
        ),
    }
}

/// Takes the first password off the console: somebody knows it, or it no longer counts.
pub fn forget_password() {
    match std::fs::remove_file(FIRST_PASSWORD) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            log::warn!("the first password stays on the console until the next restart: {error}");
        }
        _ => {}
    }
}

/// Whether this stream is the one systemd connected to its journal (systemd.exec(5), `$JOURNAL_STREAM`).
fn is_journal(stream: impl AsFd) -> bool {
    let named = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    rustix::fs::fstat(stream).is_ok_and(|stat| named == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// The notice: address, fingerprint and pin as text, and a QR code of the address with the fingerprint behind
/// a `#`, which browsers never send. With `password` only on the console, and only once: never into the log.
pub fn notice(listening: SocketAddr, identity: &Identity, password: Option<&Secret>) -> String {
    let address = page_address(listening);
    let mut text = format!("The page:     {address}\nCertificate:  SHA-256 {}\n", identity.fingerprint);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "Key (curl):   --insecure --pinnedpubkey {}", identity.key_pin);
    if let Some(password) = password {
        let _ = writeln!(
            text,
            "Password:     {} (shown only now; `attendance password` makes another)",
            password.expose()
        );
    }
    if let Some(code) = qr(&address, &identity.fingerprint.to_string()) {
        let _ = write!(text, "\n{code}\n");
    }
    text
}

/// The QR code of an address with a fingerprint (hexadecimal, with colons), in half blocks. Scanners want
/// dark on light, and a console writes light on dark: the light parts are written.
pub fn qr(address: &str, fingerprint: &str) -> Option<String> {
    let content = format!("{address}#sha256={}", fingerprint.replace(':', ""));
    let code = QrCode::with_error_correction_level(content, EcLevel::L).ok()?;
    Some(
        code.render::<Dense1x2>()
            .dark_color(Dense1x2::Light)
            .light_color(Dense1x2::Dark)
            .quiet_zone(true)
            .build(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::certificate::CertificateSource;
    use time::OffsetDateTime;

    #[test]
    fn the_notice_has_what_is_compared_and_fits_a_console() {
        let folder = tempfile::tempdir().unwrap();
        let source = CertificateSource {
            folder: folder.path().to_owned(),
            own: None,
            names: vec!["door.local".to_owned()],
        };
        let identity = source.identity(OffsetDateTime::now_utc(), true).unwrap();
        let listening = "192.0.2.7:8443".parse().unwrap();
        let text = notice(listening, &identity, Some(&Secret::new("abcd-efgh")));
        assert!(text.contains("https://192.0.2.7:8443/") && text.contains("abcd-efgh"));
        assert!(text.contains(&identity.fingerprint.to_string()) && text.contains(&identity.key_pin));
        assert!(!notice(listening, &identity, None).contains("assword"));
        let quiet_zone = text.lines().find(|line| line.contains('█')).unwrap();
        assert!(
            quiet_zone.chars().all(|c| c == '█'),
            "the margin is written, so the code is dark on it\n{text}"
        );
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= 120 && text.lines().count() <= 32, "{widest} wide\n{text}");
        assert!(page_address("0.0.0.0:8443".parse().unwrap()).ends_with(":8443/"));
        let reached =
            |listening: &str, own: &str| listens_on(listening.parse().unwrap(), own.parse().unwrap());
        assert!(
            reached("::", "192.0.2.7") && reached("::", "2001:db8::7") && reached("0.0.0.0", "192.0.2.7")
        );
        assert!(!reached("0.0.0.0", "2001:db8::7") && !reached("192.0.2.7", "192.0.2.8"));
    }
}
