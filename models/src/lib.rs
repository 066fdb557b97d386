//! The networks of the attendance appliance on candle, and the pinned weight files they run on.
