//! Devanagari is shaped as it is written: conjuncts, the reph above the letter after it, and the short i
//! before its letter. Checked by the numbers of the glyphs in the locked font.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use door::fonts::{FOLDER, Fonts};
use door::paint::text::{Room, Type};

fn text() -> Option<(Type, skrifa::Font)> {
    match Fonts::load(Path::new(FOLDER)) {
        Ok(fonts) => Some((Type::new(fonts.clone()), fonts.devanagari)),
        Err(missing) => {
            skipped::skipped(&format!("the packages fonts-dejavu-core and fonts-lohit-deva ({missing})"));
            None
        }
    }
}

fn glyph(font: &skrifa::Font, c: char) -> u32 {
    font.charmap().map_unicode(c).unwrap().to_u32()
}

#[test]
fn ksha_is_one_glyph_and_not_its_parts() {
    let Some((text, font)) = text() else { return };
    let joined = text.glyph_ids("क्ष");
    assert_eq!(joined.len(), 1, "{joined:?}");
    for part in ['क', '\u{94d}', 'ष'] {
        assert!(!joined.contains(&glyph(&font, part)), "{part} stands alone in {joined:?}");
    }
    // A joiner that forbids the conjunct keeps the virama visible.
    let apart = text.glyph_ids("क्\u{200c}ष");
    assert!(apart.contains(&glyph(&font, 'ष')) && apart.len() > 1, "{apart:?}");
}

#[test]
fn ra_before_a_letter_becomes_a_reph_that_follows_it() {
    let Some((text, font)) = text() else { return };
    let shaped = text.glyph_ids("र्क");
    assert_eq!(shaped.len(), 2, "{shaped:?}");
    assert_eq!(shaped[0], glyph(&font, 'क'), "the letter comes first: {shaped:?}");
    assert!(![glyph(&font, 'र'), glyph(&font, '\u{94d}')].contains(&shaped[1]), "{shaped:?}");
}

#[test]
fn short_i_is_drawn_before_the_letter_it_follows() {
    let Some((text, font)) = text() else { return };
    for (word, letters) in [("कि", vec!['क']), ("सिर", vec!['स', 'र'])] {
        let shaped = text.glyph_ids(word);
        let letter = glyph(&font, letters[0]);
        let at = shaped.iter().position(|id| *id == letter).unwrap();
        assert_eq!(at, 1, "{word}: the sign stands before its letter in {shaped:?}");
    }
    // Over a conjunct it goes before the whole.
    let shaped = text.glyph_ids("क्षि");
    assert_eq!(shaped.len(), 2, "{shaped:?}");
    assert_eq!(shaped[1], text.glyph_ids("क्ष")[0], "{shaped:?}");
}

#[test]
fn a_word_is_never_cut_between_a_letter_and_its_marks() {
    let Some((text, _)) = text() else { return };
    let room = |width| Room { width, height: 30.0, largest: 20.0, smallest: 20.0, lines: 1 };
    for width in 20..200 {
        let block = text.fit(&"कि".repeat(30), room(width as f32));
        assert!(block.cut);
        assert!(
            block.width() <= width as f32 || block.lines() == 1 && width < 25,
            "{width}: {}",
            block.width()
        );
    }
}

#[test]
fn other_scripts_are_known_to_be_missing() {
    let Ok(fonts) = Fonts::load(Path::new(FOLDER)) else {
        return skipped::skipped("the packages fonts-dejavu-core and fonts-lohit-deva");
    };
    for name in ["Asha Rao", "Łukasz Żółć", "Ольга", "आशा राव", "José-María O’Neill"]
    {
        assert!(fonts.can_write(name), "{name}");
    }
    for name in ["山田太郎", "தமிழ்", "Asha 🎓"] {
        assert!(!fonts.can_write(name), "{name}");
    }
}
