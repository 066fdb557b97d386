//! `/archive`: all that this device knows as one file, and such a file taken over.

use http::StatusCode;
use maud::{Markup, html};

use base::secret::Secret;

use super::document;
use super::parts::token;
use crate::limits::{LEAST_PASSPHRASE, LONGEST_PASSPHRASE};
use crate::reply::Reply;

/// The result of what was asked for.
pub(crate) enum Archived {
    /// Nothing was.
    Nothing,
    /// It was not done, for this reason.
    Refused(String),
    /// Everything is being erased.
    Erasing,
}

/// What the page shows.
pub(crate) struct Archive {
    /// How the last import ended.
    pub(crate) last: Option<(bool, String)>,
    /// The rows that are on this device only, and the words for a factory reset.
    pub(crate) reset: Option<(usize, String)>,
    /// The recovery key of the card, until somebody has written it down.
    pub(crate) recovery: Option<Secret>,
}

/// The page.
pub(crate) fn archive(known: &Archive, said: &Archived, most_bytes: u64, csrf: &str) -> Reply {
    let Archive { last, reset, recovery } = known;
    let head = html! { script src="/page.js" defer {} };
    let body = html! {
        body.office {
            header.top {
                h1 { "Export and import" }
                a.button href="/device" { "Back to the page" }
            }
            main {
                p #said role="status" hidden {}
                @match said {
                    Archived::Nothing => {}
                    Archived::Refused(why) => p #result .outcome.broken role="alert" { (why) },
                    Archived::Erasing => p #result .outcome.attention role="status" {
                        "The device restarts and erases everything. After a minute or two it is as freshly flashed: its screen, or "
                        code { "attendance-status.txt" } " on the card, shows its address and a new first password."
                    },
                }
                @if let Some((taken, sentence)) = last {
                    p #last-import .outcome.(if *taken { "well" } else { "attention" }) { (sentence) }
                }
                @if let Some(key) = recovery { (recovery_key(key, csrf)) }
                section.card aria-labelledby="export-title" {
                    h2 #export-title { "Export" }
                    p {
                        "One file for the day on which the board or the card dies: settings, every row and whether it was delivered, photos that "
                        "are on this device only, accounts, tokens, the students’ list, and the page’s own certificate. Photos of a photo "
                        "server are fetched again and are not in it, nor are photos in a folder that the setting photos.folder names: keep a "
                        "copy of that folder."
                    }
                    p.outcome.attention {
                        "The file holds secrets: the keys of photo server and webhook, the key of this page, and hashes of passwords and "
                        "tokens. It is encrypted. Whoever has file and passphrase has all of them; without the passphrase nobody can open "
                        "it, and nobody can restore it."
                    }
                    form.stacked method="post" action="/archive/export" autocomplete="off" {
                        (token(csrf))
                        label for="passphrase" { "Passphrase, at least " (LEAST_PASSPHRASE) " characters" }
                        input #passphrase type="password" name="passphrase" required minlength=(LEAST_PASSPHRASE)
                            maxlength=(LONGEST_PASSPHRASE) autocomplete="new-password";
                        label for="repeated" { "The same again" }
                        input #repeated type="password" name="repeated" required minlength=(LEAST_PASSPHRASE)
                            maxlength=(LONGEST_PASSPHRASE) autocomplete="new-password";
                        button.primary type="submit" { "Export" }
                    }
                    p.quiet { "The download begins after some seconds. Attendance goes on meanwhile." }
                }
                section.card aria-labelledby="import-title" {
                    h2 #import-title { "Import" }
                    p {
                        "For a new board or card. What is on this device is replaced: rows, photos of its own, accounts, tokens, the "
                        "students’ list, the certificate, and the settings. Rows that were not delivered are delivered from here. The file "
                        "is checked first; if something is wrong with it, nothing changes."
                    }
                    p.outcome.attention {
                        "Switch the other device off for good: two devices with the same data would both deliver. Afterwards the other "
                        "device’s passwords count here, and its address if the settings name one."
                    }
                    // Shown by the script, which sends the file as it is and says how far it is.
                    form #import-form .stacked hidden data-most=(most_bytes) data-csrf=(csrf) autocomplete="off" {
                        label for="archive-file" { "The exported file (.age)" }
                        input #archive-file type="file" accept=".age" required;
                        label for="import-passphrase" { "Its passphrase" }
                        input #import-passphrase type="password" required maxlength=(LONGEST_PASSPHRASE) autocomplete="off";
                        label { input #keep-settings type="checkbox"; " Keep this device’s settings" }
                        button type="submit" { "Check it, take it over and restart" }
                        div.progress hidden {
                            label for="import-sent" { "Sending" }
                            progress #import-sent value="0" max="100" {}
                        }
                    }
                    noscript { p { "This needs the page’s script. The command " code { "attendance import" } " does the same." } }
                }
                @if let Some((rows, words)) = reset { (factory_reset(*rows, words, csrf)) }
            }
        }
    };
    let is_refused = matches!(said, Archived::Refused(_));
    let status = if is_refused { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    document(status, "Export and import", &head, &body)
}

/// Shown until somebody has written it down, then never again.
fn recovery_key(key: &Secret, csrf: &str) -> Markup {
    html! {
        section.card aria-labelledby="recovery-title" {
            h2 #recovery-title { "Recovery key of the card" }
            p {
                "The card of this device is encrypted. If its TPM or its server is gone, only this key opens it. Write it down on paper, "
                "and keep it where the device is not:"
            }
            p { code #recovery-key { (key.expose()) } }
            form method="post" action="/archive/recovery-key" {
                (token(csrf))
                button.primary type="submit" { "I have written it down" }
            }
            p.quiet { "It is not shown again afterwards. Before that, each restart makes another one." }
        }
    }
}

/// A factory reset cannot be undone. So the form is hidden until somebody opens it, and asks for typed words.
fn factory_reset(rows: usize, words: &str, csrf: &str) -> Markup {
    html! {
        section.card aria-labelledby="reset-title" {
            h2 #reset-title { "Factory reset" }
            details #reset {
                summary { "Erase everything on this device" }
                p {
                    "Rows, photos, accounts, settings, Wi-Fi, SSH keys and passwords are erased, and the device starts as freshly flashed. "
                    "It then waits for " code { "attendance.toml" } " on the card. Installed systems stay. It cannot be undone; export first."
                }
                @if rows > 0 {
                    p #lost .outcome.broken {
                        strong { (rows) " rows are on this device only." } " They are lost. Let them be delivered first, if you can."
                    }
                }
                form.stacked method="post" action="/archive/reset" autocomplete="off" {
                    (token(csrf))
                    label for="reset-words" { "To erase everything, type: " code { (words) } }
                    input #reset-words name="words" required maxlength="200" autocomplete="off" autocapitalize="none" spellcheck="false";
                    button type="submit" { "Erase everything and restart" }
                }
            }
        }
    }
}
