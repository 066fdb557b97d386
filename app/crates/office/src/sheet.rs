//! Tables as files that a spreadsheet opens, CSV and XLSX. No cell is ever taken for a formula.

use rust_xlsxwriter::{Format, Workbook, XlsxError};

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Text, also where it looks like a number or a formula.
    Text(String),
    /// A count.
    Count(usize),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Self {
        Self::Count(count)
    }
}

/// A table with its headings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sheet {
    /// What it is called in a workbook.
    pub title: String,
    /// The headings.
    pub head: Vec<String>,
    /// The lines.
    pub rows: Vec<Vec<Cell>>,
}

/// Why a sheet was not written.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    /// As CSV.
    #[error("the sheet cannot be written as CSV: {0}")]
    Csv(String),
    /// As XLSX.
    #[error("the sheet cannot be written as XLSX: {0}")]
    Xlsx(#[from] XlsxError),
}

impl Sheet {
    /// As CSV: UTF-8 with its mark, so that Excel knows it, and lines that end as RFC 4180 says. A text that
    /// a spreadsheet would take for a formula gets an apostrophe before it.
    ///
    /// # Errors
    /// [`SheetError::Csv`].
    pub fn csv(&self) -> Result<Vec<u8>, SheetError> {
        let failed = |error: String| SheetError::Csv(error);
        let begin = "\u{feff}".as_bytes().to_vec();
        let mut writer =
            csv::WriterBuilder::new().flexible(true).terminator(csv::Terminator::CRLF).from_writer(begin);
        writer.write_record(self.head.iter().map(|text| guarded(text))).map_err(|e| failed(e.to_string()))?;
        for row in &self.rows {
            let cells = row.iter().map(|cell| match cell {
                Cell::Text(text) => guarded(text),
                Cell::Count(count) => count.to_string(),
            });
            writer.write_record(cells).map_err(|error| failed(error.to_string()))?;
        }
        writer.into_inner().map_err(|error| failed(error.to_string()))
    }

    /// As XLSX: texts are cells of text, whatever they look like. The headings stay while one scrolls.
    ///
    /// # Errors
    /// [`SheetError::Xlsx`].
    pub fn xlsx(&self) -> Result<Vec<u8>, SheetError> {
        let mut workbook = Workbook::new();
        let bold = Format::new().set_bold();
        let sheet = workbook.add_worksheet();
        sheet.set_name(sheet_name(&self.title))?;
        sheet.set_freeze_panes(1, 0)?;
        for (column, text) in (0_u16..).zip(&self.head) {
            sheet.write_string_with_format(0, column, text, &bold)?;
            let longest = self.rows.iter().take(1000).filter_map(|row| row.get(usize::from(column)));
            let longest = longest.map(|cell| match cell {
                Cell::Text(text) => text.chars().count(),
                Cell::Count(_) => 4,
            });
            let width = longest.max().unwrap_or(0).max(text.chars().count()).clamp(3, 40);
            sheet.set_column_width(column, width as f64 + 1.5)?;
        }
        for (line, row) in (1_u32..).zip(&self.rows) {
            for (column, cell) in (0_u16..).zip(row) {
                match cell {
                    Cell::Text(text) => sheet.write_string(line, column, text)?,
                    Cell::Count(count) => sheet.write_number(line, column, *count as f64)?,
                };
            }
        }
        Ok(workbook.save_to_buffer()?)
    }
}

/// A text that no spreadsheet takes for a formula. Where the list separator is a semicolon, each part of a
/// text is a cell of its own.
fn guarded(text: &str) -> String {
    text.split(';').map(guarded_part).collect::<Vec<_>>().join(";")
}

/// Some spreadsheets also find a formula behind blanks, or one that begins with a full-width sign.
fn guarded_part(text: &str) -> String {
    let first = text.trim_start_matches([' ', '\u{a0}', '\u{feff}']).chars().next();
    let starts_formula =
        matches!(first, Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠'));
    if starts_formula { format!("'{text}") } else { text.to_owned() }
}

/// A name that workbooks allow: at most 31 characters, without some signs.
fn sheet_name(title: &str) -> String {
    let allowed = |c: char| !"[]:*?/\\'".contains(c) && !c.is_control();
    let name: String = title.chars().filter(|c| allowed(*c)).take(31).collect();
    if name.trim().is_empty() { "Attendance".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use calamine::{Data, Reader as _, Xlsx};
    use proptest::prelude::*;
    use std::io::Cursor;

    const TRICKS: [&str; 9] = [
        "=HYPERLINK(\"http://backend.example\")",
        "+1+1",
        "-2+3",
        "@SUM(A1)",
        "\t=1+1",
        "\r=1+1",
        "  =1+1",
        "＝1+1",
        "=cmd|' /C calc'!A0",
    ];

    fn sheet(texts: &[&str]) -> Sheet {
        Sheet {
            title: "Day: 2026/11/23".to_owned(),
            head: vec!["Name".to_owned(), "Days".to_owned()],
            rows: texts.iter().map(|text| vec![Cell::from(*text), Cell::from(7)]).collect(),
        }
    }

    fn read(bytes: Vec<u8>) -> (Vec<Vec<Data>>, usize) {
        let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).unwrap();
        let name = book.sheet_names()[0].clone();
        let formulas = book.worksheet_formula(&name).map(|range| range.used_cells().count()).unwrap_or(0);
        let range = book.worksheet_range(&name).unwrap();
        (range.rows().map(<[Data]>::to_vec).collect(), formulas)
    }

    #[test]
    fn no_cell_of_a_csv_file_is_a_formula() {
        let bytes = sheet(&TRICKS).csv().unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("\u{feff}Name,Days\r\n"));
        let mut lines = csv::ReaderBuilder::new().from_reader(text.as_bytes());
        for (line, trick) in lines.records().zip(TRICKS) {
            let line = line.unwrap();
            assert_eq!((&line[0], &line[1]), (format!("'{trick}").as_str(), "7"));
        }
        for plain in ["2110001", "Asha Rao", "10-A", "O’Neil"] {
            assert_eq!(guarded(plain), plain);
        }
    }

    #[test]
    fn every_cell_of_an_xlsx_file_is_the_text_or_the_number_it_was() {
        let (rows, formulas) = read(sheet(&TRICKS).xlsx().unwrap());
        assert_eq!(formulas, 0);
        assert_eq!(rows[0], [Data::String("Name".to_owned()), Data::String("Days".to_owned())]);
        for (row, trick) in rows[1..].iter().zip(TRICKS) {
            // How blanks and line ends at the beginning are kept is the reader's business.
            assert_eq!(row[0].to_string().replace("_x000D_", "").trim(), trick.trim());
            assert_eq!(row[1], Data::Float(7.0));
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back_from_both_files(text in "[!-~äöü€अ][ -^`-~äöü€अ]{0,28}[!-~]") {
            let sheet = sheet(&[&text]);
            let (rows, formulas) = read(sheet.xlsx().unwrap());
            prop_assert_eq!((rows[1][0].to_string(), formulas), (text.clone(), 0));
            let csv = String::from_utf8(sheet.csv().unwrap()).unwrap();
            let line = csv::Reader::from_reader(csv.as_bytes()).records().next().unwrap().unwrap();
            prop_assert_eq!(line[0].replace('\'', ""), text.replace('\'', ""));
            for part in line[0].split(';') {
                prop_assert!(!part.trim_start().starts_with(['=', '+', '-', '@']));
            }
        }
    }
}
