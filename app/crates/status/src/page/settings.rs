//! `/settings`: every setting with its words, what a change does before it is saved, and the versions.

use std::collections::BTreeMap;

use http::StatusCode;
use maud::{Markup, html};

use super::document;
use super::parts::token;
use crate::reply::Reply;
use view::settings::{Change, Fault, Field, Input, Section, Sheet, Trial, Version};

/// Sections that are open from the start: what a technician comes for.
const OPEN: [&str; 3] = ["site", "photos", "webhook"];

/// The form. `given` is what was typed, where that was wrong, and `faults` is why.
pub(crate) fn form(
    sheet: &Sheet,
    csrf: &str,
    given: &[(String, String)],
    faults: &[Fault],
    said: &str,
) -> Reply {
    let given: BTreeMap<&str, &str> = given.iter().map(|(name, value)| (&**name, &**value)).collect();
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    page(
        status,
        csrf,
        &html! {
            (trial(sheet, csrf))
            @if let Some((kept, sentence)) = &sheet.outcome {
                p.outcome.(if *kept { "well" } else { "attention" }) { (sentence) }
            }
            @if !said.is_empty() { p.outcome.attention role="status" { (said) } }
            @if let Some(why) = &sheet.unavailable {
                p.outcome.attention { "Nothing can be changed here: " (why) }
            }
            @if !faults.is_empty() {
                section.card aria-labelledby="faults-title" {
                    h2 #faults-title { "Nothing was saved" }
                    p { (match faults.len() { 1 => "One thing is wrong:".to_owned(), n => format!("{n} things are wrong:") }) }
                    ul #faults {
                        @for fault in faults {
                            li {
                                @if let Some(name) = &fault.name { a href=(format!("#{}", id(name))) { (name) } ": " }
                                (without_name(fault))
                            }
                        }
                    }
                }
            }
            form #settings method="post" action="/settings/review" autocomplete="off" {
                (token(csrf))
                p.quiet {
                    "An empty field means: the default holds. Keys are never shown; leave them empty to keep them. The file is "
                    code { (sheet.file) } "; its comments stay."
                }
                @for section in &sheet.sections { (group(section, &given, faults)) }
                p { button.primary type="submit" disabled[sheet.unavailable.is_some()] { "Show what changes" } }
            }
            (versions(sheet, csrf))
        },
    )
}

/// What would change, with the button that saves it.
pub(crate) fn review(draft: &str, changes: &[Change], confirm: bool, csrf: &str) -> Reply {
    page(
        StatusCode::OK,
        csrf,
        &html! {
            section.card aria-labelledby="changes-title" {
                h2 #changes-title { "This changes" }
                (table(changes))
                p {
                    "The appliance then restarts its program, which takes some seconds. No row is lost. If the program does not start "
                    "with these settings, the ones before come back."
                }
                @if confirm {
                    p.outcome.attention {
                        "These settings are about this page or the network. After the restart, open the page again (at the new address, "
                        "if the device gets another one), log in, and press “Keep these settings” within two minutes; otherwise the ones "
                        "before come back."
                    }
                }
                form method="post" action="/settings/save" {
                    (token(csrf))
                    input type="hidden" name="draft" value=(draft);
                    button.primary type="submit" { "Save and restart" }
                    " "
                    a.button href="/settings" { "Change nothing" }
                }
            }
        },
    )
}

/// The result of saving; the browser refreshes automatically.
pub(crate) fn outcome(worked: bool, message: &str, details: &str, csrf: &str) -> Reply {
    let status = if worked { StatusCode::OK } else { StatusCode::CONFLICT };
    page(
        status,
        csrf,
        &html! {
            section.card aria-labelledby="saved-title" {
                h2 #saved-title { @if worked { "Saved" } @else { "Not saved" } }
                p.outcome.(if worked { "well" } else { "broken" }) {
                    (message) @if !details.is_empty() { ". " span.quiet { (details) } }
                }
                p { a.button href="/settings" { "Back to the settings" } }
            }
        },
    )
}

fn page(status: StatusCode, csrf: &str, main: &Markup) -> Reply {
    let body = html! {
        body.settings {
            header.top {
                h1 { "Settings" }
                nav aria-label="More" {
                    a.button href="/" { "Back to the page" }
                }
                form method="post" action="/logout" { (token(csrf)) button type="submit" { "Log out" } }
            }
            main { (main) }
        }
    };
    document(status, "Settings of the attendance appliance", &html! {}, &body)
}

fn trial(sheet: &Sheet, csrf: &str) -> Markup {
    let keep = html! {
        form method="post" action="/settings/keep" {
            (token(csrf))
            button.primary type="submit" { "Keep these settings" }
        }
    };
    html! {
        @if let Some(trial) = &sheet.trial {
            section.card aria-labelledby="trial-title" {
                h2 #trial-title { "New settings are on trial" }
                @match trial {
                    Trial::Runs { confirm: true, seconds } => {
                        p { "They go back in " (seconds) " seconds, unless you keep them." }
                        (keep)
                    }
                    Trial::Runs { confirm: false, seconds } => {
                        p { "They are kept in " (seconds) " seconds, if the program runs until then." }
                    }
                    Trial::CannotGoBack(fault) => {
                        p.outcome.attention {
                            "Nobody confirmed them, and the ones before cannot be put back: " (fault) ". It is tried again."
                        }
                        (keep)
                    }
                }
            }
        }
    }
}

