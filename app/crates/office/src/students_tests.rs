#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Vec<(String, String, String)> {
    let list = parse(text.as_bytes()).unwrap();
    list.students.into_values().map(|s| (s.roll.to_string(), s.name, s.class)).collect()
}

fn asha() -> Vec<(String, String, String)> {
    vec![("2110001".to_owned(), "Asha Rao".to_owned(), "10 A".to_owned())]
}

#[test]
fn a_list_loses_the_students_line_and_nobody_elses() {
    let gone = |table: &[u8]| without(table, |roll| roll.as_str() == "9");
    let text = |table: &str| gone(table.as_bytes()).map(|left| String::from_utf8(left).unwrap());
    assert_eq!(
        text("roll;name;class\r\n\"9\";Asha;8\r\n10;Ben;9\r\n").unwrap().matches("10;Ben;9").count(),
        1
    );
    assert!(!text("roll;name;class\r\n\"9\";Asha;8\r\n10;Ben;9\r\n").unwrap().contains("Asha"));
    assert_eq!(text("class,roll\n9,10\n9,11\n"), None, "a class of that name stays");
    assert_eq!(text("sep=;\nroll;name\n9;Asha\n'9;Asha\n8;Ben\n").unwrap(), "sep=;\nroll;name\n8;Ben\n");
    assert_eq!(text("roll,name\n8,Ben\n9,\"As\nha\"").unwrap(), "roll,name\n8,Ben\n");
    assert_eq!(text("Asha,9\nBen,8\n").unwrap(), "Ben,8\n", "without headings any cell counts");
    let mut utf16 = vec![0xff, 0xfe];
    utf16.extend("roll\tname\n9\tAsha\n8\tBen\n".encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(gone(&utf16).unwrap(), b"roll\tname\n8\tBen\n");
}

#[test]
fn columns_stand_in_any_order_under_any_of_their_names() {
    for text in [
        "roll,name,class\n2110001,Asha Rao,10 A\n",
        "Class;Roll No.;Student Name\r\n10 A;2110001;Asha Rao\r\n",
        "Enrollment Number\tFirst name\tLast name\tGrade\tSection\n2110001\tAsha\tRao\t10\tA\n",
        "sep=;\r\nName;Class;ROLL_NUMBER\r\n\"Asha  Rao\";10 A;'2110001\r\n",
        "\u{feff}ID,Roll,Full Name,Class\n1,2110001,Asha Rao,10 A\n\n,,,\n",
    ] {
        assert_eq!(read(text), asha(), "{text:?}");
    }
}

#[test]
fn utf_16_and_windows_1252_are_read() {
    let text = "roll;name;class\r\n7;Zoë Œuvrard – “Z”;5ª\r\n";
    let utf16: Vec<u8> =
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let windows: Vec<u8> =
        text.chars().map(|c| (0..=255_u8).find(|byte| windows_1252(*byte) == c).unwrap()).collect();
    for bytes in [text.as_bytes(), &utf16, &windows] {
        assert_eq!(
            parse(bytes).unwrap().students[&RollNumber::parse("7").unwrap()].name,
            "Zoë Œuvrard – “Z”"
        );
    }
}

#[test]
fn what_is_left_out_is_told_by_its_line() {
    let list = parse(b"roll,name\n7,Asha\n,Ben\n../x,Eve\n7,Asha again\n8,Dia\n").unwrap();
    assert_eq!(list.students.len(), 2);
    assert_eq!(list.left_out_count, 3);
    assert_eq!(list.left_out[0], "line 3: it has no roll number");
    assert!(list.left_out[1].starts_with("line 4: \"../x\" is not a roll number"), "{:?}", list.left_out);
    assert_eq!(list.left_out[2], "line 5: 7 stands on an earlier line");
}

#[test]
fn what_is_no_list_says_what_to_do() {
    let cases: [(&[u8], &str); 5] = [
        (b"", "roll,name,class"),
        (b"7,Asha\n8,Ben\n", "no column of the list holds roll numbers"),
        (b"\x89PNG\r\n\x1a\n", "no column of the list holds roll numbers"),
        (b"roll,name\n", "no line of the list is a student"),
        (b"roll\n2.11E+06\n", "2.11E+06"),
    ];
    for (bytes, said) in cases {
        let error = parse(bytes).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    assert_eq!(parse(&vec![b'a'; MOST_BYTES + 1]), Err(ListError::TooLarge));
    let mut many = "roll\n".to_owned();
    (0..=MOST).for_each(|roll| many += &format!("{roll}\n"));
    assert_eq!(parse(many.as_bytes()), Err(ListError::TooMany));
}

#[test]
fn hidden_characters_go_and_long_texts_are_cut() {
    let text = format!("roll,name\n7,\u{202e}As\u{200b}ha\u{7}  {}\n", "x".repeat(500));
    let (_, name, _) = read(&text).remove(0);
    assert!(name.starts_with("Asha xxx") && name.chars().count() == LONGEST_NAME, "{name}");
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(list) = parse(&bytes) {
            prop_assert!(!list.students.is_empty() && list.students.len() <= MOST);
        }
    }

    #[test]
    fn every_student_of_a_list_is_found_with_every_separator(
        students in proptest::collection::btree_map("[0-9]{1,8}", ("[A-Za-z]{1,9}( [A-Za-z]{1,9})?", "[0-9]{1,2}"), 1..30),
        separator in proptest::sample::select(vec![',', ';', '\t']),
    ) {
        let mut text = format!("class{separator}name{separator}roll\r\n");
        for (roll, (name, class)) in &students {
            text += &format!("{class}{separator}{name}{separator}{roll}\r\n");
        }
        let list = parse(text.as_bytes()).unwrap();
        prop_assert_eq!(list.students.len(), students.len());
        for (roll, (name, class)) in &students {
            let found = &list.students[&RollNumber::parse(roll).unwrap()];
            prop_assert_eq!((&found.name, &found.class), (name, class));
        }
    }
}
