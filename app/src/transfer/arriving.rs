//! An archive on its way in through the page: checked while it comes, so that no copy of it is kept.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::import::{Staged, stage};
use base::failure::Fault;
use base::secret::Secret;
use view::{Incoming, Refused};

/// Pieces that wait for the card.
const PIECES: usize = 4;

/// One import at a time.
#[derive(Debug, Clone, Default)]
pub struct Turns(Arc<AtomicBool>);

struct Turn(Arc<AtomicBool>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// What is called once an archive waits for a start.
type WhenStaged = Box<dyn FnOnce(&Staged) + Send>;

/// The archive that comes in.
pub struct Arriving {
    pieces: Option<SyncSender<Vec<u8>>>,
    worker: Option<JoinHandle<Result<Staged, Fault>>>,
    /// Set before the end of the pieces, when all have come.
    whole: Arc<AtomicBool>,
    when_staged: Option<WhenStaged>,
    announced: u64,
    received: u64,
}

impl Arriving {
    /// Begins to take an archive of `announced` bytes. `when_staged` is called once it waits for a start.
    ///
    /// # Errors
    /// Another one is on its way in.
    pub fn begin(
        turns: &Turns,
        config: PathBuf,
        passphrase: Secret,
        keep_settings: bool,
        announced: u64,
        when_staged: impl FnOnce(&Staged) + Send + 'static,
    ) -> Result<Self, Fault> {
        if turns.0.swap(true, Ordering::AcqRel) {
            return Err(Fault::new("another import is under way").advise("wait for its end"));
        }
        let turn = Turn(Arc::clone(&turns.0));
        let (pieces, coming) = sync_channel(PIECES);
        let whole = Arc::new(AtomicBool::new(false));
        let is_whole = Arc::clone(&whole);
        let worker = std::thread::Builder::new().name("import".to_owned()).spawn(move || {
            let _turn = turn;
            let input = Pieces { coming, piece: Vec::new(), at: 0 };
            let wanted = || is_whole.load(Ordering::Acquire);
            let staged = stage(&config, input, &passphrase, keep_settings, wanted);
            if let Err(fault) = &staged {
                log::info!("An import ended: {fault}");
            }
            staged
        });
        let worker = worker.map_err(|error| Fault::new(format!("no thread can be started: {error}")))?;
        Ok(Self {
            pieces: Some(pieces),
            worker: Some(worker),
            whole,
            when_staged: Some(Box::new(when_staged)),
            announced,
            received: 0,
        })
    }

    fn end(&mut self) -> Result<Staged, Fault> {
        drop(self.pieces.take());
        let ended = self.worker.take().map(JoinHandle::join);
        let panicked = || Fault::new("the import stopped by a defect in the program");
        ended.and_then(Result::ok).ok_or_else(panicked)?
    }
}

impl Incoming for Arriving {
    fn take(&mut self, piece: &[u8]) -> Result<(), Refused> {
        self.received += piece.len() as u64;
        let sent = self.pieces.as_ref().map(|pieces| pieces.send(piece.to_vec()));
        match sent {
            Some(Ok(())) if self.received <= self.announced => Ok(()),
            // It has seen enough to refuse.
            _ => match self.end() {
                Err(fault) => Err(refused(fault)),
                Ok(_) => Err(refused(Fault::new("more came than an archive"))),
            },
        }
    }

    fn finish(mut self: Box<Self>) -> Result<Box<dyn Send>, Refused> {
        let (received, announced) = (self.received, self.announced);
        self.whole.store(received == announced, Ordering::Release);
        let staged = self.end().map_err(|fault| {
            refused(if received < announced {
                Fault::new(format!("the upload ended after {received} of {announced} bytes"))
                    .advise("send it again")
            } else {
                fault
            })
        })?;
        if let Some(tell) = self.when_staged.take() {
            tell(&staged);
        }
        Ok(Box::new(()))
    }
}

fn refused(fault: Fault) -> Refused {
    Refused { message: fault.what, details: fault.advice.unwrap_or_default() }
}

struct Pieces {
    coming: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            match self.coming.recv() {
                Ok(piece) => (self.piece, self.at) = (piece, 0),
                Err(_) => return Ok(0),
            }
        }
        let some = buffer.len().min(self.piece.len() - self.at);
        buffer[..some].copy_from_slice(&self.piece[self.at..self.at + some]);
        self.at += some;
        Ok(some)
    }
}
