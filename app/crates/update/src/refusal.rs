//! What RAUC says when it does not install, in words for a technician.
//!
//! RAUC reports by text alone (its `LastError` property); the texts are those of RAUC 1.15, and of OpenSSL's
//! certificate checks within them. What is not recognised is passed on as it is.

/// Why a bundle was not installed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Signed by nobody this appliance trusts, or not signed at all.
    #[error(
        "the bundle is not signed by anybody this appliance trusts ({detail}); get it from the appliance's makers. Nothing was \
         changed"
    )]
    Signature {
        /// RAUC's words.
        detail: String,
    },
    /// The certificate begins in the future: by far most often the clock is wrong.
    #[error(
        "the bundle's certificate is not valid yet at the time this appliance believes it is ({clock}); if that is wrong, connect \
         it to a network with a time server and try again. Nothing was changed"
    )]
    NotYetValid {
        /// The device's clock.
        clock: String,
    },
    /// The certificate is over.
    #[error(
        "the bundle's certificate is over at the time this appliance believes it is ({clock}); if that time is right, get a newer \
         bundle. Nothing was changed"
    )]
    Expired {
        /// The device's clock.
        clock: String,
    },
    /// For another machine.
    #[error("the bundle is for another kind of machine: {detail}. Nothing was changed")]
    Compatible {
        /// RAUC's words.
        detail: String,
    },
    /// Older than the running system accepts.
    #[error("the bundle is too old: {detail}. Nothing was changed")]
    TooOld {
        /// RAUC's words.
        detail: String,
    },
    /// Cut short, or changed after it was signed.
    #[error(
        "the bundle is damaged or incomplete ({detail}); fetch it again. The running system is untouched"
    )]
    Damaged {
        /// RAUC's words.
        detail: String,
    },
    /// It cannot be fetched.
    #[error(
        "the bundle cannot be fetched: {detail}; check the address, the network, and network.proxy where one is set. The \
         running system is untouched"
    )]
    Unreachable {
        /// RAUC's words.
        detail: String,
    },
    /// This system is not committed yet, so the other slot holds the one to go back to.
    #[error(
        "this system is still on trial; wait for its health check to end and install again. Nothing was changed"
    )]
    OnTrial,
    /// Something else.
    #[error("the bundle was not installed: {detail}. The running system is untouched")]
    Other {
        /// RAUC's words.
        detail: String,
    },
}

impl Refusal {
    /// Finds the reason in RAUC's words; `clock` is the device's time as a person reads it.
    pub fn from_rauc(said: &str, clock: &str) -> Self {
        let detail = innermost(said);
        let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
        let clock = clock.to_owned();
        if has(&["not yet valid"]) {
            Self::NotYetValid { clock }
        } else if has(&["has expired"]) {
            Self::Expired { clock }
        } else if has(&["Compatible mismatch"]) {
            Self::Compatible { detail }
        } else if has(&["Version mismatch"]) {
            Self::TooOld { detail }
        } else if has(&["marking slot", "Failed to mark", "boot-slot"]) {
            Self::OnTrial
        } else if has(&[
            "exceeds bundle size",
            "is too small",
            "squashfs",
            "dm-verity",
            "Input/output error",
            "checksum",
        ]) {
            Self::Damaged { detail }
        } else if has(&["ignature", "certificate", "keyring", "Invalid identifier"]) {
            Self::Signature { detail }
        } else if has(&["No such file", "nbd", "resolve", "onnect", "HTTP", "request failed", "server"]) {
            Self::Unreachable { detail }
        } else {
            Self::Other { detail }
        }
    }
}

/// RAUC's message without the calls it came up through ("Installation error: Failed ...: reason"), at most
/// one line.
fn innermost(said: &str) -> String {
    let line = said.lines().next().unwrap_or("").trim();
    let mut rest = line;
    for frame in ["Installation error: ", "Bundle error: ", "Failed to open bundle: "] {
        rest = rest.strip_prefix(frame).unwrap_or(rest);
    }
    rest.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_words() {
        type Kind = fn(&Refusal) -> bool;
        let said: [(&str, Kind); 11] = [
            ("signature verification failed: Verify error: certificate is not yet valid", |r| {
                matches!(r, Refusal::NotYetValid { .. })
            }),
            ("signature verification failed: Verify error: certificate has expired", |r| {
                matches!(r, Refusal::Expired { .. })
            }),
            (
                "signature verification failed: Verify error: self-signed certificate in certificate chain",
                |r| matches!(r, Refusal::Signature { .. }),
            ),
            ("signature verification failed: Verify error: unable to get local issuer certificate", |r| {
                matches!(r, Refusal::Signature { .. })
            }),
            ("Compatible mismatch: Expected 'attendance-rpi5' but bundle manifest has 'toaster'", |r| {
                matches!(r, Refusal::Compatible { .. })
            }),
            ("Version mismatch: Expected at least '0.2.0' but bundle manifest has '0.1.0'", |r| {
                matches!(r, Refusal::TooOld { .. })
            }),
            ("Signature size (2317398134) exceeds bundle size", |r| matches!(r, Refusal::Damaged { .. })),
            ("Bundle size (12) is too small", |r| matches!(r, Refusal::Damaged { .. })),
            ("Failed marking slot boot.0 non-bootable: Failed to run /usr/lib/attendance/boot-slot: ", |r| {
                matches!(r, Refusal::OnTrial)
            }),
            ("failed to configure streaming: Could not resolve host: updates.backend.example", |r| {
                matches!(r, Refusal::Unreachable { .. })
            }),
            ("No space left on device", |r| matches!(r, Refusal::Other { .. })),
        ];
        for (text, is_right) in said {
            let refusal = Refusal::from_rauc(&format!("Installation error: {text}"), "1970-01-01 00:02:00");
            assert!(is_right(&refusal), "{text}: {refusal:?}");
            assert!(!refusal.to_string().contains("Installation error"));
        }
    }

    #[test]
    fn a_wrong_clock_is_named() {
        let told = Refusal::from_rauc("certificate is not yet valid", "1970-01-01 00:02:00").to_string();
        assert!(told.contains("1970-01-01") && told.contains("time server"), "{told}");
    }
}
