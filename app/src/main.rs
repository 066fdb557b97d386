//! The appliance's one program.
fn main() {}
