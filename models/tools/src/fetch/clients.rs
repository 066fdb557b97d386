//! The programs that fetch, and the largest package that one may bring.

/// Largest package; the largest pinned one has 79 MB.
pub(super) const MAX_ARCHIVE_BYTES: u64 = 96 << 20;

/// The programs that fetch, each as its words, the first of which is looked up in `PATH`.
#[derive(Clone, Debug)]
pub struct Clients {
    /// pip under the names it goes by; the first that is installed counts.
    pub pip: Vec<Vec<String>>,
    /// npm.
    pub npm: Vec<String>,
    /// curl.
    pub curl: Vec<String>,
}

impl Default for Clients {
    fn default() -> Self {
        let words = |command: &str| command.split(' ').map(str::to_owned).collect::<Vec<_>>();
        Self {
            pip: ["pip3", "pip", "python3 -m pip"].map(words).into(),
            npm: words("npm"),
            curl: words("curl"),
        }
    }
}
