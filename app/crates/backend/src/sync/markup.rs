//! What stands on an HTML page: its links, and the marks by which a listing is told from another page.
//!
//! Only the tokenizer of html5ever is used: it knows entities, comments, scripts and quotes, while building a
//! tree costs memory for each node and, on a hostile page, quadratic time.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, EndTag, StartTag, Tag, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

use super::bounds::{Link, ListingError, MAX_LINK_BYTES, MAX_LINKS, MAX_TIME};

/// Bytes tokenized between two looks at the clock.
const STRIDE: usize = 64 * 1024;

/// Most bytes that are kept of a page's title, headline and text.
const MAX_TEXT: usize = 4096;

/// The only tags on a page that is nothing but a list of links.
const PLAIN_TAGS: [&str; 18] = [
    "html", "head", "meta", "title", "body", "hr", "br", "pre", "ul", "ol", "li", "table", "thead", "tbody",
    "tr", "th", "td", "a",
];

/// What is remembered of a page beside its links.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Its title.
    pub(super) title: String,
    /// Its first headlines.
    pub(super) headline: String,
    /// The beginning of its text that is neither title nor headline nor link.
    pub(super) text: String,
    /// Whether it asks for a password.
    pub(super) asks_password: bool,
    /// Whether it has other tags than links and what they are listed in; pictures do not count.
    pub(super) has_other_tags: bool,
    /// Whether it says where it ends: `</html>` or `</body>`.
    pub(super) is_closed: bool,
    /// Lists and tables that were closed.
    pub(super) closed_lists: usize,
    /// Whether the page lacks a closing tag, or ends within a tag.
    pub(super) broke_off: bool,
}

/// Reads a page.
///
/// # Errors
/// [`ListingError`] when it is beyond the bounds.
pub(super) fn read(text: &str) -> Result<(Vec<Link>, Marks), ListingError> {
    let start = Instant::now();
    let options = TokenizerOpts { discard_bom: true, ..TokenizerOpts::default() };
    let tokenizer = Tokenizer::new(Reader::default(), options);
    let queue = BufferQueue::default();
    let mut rest = text;
    while !rest.is_empty() {
        let mut end = STRIDE.min(rest.len());
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, after) = rest.split_at(end);
        rest = after;
        queue.push_back(StrTendril::from(piece));
        while !queue.is_empty() {
            let _ = tokenizer.feed(&queue);
        }
        if start.elapsed() > MAX_TIME {
            return Err(ListingError::TooComplicated);
        }
        if tokenizer.sink.overflow.get() {
            return Err(ListingError::TooManyLinks);
        }
    }
    tokenizer.end();
    if tokenizer.sink.overflow.get() {
        return Err(ListingError::TooManyLinks);
    }
    let State { links, mut marks, opened_page, open_lists, .. } = tokenizer.sink.state.into_inner();
    let within_a_tag = text.rfind('<') > text.rfind('>');
    marks.broke_off = within_a_tag || !marks.is_closed && (opened_page || open_lists > 0);
    Ok((links, marks))
}

/// Where text stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Within {
    /// Anywhere else.
    #[default]
    Page,
    Title,
    Headline,
    Link,
    /// Scripts and styles: not shown.
    Hidden,
}

#[derive(Default)]
struct State {
    links: Vec<Link>,
    marks: Marks,
    within: Within,
    opened_page: bool,
    open_lists: usize,
}

/// Collects links and marks.
#[derive(Default)]
struct Reader {
    state: RefCell<State>,
    overflow: Cell<bool>,
}

impl TokenSink for Reader {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut state = self.state.borrow_mut();
        match token {
            Token::TagToken(tag) if tag.kind == StartTag => self.open(&mut state, &tag),
            Token::TagToken(tag) if tag.kind == EndTag => {
                state.close(&tag.name);
                TokenSinkResult::Continue
            }
            Token::CharacterTokens(text) => {
                state.note(&text);
                TokenSinkResult::Continue
            }
            _ => TokenSinkResult::Continue,
        }
    }
}

impl Reader {
    fn open(&self, state: &mut State, tag: &Tag) -> TokenSinkResult<()> {
        let value = |name: &str| tag.attrs.iter().find(|attribute| &*attribute.name.local == name);
        let name = &*tag.name;
        state.marks.has_other_tags |= name != "img" && !PLAIN_TAGS.contains(&name);
        let (wanted, is_image) = match name {
            "a" => {
                // A headline may be made of links, one for each folder on the way.
                if state.within != Within::Headline {
                    state.within = Within::Link;
                }
                ("href", false)
            }
            "img" => ("src", true),
            "html" | "body" => {
                state.opened_page = true;
                return TokenSinkResult::Continue;
            }
            "ul" | "ol" | "pre" | "table" => {
                state.open_lists += 1;
                return TokenSinkResult::Continue;
            }
            "h1" | "h2" => {
                state.within = Within::Headline;
                return TokenSinkResult::Continue;
            }
            "input" => {
                state.marks.asks_password |=
                    value("type").is_some_and(|kind| kind.value.eq_ignore_ascii_case("password"));
                return TokenSinkResult::Continue;
            }
            // What is text and not markup: a tree builder would tell the tokenizer so.
            "script" => {
                state.within = Within::Hidden;
                return TokenSinkResult::RawData(RawKind::ScriptData);
            }
            "style" | "xmp" | "iframe" | "noembed" | "noframes" => {
                state.within = Within::Hidden;
                return TokenSinkResult::RawData(RawKind::Rawtext);
            }
            "title" | "textarea" => {
                state.within = if name == "title" { Within::Title } else { Within::Hidden };
                return TokenSinkResult::RawData(RawKind::Rcdata);
            }
            _ => return TokenSinkResult::Continue,
        };
        if let Some(attribute) = value(wanted).filter(|attribute| attribute.value.len() <= MAX_LINK_BYTES) {
            if state.links.len() < MAX_LINKS {
                state.links.push(Link { href: attribute.value.to_string(), is_image });
            } else {
                self.overflow.set(true);
            }
        }
        TokenSinkResult::Continue
    }
}

impl State {
    fn close(&mut self, name: &str) {
        match name {
            "html" | "body" => self.marks.is_closed = true,
            "ul" | "ol" | "pre" | "table" => {
                self.open_lists = self.open_lists.saturating_sub(1);
                self.marks.closed_lists += 1;
            }
            "a" if self.within != Within::Link => {}
            "a" | "title" | "h1" | "h2" | "script" | "style" | "xmp" | "iframe" | "noembed" | "noframes"
            | "textarea" => self.within = Within::Page,
            _ => {}
        }
    }

    fn note(&mut self, text: &str) {
        let kept = match self.within {
            Within::Title => &mut self.marks.title,
            Within::Headline => &mut self.marks.headline,
            Within::Page => &mut self.marks.text,
            Within::Link | Within::Hidden => return,
        };
        if !text.trim().is_empty() || !kept.is_empty() {
            kept.extend(text.chars().take(MAX_TEXT.saturating_sub(kept.len())));
        }
    }
}
