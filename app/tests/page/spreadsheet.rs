//! The sheets that the office downloads, opened by LibreOffice: no cell is a formula, and all values are
//! there.

use std::path::Path;
use std::process::Command;

use crate::client::As;
use crate::device::Device;

/// Names that a spreadsheet would take for formulas, for the students 601 and following.
pub const TRICKS: [&str; 7] = [
    "=HYPERLINK(\"http://backend.example\")",
    "+1+1",
    "-2+3",
    "@SUM(A1:A9)",
    "\t=1+1",
    "=cmd|' /C calc'!A0",
    "Ben;=1+1",
];

/// How LibreOffice is asked to read CSV: comma, UTF-8, numbers found by their look, formulas made of what
/// looks like one.
const EAGER: &str = "CSV:44,34,76,1,,0,false,true,,,,,true";

/// The cells of each row as LibreOffice understands a file: its kind, and its text. None, with a word about
/// it, where LibreOffice is missing.
fn opened(folder: &Path, name: &str, bytes: &[u8]) -> Option<Vec<Vec<(String, String)>>> {
    let file = folder.join(name);
    std::fs::write(&file, bytes).unwrap();
    let profile = format!("-env:UserInstallation=file://{}/profile", folder.display());
    let mut office = Command::new("soffice");
    office.args(["--headless", &profile]);
    if name.ends_with(".csv") {
        office.arg(format!("--infilter={EAGER}"));
    }
    let done = office.args(["--convert-to", "fods", "--outdir"]).arg(folder).arg(&file).output();
    let Ok(done) = done else {
        skipped::skipped("LibreOffice: install the package libreoffice-calc-nogui");
        return None;
    };
    let opened = file.with_extension("fods");
    let text = std::fs::read_to_string(&opened).unwrap_or_else(|_| panic!("{name} is not opened: {done:?}"));
    std::fs::remove_file(&opened).unwrap();
    Some(text.split("<table:table-row").skip(1).map(row).collect())
}

/// The cells of one row of a flat OpenDocument sheet.
fn row(text: &str) -> Vec<(String, String)> {
    let cells = text.split("</table:table-row>").next().unwrap().split("<table:table-cell").skip(1);
    let mut row = Vec::new();
    for cell in cells {
        let (head, rest) = cell.split_once('>').unwrap();
        let attribute = |name: &str| {
            let after = head.split_once(&format!("{name}=\""))?.1;
            Some(after.split('"').next().unwrap().to_owned())
        };
        let kind = match attribute("table:formula") {
            Some(formula) => format!("formula {formula}"),
            None => attribute("office:value-type").unwrap_or_default(),
        };
        let paragraphs = rest.split("<text:p>").skip(1).map(|text| text.split("</text:p>").next().unwrap());
        let shown = paragraphs.collect::<Vec<_>>().join("\n");
        let shown = shown.replace("<text:tab/>", "\t").replace("<text:s/>", " ");
        let shown = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")]
            .iter()
            .fold(shown, |text, (from, to)| text.replace(from, to));
        let times = attribute("table:number-columns-repeated").and_then(|times| times.parse().ok());
        // The empty rest of a row is repeated thousands of times.
        row.extend(std::iter::repeat_n((kind, shown), times.unwrap_or(1).min(64)));
    }
    while row.last().is_some_and(|(kind, _)| kind.is_empty()) {
        row.pop();
    }
    row
}

/// A text without the quotes that guard it in a CSV file, and without tabs.
fn plain(text: &str) -> String {
    text.chars().filter(|sign| !"'\t".contains(*sign)).collect()
}

#[test]
fn libreoffice_opens_every_sheet_and_takes_no_cell_for_a_formula() {
    let device = Device::start();
    *device.fake.students.lock().unwrap() = 600 + TRICKS.len();
    let who = device.log_in();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();

    // What is unguarded is a formula to it: so a sheet that is not guarded fails here.
    let Some(rows) = opened(folder, "control.csv", b"Name\r\n=1+1\r\n+2+3\r\n") else { return };
    assert!(rows[1][0].0.starts_with("formula"), "{rows:?}");

    let fetch = |path: &str| {
        let answer = device.get(path, &who);
        assert_eq!(answer.status, 200, "{path}");
        answer.body
    };
    for (sheet, query) in
        [("day", ""), ("range", "?from=2026-11-20&to=2026-11-22"), ("month", "?month=2026-11")]
    {
        for kind in ["csv", "xlsx"] {
            let name = format!("{sheet}.{kind}");
            let rows = opened(folder, &name, &fetch(&format!("/sheets/{name}{query}"))).unwrap();
            let formula = rows.iter().flatten().find(|(kind, _)| kind.starts_with("formula"));
            assert_eq!(formula, None, "{name}");
            let days = if sheet == "range" { 3 } else { 1 };
            // With the headings, and the key of a month's letters.
            let lines = days * (600 + TRICKS.len()) + 1 + usize::from(sheet == "month");
            assert_eq!(rows.iter().filter(|row| !row.is_empty()).count(), lines, "{name}");
            let at = rows[0].iter().position(|(_, text)| text == "Name").unwrap();
            for trick in TRICKS {
                let found = rows.iter().filter_map(|row| row.get(at));
                let found = found.into_iter().find(|(_, text)| plain(text).contains(&plain(trick)));
                let Some((cell, text)) = found else { panic!("{name} lacks {trick:?}") };
                assert_eq!(cell, "string", "{name}: {text}");
                assert!(kind == "csv" || !text.contains("Ben;'"), "{name} changes {trick:?} to {text:?}");
            }
        }
    }

    // The values are those of the page: every student of the day's sheet, cell by cell, in both kinds.
    let csv = opened(folder, "day.csv", &fetch("/sheets/day.csv")).unwrap();
    let xlsx = opened(folder, "day.xlsx", &fetch("/sheets/day.xlsx")).unwrap();
    let state = xlsx[0].iter().position(|(_, text)| text == "State").unwrap();
    let count = |rows: &[Vec<(String, String)>], words: &str| {
        rows.iter().filter(|row| row.get(state).is_some_and(|(_, text)| text == words)).count()
    };
    let present = count(&xlsx, "present");
    assert!(present + count(&xlsx, "late") > 0, "nobody came");
    for words in ["present", "late", "absent"] {
        assert_eq!(count(&csv, words), count(&xlsx, words), "{words}");
    }
    assert_eq!(csv[1][1].1, xlsx[1][1].1, "the first student’s roll number");
    // A month's totals are numbers, so that a spreadsheet can add them.
    let month = opened(folder, "month.xlsx", &fetch("/sheets/month.xlsx?month=2026-11")).unwrap();
    let total = month[0].iter().position(|(_, text)| text == "Present").unwrap();
    let sum: f64 = month[1..]
        .iter()
        .filter_map(|row| row.get(total).filter(|(kind, _)| kind == "float"))
        .map(|(_, text)| text.parse::<f64>().unwrap())
        .sum();
    assert!(sum >= present as f64, "{sum} of {present}");
    assert_eq!(device.get("/sheets/day.csv", &As::default()).status, 401);
}
