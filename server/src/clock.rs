//! What time it is: the only place where a worker reads a clock.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

/// One look at the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Nanoseconds since the clock's start; never goes back.
    pub monotonic_ns: u64,
    /// Milliseconds since 1970 in UTC, as the system's wall clock has it.
    pub unix_ms: u64,
    /// What has to be added to UTC for local time, in minutes.
    pub utc_offset_min: i16,
}

impl Moment {
    /// Local date and time as the error log writes them: `2026/11/21 02:35:21`.
    pub fn log_time(&self) -> String {
        let time = self.civil();
        format!(
            "{:04}/{:02}/{:02} {:02}:{:02}:{:02}",
            time.year(),
            time.month(),
            time.day(),
            time.hour(),
            time.minute(),
            time.second()
        )
    }

    /// Local date and time as syslog has them (RFC 3164 §4.1.2): `Nov  1 02:35:21`.
    pub fn syslog_time(&self) -> String {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let time = self.civil();
        let month = usize::try_from(time.month() - 1).ok().and_then(|month| MONTHS.get(month));
        format!(
            "{} {:2} {:02}:{:02}:{:02}",
            month.unwrap_or(&"Jan"),
            time.day(),
            time.hour(),
            time.minute(),
            time.second()
        )
    }

    fn civil(&self) -> jiff::civil::DateTime {
        let offset = Offset::from_seconds(i32::from(self.utc_offset_min) * 60).unwrap_or(Offset::UTC);
        offset.to_datetime(timestamp(self.unix_ms))
    }
}

/// Reads the monotonic clock, the wall clock and the local offset from UTC together.
///
/// All clones count from the same start, so every worker gets one of its own and their readings compare.
#[derive(Debug, Clone)]
pub struct Clock {
    start: Instant,
    /// The minute of the wall clock for which the offset was last worked out, and the offset.
    offset: Cell<Option<(u64, i16)>>,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { start: Instant::now(), offset: Cell::new(None) }
    }

    /// Looks at the clocks.
    pub fn now(&self) -> Moment {
        let unix_ms = unix_ms();
        Moment {
            monotonic_ns: nanos(self.start.elapsed()),
            unix_ms,
            utc_offset_min: self.utc_offset_min(unix_ms),
        }
    }

    /// The point of the standard library's clock that a reading names, to sleep until it.
    ///
    /// `None` when it lies beyond what the system can express.
    pub fn instant(&self, monotonic_ns: u64) -> Option<Instant> {
        self.start.checked_add(Duration::from_nanos(monotonic_ns))
    }

    /// Time zones change their offset at full minutes, so one look per minute misses nothing.
    fn utc_offset_min(&self, unix_ms: u64) -> i16 {
        let minute = unix_ms / 60_000;
        match self.offset.get() {
            Some((known, offset)) if known == minute => offset,
            _ => {
                let offset = local_offset_min(&TimeZone::system(), unix_ms);
                self.offset.set(Some((minute, offset)));
                offset
            }
        }
    }
}

fn local_offset_min(zone: &TimeZone, unix_ms: u64) -> i16 {
    let seconds = zone.to_offset(timestamp(unix_ms)).seconds();
    // Offsets are within a day and a bit, that is within 1,560 minutes.
    i16::try_from(seconds.div_euclid(60)).unwrap_or(0)
}

fn timestamp(unix_ms: u64) -> Timestamp {
    i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(Timestamp::MAX)
}

/// A wall clock that is set to before 1970 reads as 1970.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Saturates after 584 years.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_readings_never_go_back_and_clones_share_the_start() {
        let clock = Clock::start();
        let other = clock.clone();
        let mut last = 0;
        for turn in 0..1_000 {
            let now = if turn % 2 == 0 { clock.now() } else { other.now() };
            assert!(now.monotonic_ns >= last);
            last = now.monotonic_ns;
        }
    }

    #[test]
    fn the_wall_clock_is_the_systems() {
        let before = unix_ms();
        let now = Clock::start().now();
        assert!(before <= now.unix_ms && now.unix_ms <= unix_ms());
        assert!(now.unix_ms > 1_600_000_000_000);
    }

    #[test]
    fn a_reading_names_an_instant() {
        let clock = Clock::start();
        assert_eq!(clock.instant(0), Some(clock.start));
        let later = clock.instant(1_500_000_000).expect("a second and a half from now exists");
        assert_eq!(later - clock.start, Duration::from_millis(1_500));
    }

    #[test]
    fn the_offset_follows_the_zones_rules() {
        let kolkata = TimeZone::posix("IST-5:30").expect("a valid zone");
        assert_eq!(local_offset_min(&kolkata, 1_795_228_521_000), 330);
        let newfoundland = TimeZone::posix("NST3:30NDT,M3.2.0,M11.1.0").expect("a valid zone");
        assert_eq!(local_offset_min(&newfoundland, 1_795_228_521_000), -210, "in November");
        assert_eq!(local_offset_min(&newfoundland, 1_782_000_000_000), -150, "in June");
    }

    #[test]
    fn log_time_is_local() {
        let at = |utc_offset_min| Moment { monotonic_ns: 0, unix_ms: 1_795_228_521_999, utc_offset_min };
        assert_eq!(at(0).log_time(), "2026/11/21 02:35:21");
        assert_eq!(at(330).log_time(), "2026/11/21 08:05:21");
        assert_eq!(at(-210).log_time(), "2026/11/20 23:05:21");
    }

    #[test]
    fn absurd_readings_are_written_all_the_same() {
        let absurd = Moment { monotonic_ns: 0, unix_ms: u64::MAX, utc_offset_min: i16::MAX };
        assert_eq!(absurd.log_time().split('/').count(), 3);
    }
}
