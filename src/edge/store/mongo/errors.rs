//! Which of the driver's errors mean "away" and which "refused".

use mongodb::error::{Error, ErrorKind, WriteFailure};

use super::StoreError;

const DUPLICATE_KEY: i32 = 11000;

/// Codes of commands that failed for the server's sake, not for what they asked.
const PASSING: &[i32] = &[
    1,     // InternalError
    6,     // HostUnreachable
    7,     // HostNotFound
    24,    // LockTimeout
    50,    // MaxTimeMSExpired
    64,    // WriteConcernTimeout
    89,    // NetworkTimeout
    91,    // ShutdownInProgress
    112,   // WriteConflict
    134,   // ReadConcernMajorityNotAvailableYet
    189,   // PrimarySteppedDown
    202,   // NetworkInterfaceExceededTimeLimit
    262,   // ExceededTimeLimit
    365,   // TemporarilyUnavailable
    9001,  // SocketException
    10058, // LegacyNotPrimary
    10107, // NotWritablePrimary
    11600, // InterruptedAtShutdown
    11602, // InterruptedDueToReplStateChange
    13435, // NotPrimaryNoSecondaryOk
    13436, // NotPrimaryOrSecondary
    14031, // OutOfDiskSpace
];

/// Codes of commands that the server does not let this process give.
const DENIED: &[i32] = &[
    13,   // Unauthorized
    18,   // AuthenticationFailed
    8000, // AtlasError: over quota, a user without rights
];

/// Turns an error of the driver into the store's, saying what was tried.
pub(super) fn during(doing: &'static str) -> impl Fn(Error) -> StoreError {
    move |error| {
        let text = format!("could not {doing}: {}", words(&error));
        match () {
            () if is_denied(&error) => StoreError::Denied(text),
            () if is_away(&error) => StoreError::Away(text),
            () => StoreError::Refused(text),
        }
    }
}

/// A call that was given up.
pub(super) fn too_slow(doing: &str) -> StoreError {
    let seconds = super::PATIENCE.as_secs();
    StoreError::Away(format!("could not {doing}: no answer within {seconds} s; check the server's load"))
}

/// Whether an insert found its `_id` or another unique key taken.
pub(super) fn is_duplicate_key(error: &Error) -> bool {
    code(error) == Some(DUPLICATE_KEY)
}

fn code(error: &Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(error)) => Some(error.code),
        ErrorKind::Command(error) => Some(error.code),
        _ => None,
    }
}

fn is_denied(error: &Error) -> bool {
    let is_not_known = matches!(error.kind.as_ref(), ErrorKind::Authentication { .. });
    is_not_known || code(error).is_some_and(|code| DENIED.contains(&code))
}

fn is_away(error: &Error) -> bool {
    if error.contains_label("RetryableWriteError") || error.contains_label("TransientTransactionError") {
        return true;
    }
    match error.kind.as_ref() {
        ErrorKind::Io(_)
        | ErrorKind::ServerSelection { .. }
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::DnsResolve { .. }
        | ErrorKind::Internal { .. }
        | ErrorKind::InvalidResponse { .. }
        | ErrorKind::Shutdown
        | ErrorKind::Write(WriteFailure::WriteConcernError(_)) => true,
        _ => code(error).is_some_and(|code| PASSING.contains(&code)),
    }
}

/// What the server or the driver says, without the wrapping of its types.
fn words(error: &Error) -> String {
    match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(error)) => {
            format!("{} (code {})", error.message, error.code)
        }
        ErrorKind::Write(WriteFailure::WriteConcernError(error)) => {
            format!("it is not known to be on a majority: {} (code {})", error.message, error.code)
        }
        ErrorKind::Command(error) => format!("{} (code {})", error.message, error.code),
        kind => kind.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use mongodb::error::CommandError;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_an_operator_can_mend_is_not_given_up() {
        let told = |code: i32| {
            let error = json!({ "code": code, "codeName": "x", "errmsg": "no" });
            let error: CommandError = serde_json::from_value(error).unwrap();
            during("update a turn")(ErrorKind::Command(error).into())
        };
        for code in [13, 18, 8000] {
            assert!(matches!(told(code), StoreError::Denied(_)), "{code}");
            assert!(told(code).may_pass());
        }
        assert!(matches!(told(189), StoreError::Away(_)), "the primary stepped down");
        assert!(matches!(told(10334), StoreError::Refused(_)), "a document that is too large");
    }
}
