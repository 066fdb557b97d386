//! The request's body.

use crate::journal::{OpenRow, timestamp};

/// The batch as the webhook reads it. Roll numbers, `in`, `out` and times need no quotes in CSV.
pub(super) fn encode(batch: &[OpenRow]) -> String {
    let mut body = String::from("enrollment_number,status,timestamp\n");
    for row in batch {
        body.push_str(&format!("{},{},{}\n", row.roll, row.status.lower_case(), timestamp(row.local)));
    }
    body
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use time::macros::datetime;

    use super::*;
    use crate::attendance::Status;
    use crate::identity::RollNumber;

    #[test]
    fn the_body_is_as_the_contract_has_it() {
        let row =
            |status, local| OpenRow { id: 1, roll: RollNumber::parse("2110001").unwrap(), status, local };
        let batch = [
            row(Status::In, datetime!(2025-01-15 09:00:00.999)),
            row(Status::Out, datetime!(2025-01-15 17:30:00)),
        ];
        assert_eq!(
            encode(&batch),
            "enrollment_number,status,timestamp\n2110001,in,2025-01-15 09:00:00\n2110001,out,2025-01-15 17:30:00\n"
        );
    }
}
