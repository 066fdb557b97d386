//! The log-in page: the only page for who is not logged in. It says nothing about the device but that it is
//! one.

use std::time::Duration;

use http::StatusCode;
use maud::html;

use super::document;
use crate::reply::Reply;

/// The form; with what is `said` of the last try, and while the address must wait with the time.
pub(crate) fn log_in(status: StatusCode, wait: Option<Duration>, said: &str) -> Reply {
    let has_message = !said.is_empty() || wait.is_some();
    let body = html! {
        body.log-in {
            main {
                h1 { "Attendance" }
                form method="post" action="/login" {
                    @if has_message {
                        p #message .outcome.broken role="alert" {
                            (said)
                            @if let Some(wait) = wait {
                                " Try again in " (in_words(wait)) "."
                            }
                        }
                    }
                    label for="account" { "Name" }
                    input #account type="text" name="account" value="technician" autocomplete="username" autocapitalize="none"
                        spellcheck="false" required maxlength="40";
                    label for="password" { "Password" }
                    input #password type="password" name="password" autocomplete="current-password" required
                        autofocus maxlength="256" aria-describedby=[has_message.then_some("message")];
                    button.primary type="submit" { "Log in" }
                }
                details {
                    summary { "Where is the password?" }
                    p {
                        "The technician’s: the device’s console shows it after the first start, until it was used once. If it is lost, put "
                        code { "page.password_hash" } " into the configuration on the card; "
                        code { "attendance password --hash" } " makes it on any machine. Whoever is logged in on the device "
                        "makes a new one with " code { "attendance password" } ". Everybody else gets theirs from the technician."
                    }
                    p {
                        "Your browser warns because the device made its certificate itself. Compare the fingerprint it shows "
                        "with the one on the console: if they are alike, this is your device."
                    }
                }
            }
        }
    };
    document(status, "Attendance: log in", &html! {}, &body)
}

fn in_words(wait: Duration) -> String {
    // Rounded up: who comes back at that moment may really try.
    match wait.as_secs() + u64::from(wait.subsec_nanos() > 0) {
        1 => "1 second".to_owned(),
        seconds @ ..=90 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_told_in_words() {
        assert_eq!(in_words(Duration::from_millis(900)), "1 second");
        assert_eq!(in_words(Duration::from_secs(90)), "90 seconds");
        assert_eq!(in_words(Duration::from_secs(91)), "2 minutes");
    }
}
