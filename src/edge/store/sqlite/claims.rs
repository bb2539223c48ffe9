//! Which bots this process serves: a locked file for each. The system unlocks it when the process
//! ends, however it ends.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::StoreError;

#[derive(Clone)]
pub(super) struct Claims {
    directory: PathBuf,
    held: Arc<Mutex<HashMap<i64, File>>>,
}

impl Claims {
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), held: Arc::default() }
    }

    pub(super) fn claim(&self, bot: i64) -> Result<bool, StoreError> {
        let mut held = self.held();
        if held.contains_key(&bot) {
            return Ok(true);
        }
        let path = self.directory.join(format!("bot-{bot}.lock"));
        let failed = |error: std::io::Error| {
            StoreError::Away(format!(
                "could not lock '{}': {error}; make its directory writable",
                path.display()
            ))
        };
        let file = File::create(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                held.insert(bot, file);
                Ok(true)
            }
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    pub(super) fn has(&self, bot: i64) -> bool {
        self.held().contains_key(&bot)
    }

    pub(super) fn release(&self, bot: i64) {
        self.held().remove(&bot);
    }

    fn held(&self) -> MutexGuard<'_, HashMap<i64, File>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
