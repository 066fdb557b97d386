//! The request's body.

use journal::storage::{OpenRow, timestamp};

/// The batch as the webhook reads it: in the contract's three columns, and with `door` in a fourth one that
/// names the door.
///
/// # Errors
/// None that can happen: writing to memory does not fail.
pub(super) fn encode(batch: &[OpenRow], door: Option<&str>) -> csv::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let columns = ["enrollment_number", "status", "timestamp"];
    writer.write_record(columns.into_iter().chain(door.map(|_| "door")))?;
    for row in batch {
        let at = timestamp(row.local);
        writer.write_record([row.roll.as_str(), row.status.lower_case(), &at].into_iter().chain(door))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use time::macros::datetime;

    use super::*;
    use base::identity::RollNumber;
    use journal::row::Status;

    #[test]
    fn the_body_is_as_the_contract_has_it() {
        let row =
            |status, local| OpenRow { id: 1, roll: RollNumber::parse("2110001").unwrap(), status, local };
        let batch = [
            row(Status::In, datetime!(2025-01-15 09:00:00.999)),
            row(Status::Out, datetime!(2025-01-15 17:30:00)),
        ];
        assert_eq!(
            String::from_utf8(encode(&batch, None).unwrap()).unwrap(),
            "enrollment_number,status,timestamp\n2110001,in,2025-01-15 09:00:00\n2110001,out,2025-01-15 17:30:00\n"
        );
    }

    #[test]
    fn the_doors_name_stands_in_a_fourth_column() {
        let roll = RollNumber::parse("2110001").unwrap();
        let row = OpenRow { id: 1, roll, status: Status::In, local: datetime!(2025-01-15 09:00:00) };
        assert_eq!(
            String::from_utf8(encode(&[row], Some("Gate 1, north")).unwrap()).unwrap(),
            "enrollment_number,status,timestamp,door\n2110001,in,2025-01-15 09:00:00,\"Gate 1, north\"\n"
        );
    }
}
