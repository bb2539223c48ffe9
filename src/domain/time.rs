//! The clock that actors and rules read: tokio's, so that it stands still when a test says so.

use tokio::time::Instant;

/// Milliseconds since 1970, counted on by tokio's clock from one reading of the wall's.
///
/// A jump of the wall's clock while the process runs changes nothing.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
    origin_ms: i64,
}

impl Clock {
    /// A clock that reads `origin_ms` now.
    pub fn starting_at(origin_ms: i64) -> Self {
        Self { origin: Instant::now(), origin_ms }
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.origin_ms + i64::try_from(self.origin.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Milliseconds from `earlier_ms` (since 1970) to now; 0 when that is in the future.
    pub fn since_ms(&self, earlier_ms: i64) -> u64 {
        u64::try_from(self.now_ms() - earlier_ms).unwrap_or(0)
    }
}
