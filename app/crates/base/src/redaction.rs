//! Takes what names a person out of a text that leaves the site. Pure.
//!
//! Which parts of a text name a person is not guessed from its words: the code that logs it says so, in
//! fields of the record ([`PERSONAL`], [`SIGHTING`]).

use url::Url;

/// Key of a field of a log record whose value names a person: a roll number, a photo, a folder of photos.
/// Every key that begins so is one, for records that name several.
///
/// ```
/// let photo = "2110001/a.jpg";
/// log::warn!(personal:% = photo; "photo {photo}: no face found");
/// ```
pub const PERSONAL: &str = "personal";

/// Key of a field of log records that say who was seen when. Nothing of such a record leaves the site,
/// whatever its words are.
pub const SIGHTING: &str = "sighting";

/// What stands where a person was named.
pub const LEFT_OUT: &str = "(left out)";

/// `text` without these values: neither as they are, nor as Rust quotes them, nor as they stand in addresses,
/// nor the parts of a path. The values themselves are found anywhere, also within a word.
pub fn without<'a>(text: &str, values: impl IntoIterator<Item = &'a str>) -> String {
    let mut whole = Vec::new();
    let mut parts = Vec::new();
    for value in values {
        forms(value, &mut whole);
        for part in value.split('/').filter(|part| *part != value) {
            forms(part, &mut parts);
        }
    }
    // The longest first: a short one may stand in a longer one.
    for list in [&mut whole, &mut parts] {
        list.sort_by_key(|form| std::cmp::Reverse(form.len()));
        list.dedup();
    }
    let text = whole.iter().fold(text.to_owned(), |text, form| replaced(&text, form, false));
    parts.iter().fold(text, |text, form| replaced(&text, form, true))
}

/// The ways a value is written.
fn forms(value: &str, into: &mut Vec<String>) {
    if value.is_empty() {
        return;
    }
    let quoted = format!("{value:?}");
    into.push(value.to_owned());
    into.push(quoted[1..quoted.len() - 1].to_owned());
    if let Ok(mut address) = Url::parse("http://localhost/") {
        address.set_path(value);
        into.push(address.path().trim_start_matches('/').to_owned());
    }
    into.retain(|form| !form.is_empty());
}

/// `text` with [`LEFT_OUT`] for each `form`; `alone`: only where it is no part of a longer word.
fn replaced(text: &str, form: &str, alone: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(form) {
        let in_another =
            alone && (before.ends_with(char::is_alphanumeric) || after.starts_with(char::is_alphanumeric));
        out.push_str(before);
        out.push_str(if in_another { form } else { LEFT_OUT });
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_value_is_redacted() {
        for (text, expected) in [
            ("photo CS-17/Asha Rao.jpg: 404", "photo (left out): 404"),
            ("https://b.example/CS-17/Asha%20Rao.jpg: 404", "https://b.example/(left out): 404"),
            ("the folder CS-17 is empty", "the folder (left out) is empty"),
            ("\"Asha Rao.jpg\"", "\"(left out)\""),
            ("CS-170 and XCS-17", "CS-170 and XCS-17"),
            ("xCS-17/Asha Rao.jpgx", "x(left out)x"),
            ("", ""),
        ] {
            assert_eq!(without(text, ["CS-17/Asha Rao.jpg"]), expected, "{text}");
        }
        assert_eq!(without("7 and 17", ["7", "17"]), "(left out) and (left out)");
        assert_eq!(without("he said \"Rao: \\\"A\\\"\"", ["Rao: \"A\""]), "he said \"(left out)\"");
        assert_eq!(without("nothing", ["", "/"]), "nothing");
    }
}
