//! Wall-clock time that follows tokio's clock.
//!
//! Certificates, tokens and spans need a date; timers need a monotonic clock. Both come from one place here, so that
//! a test that pauses tokio's clock moves the date as well.

use std::time::SystemTime;

use tokio::time::Instant;

/// A date source: a base date plus tokio's monotonic time since.
///
/// Cheap to copy. A clock step of the operating system is not seen until [`WallClock::system`] is called again.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    base: SystemTime,
    at: Instant,
}

impl WallClock {
    /// A clock that shows the operating system's date now.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the date enters"
    )]
    pub fn system() -> Self {
        Self::starting_at(SystemTime::now())
    }

    /// A clock that shows `base` now, for tests.
    #[must_use]
    pub fn starting_at(base: SystemTime) -> Self {
        Self {
            base,
            at: Instant::now(),
        }
    }

    /// The date now.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.base + self.at.elapsed()
    }

    /// The date of a monotonic instant.
    #[must_use]
    pub fn at(&self, instant: Instant) -> SystemTime {
        match instant.checked_duration_since(self.at) {
            Some(after) => self.base + after,
            None => self.base - self.at.duration_since(instant),
        }
    }

    /// The monotonic instant of a date; a date already past gives an instant not after now.
    #[must_use]
    pub fn instant_of(&self, date: SystemTime) -> Instant {
        match date.duration_since(self.base) {
            Ok(after) => self.at + after,
            Err(before) => self.at.checked_sub(before.duration()).unwrap_or(self.at),
        }
    }
}

impl Default for WallClock {
    fn default() -> Self {
        Self::system()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_date_moves_with_tokios_clock() {
        let clock = WallClock::starting_at(SystemTime::UNIX_EPOCH);
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(
            clock.now(),
            SystemTime::UNIX_EPOCH + Duration::from_secs(90)
        );
        assert_eq!(clock.instant_of(clock.now()), Instant::now());
    }
}
