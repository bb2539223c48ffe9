//! Which of SQLite's errors mean "away" and which "refused".

use std::path::Path;

use rusqlite::ErrorCode;

use super::StoreError;

/// Turns an error of SQLite into the store's, saying what was tried.
pub(super) fn during(doing: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |error| {
        let code = error.sqlite_error_code();
        let text = format!("could not {doing}: {error}{}", code.map_or("", advice));
        if code.is_some_and(is_away) { StoreError::Away(text) } else { StoreError::Refused(text) }
    }
}

/// Puts the file's name before an error that came up while it was opened.
pub(super) fn of_file(file: &Path, error: StoreError) -> StoreError {
    let named = |text| format!("'{}': {text}", file.display());
    match error {
        StoreError::Away(text) => StoreError::Away(named(text)),
        StoreError::Denied(text) => StoreError::Denied(named(text)),
        StoreError::Refused(text) => StoreError::Refused(named(text)),
    }
}

/// A thread of the store that is no more.
pub(super) fn thread_ended() -> StoreError {
    StoreError::Away("the thread of the embedded store has ended; restart the server".to_owned())
}

fn is_away(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationAborted
            | ErrorCode::OperationInterrupted
            | ErrorCode::FileLockingProtocolFailed
    )
}

fn advice(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::DiskFull => "; free space on its disk",
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => "; another process is writing to it",
        ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
            "; check that the file and its directory are writable"
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => "; restore the file from a backup",
        _ => "",
    }
}
