//! The request's body.

use journal::storage::{OpenRow, timestamp};

/// The batch as the webhook reads it.
///
/// # Errors
/// None that can happen: writing to memory does not fail.
pub(super) fn encode(batch: &[OpenRow]) -> csv::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["enrollment_number", "status", "timestamp"])?;
    for row in batch {
        writer.write_record([row.roll.as_str(), row.status.lower_case(), &timestamp(row.local)])?;
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
            String::from_utf8(encode(&batch).unwrap()).unwrap(),
            "enrollment_number,status,timestamp\n2110001,in,2025-01-15 09:00:00\n2110001,out,2025-01-15 17:30:00\n"
        );
    }
}