fn group(section: &Section, given: &BTreeMap<&str, &str>, faults: &[Fault]) -> Markup {
    let named = |field: &Field| faults.iter().any(|fault| fault.name.as_deref() == Some(&field.name));
    let open = OPEN.contains(&&*section.name) || section.fields.iter().any(named);
    html! {
        section.card aria-labelledby=(format!("section-{}", section.name)) {
            h2 id=(format!("section-{}", section.name)) { (section.name) }
            p { (section.about) }
            details open[open] {
                summary { (section.fields.len()) " settings" span.unseen { " of " (section.name) } }
                @for field in &section.fields { (one(field, given, faults)) }
            }
        }
    }
}

fn one(field: &Field, given: &BTreeMap<&str, &str>, faults: &[Fault]) -> Markup {
    let (id, about) = (id(&field.name), format!("about-{}", id(&field.name)));
    let wrong: Vec<_> = faults.iter().filter(|fault| fault.name.as_deref() == Some(&field.name)).collect();
    let invalid = (!wrong.is_empty()).then_some("true");
    let value = given.get(&*field.name).copied().unwrap_or(&field.value);
    let hint = if field.default.is_empty() { "not set".to_owned() } else { field.default.clone() };
    html! {
        div.setting {
            label for=(id) { code { (field.name) } }
            p.quiet id=(about) { (field.about) }
            @for fault in &wrong { p.outcome.broken { (without_name(fault)) } }
            @match &field.input {
                Input::Switch => (select(field, &["true".to_owned(), "false".to_owned()], value, &hint, invalid)),
                Input::Choice(words) => (select(field, words, value, &hint, invalid)),
                Input::List => textarea id=(id) name=(field.name) rows="3" spellcheck="false" placeholder=(hint)
                    aria-describedby=(about) aria-invalid=[invalid] { (value) },
                Input::ReadOnly => input id=(id) readonly value=(if value.is_empty() { &hint } else { value }) aria-describedby=(about);,
                Input::Secret => {
                    // An address is read while it is typed; a key is not.
                    input id=(id) type=(if field.name.ends_with(".url") { "url" } else { "password" }) name=(field.name)
                        autocomplete="new-password" aria-describedby=(about) aria-invalid=[invalid] placeholder=(secret_hint(field));
                    @if field.is_set {
                        label.check {
                            input type="checkbox" name=(format!("{}!remove", field.name));
                            "Remove " (field.name)
                        }
                    }
                }
                Input::Number => input id=(id) name=(field.name) inputmode="decimal" value=(value) placeholder=(hint)
                    aria-describedby=(about) aria-invalid=[invalid];,
                Input::Text | Input::Duration => input id=(id) name=(field.name) value=(value) placeholder=(hint) spellcheck="false"
                    aria-describedby=(about) aria-invalid=[invalid];,
            }
        }
    }
}

fn secret_hint(field: &Field) -> String {
    match (field.is_set, field.default.is_empty()) {
        (false, _) => "not set".to_owned(),
        (true, true) => "set; not shown".to_owned(),
        (true, false) => format!("set: {} and what is not shown", field.default),
    }
}

fn select(field: &Field, words: &[String], value: &str, hint: &str, invalid: Option<&str>) -> Markup {
    let id = id(&field.name);
    html! {
        select id=(id) name=(field.name) aria-describedby=(format!("about-{id}")) aria-invalid=[invalid] {
            option value="" selected[value.is_empty()] { "Default: " (hint) }
            @for word in words { option value=(word) selected[word == value] { (word) } }
        }
    }
}

fn versions(sheet: &Sheet, csrf: &str) -> Markup {
    html! {
        section.card aria-labelledby="versions-title" {
            h2 #versions-title { "Versions" }
            p.quiet { "The last ten. A file that is brought on the card counts as one." }
            @for version in &sheet.versions { (kept(version, csrf)) }
            @if sheet.versions.is_empty() { p { "None yet." } }
        }
    }
}

fn kept(version: &Version, csrf: &str) -> Markup {
    html! {
        div.slot {
            strong { (version.at) } " " span.quiet { (version.by) }
            @if version.in_force { " " span.badge.well { "in force" } }
            @else {
                details {
                    summary { "What it would change" span.unseen { ": version of " (version.at) } }
                    (table(&version.changes))
                }
                form method="post" action="/settings/put-back" {
                    (token(csrf))
                    input type="hidden" name="version" value=(version.number);
                    button type="submit" id=(format!("put-back-{}", version.number)) {
                        "Put back" span.unseen { " the version of " (version.at) }
                    }
                }
            }
        }
    }
}

fn table(changes: &[Change]) -> Markup {
    html! {
        dl.fields.changes {
            @for change in changes {
                div { dt { code { (change.name) } } dd { del { (change.before) } " → " ins { (change.after) } } }
            }
        }
    }
}

/// A name as an id: no dots, which selectors would read as classes.
fn id(name: &str) -> String {
    name.replace('.', "-")
}

/// What is wrong, without the name where that stands before it.
fn without_name(fault: &Fault) -> &str {
    let name = fault.name.as_deref().unwrap_or("");
    fault.what.strip_prefix(name).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&fault.what)
}
