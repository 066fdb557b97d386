//! `/accounts`: who may log in, for the technician.

use http::StatusCode;
use maud::{Markup, html};

use super::document;
use super::parts::token;
use crate::reply::Reply;
use access::account::{Account, TECHNICIAN};
use access::role::Role;
use base::secret::Secret;

/// The result of a change, for the top of the page.
pub(crate) enum Said {
    /// Nothing was asked for.
    Nothing,
    /// It was done.
    Done(String),
    /// An account has this password; it is shown only now.
    Password { account: String, password: Secret },
    /// It was not done.
    Refused(String),
}

/// The page.
pub(crate) fn accounts(accounts: &[Account], said: &Said, csrf: &str) -> Reply {
    let body = html! {
        body.office {
            header.top {
                h1 { "Accounts" }
                a.button href="/" { "Back to the page" }
            }
            main {
                (result(said))
                section.card aria-labelledby="who-title" {
                    h2 #who-title { "Who may log in" }
                    ul.people {
                        li { div { strong { (TECHNICIAN) } " " span.badge { "technician" } }
                            span.quiet { "The device’s own account. " code { "attendance password" } " makes another password." } }
                        @for account in accounts { li { (one(account, csrf)) } }
                    }
                }
                section.card aria-labelledby="add-title" {
                    h2 #add-title { "Add an account" }
                    form.stacked method="post" action="/accounts/add" {
                        (token(csrf))
                        label for="name" { "Name for the log-in" }
                        input #name name="name" required maxlength="40" pattern="[A-Za-z0-9_.\\-]+" autocomplete="off" autocapitalize="none";
                        label for="role" { "Role" }
                        select #role name="role" {
                            @for role in Role::ALL { option value=(role) selected[role == Role::Office] { (role.meaning()) } }
                        }
                        button.primary type="submit" { "Add" }
                    }
                    p.quiet { "The device makes the password and shows it once." }
                }
            }
        }
    };
    let status = if matches!(said, Said::Refused(_)) { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    document(status, "Accounts", &html! {}, &body)
}

fn result(said: &Said) -> Markup {
    html! {
        @match said {
            Said::Nothing => {}
            Said::Done(what) => p #result .outcome.well role="status" { (what) },
            Said::Refused(why) => p #result .outcome.broken role="alert" { (why) },
            Said::Password { account, password } => div #result .outcome.well role="status" {
                p { "The password of " strong { (account) } ", shown only now. Write it down, and hand it over:" }
                p.password { code { (password.expose()) } }
            },
        }
    }
}

fn one(account: &Account, csrf: &str) -> Markup {
    let name = account.name.as_str();
    html! {
        div { strong { (name) } " " span.badge { (account.role) } }
        form method="post" action="/accounts/password" {
            (token(csrf))
            input type="hidden" name="name" value=(name);
            button type="submit" aria-label=(format!("New password for {name}")) { "New password" }
        }
        // It cannot be undone, so it takes two steps.
        details id=(format!("remove-{name}")) {
            summary aria-label=(format!("Remove {name}")) { "Remove" }
            form method="post" action="/accounts/remove" {
                (token(csrf))
                input type="hidden" name="name" value=(name);
                button type="submit" aria-label=(format!("Yes, remove {name}")) { "Yes, remove it" }
            }
        }
    }
}
