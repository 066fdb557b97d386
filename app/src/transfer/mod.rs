//! A whole device as one encrypted file: settings, rows and their deliveries, photos, accounts, tokens,
//! the students' list and the page's key. For the day on which a board or a card dies.
//!
//! `export` collects the files while the appliance runs. `import` checks an archive and puts it aside;
//! `take_over` puts it in the place of the device's own data at the next start, before anything else opens
//! them. So the running service never shares a file with an import. `arriving` takes an archive piece by
//! piece, as the page receives it.
//!
//! Not in it, because they can be fetched or made again: the mirror of the photo server, embeddings, the
//! learnt scene, installed updates. The files of the card beside the settings (`ca.pem`, `wifi.txt` and so
//! on) are not in it either: they belong to root.

pub mod arriving;
pub mod export;
pub mod import;
pub mod take_over;
