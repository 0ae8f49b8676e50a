//! Time as an argument: the machine never reads a clock.

use core::time::Duration;

/// A point on the shell's monotonic clock, in nanoseconds since an epoch of the shell's choosing.
///
/// Copy, ordered and hashable (unlike `std::time::Instant`), so that deadlines can be recorded,
/// compared and replayed. 2^64 ns are 584 years; arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u64);

impl Tick {
    /// The moment `span` after this one; saturates at the end of time.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        let nanos = span.as_secs().saturating_mul(1_000_000_000).saturating_add(span.subsec_nanos().into());
        Self(self.0.saturating_add(nanos))
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A moment, or none, in the size of a moment: each client and each attempt has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MaybeTick(Tick);

impl MaybeTick {
    pub(crate) const NONE: Self = Self(Tick(u64::MAX));

    /// The end of time is taken for the moment before it.
    pub(crate) fn at(moment: Tick) -> Self {
        Self(Tick(moment.0.min(u64::MAX - 1)))
    }

    pub(crate) fn get(self) -> Option<Tick> {
        (self != Self::NONE).then_some(self.0)
    }

    /// Becomes this moment, where it is none.
    pub(crate) fn set_once(&mut self, moment: Tick) {
        if *self == Self::NONE {
            *self = Self::at(moment);
        }
    }
}

impl Default for MaybeTick {
    fn default() -> Self {
        Self::NONE
    }
}

/// What time it is, on both clocks that a gateway needs.
///
/// Timers run on `tick`; `Date`, `$msec`, `$time_local` and log lines show the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The monotonic clock.
    pub tick: Tick,
    /// Milliseconds since 1970-01-01 00:00:00 UTC.
    pub unix_ms: u64,
    /// Offset of local time from UTC, in minutes east of Greenwich.
    pub utc_offset_min: i16,
}

/// A calendar date and time of day, for `Date` (RFC 9110 §5.6.7) and log variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: u8,
    pub(crate) day: u8,
    pub(crate) weekday: u8,
    pub(crate) hour: u8,
    pub(crate) minute: u8,
    pub(crate) second: u8,
}

impl Civil {
    /// The proleptic Gregorian date of `unix_ms`, shifted by `offset_min` minutes.
    pub(crate) fn of(unix_ms: u64, offset_min: i16) -> Self {
        let seconds = i64::try_from(unix_ms / 1000).unwrap_or(i64::MAX / 2) + i64::from(offset_min) * 60;
        let days = seconds.div_euclid(86_400);
        let rest = seconds.rem_euclid(86_400);
        // Days are counted in eras of 400 years that begin on 1 March, so that the leap day is the last.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_index = (5 * day_of_year + 2) / 153;
        let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
        let small = |n: i64| u8::try_from(n).unwrap_or(0);
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: small(month),
            day: small(day_of_year - (153 * month_index + 2) / 5 + 1),
            weekday: small((days + 4).rem_euclid(7)),
            hour: small(rest / 3600),
            minute: small(rest / 60 % 60),
            second: small(rest % 60),
        }
    }

    /// Three letters of the month's English name.
    pub(crate) fn month_name(self) -> &'static str {
        const NAMES: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        NAMES.get(usize::from(self.month).wrapping_sub(1)).copied().unwrap_or("Jan")
    }

    /// Writes an IMF-fixdate, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7); made for offset 0.
    pub(crate) fn write_imf(self, out: &mut Vec<u8>) {
        const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
        out.extend_from_slice(DAYS.get(usize::from(self.weekday)).copied().unwrap_or("Sun").as_bytes());
        out.extend_from_slice(b", ");
        write_padded(out, u64::from(self.day), 2);
        out.push(b' ');
        out.extend_from_slice(self.month_name().as_bytes());
        out.push(b' ');
        write_padded(out, self.year.unsigned_abs(), 4);
        out.push(b' ');
        self.write_time(out);
        out.extend_from_slice(b" GMT");
    }

    /// Writes `08:49:37`.
    pub(crate) fn write_time(self, out: &mut Vec<u8>) {
        write_padded(out, u64::from(self.hour), 2);
        out.push(b':');
        write_padded(out, u64::from(self.minute), 2);
        out.push(b':');
        write_padded(out, u64::from(self.second), 2);
    }
}

/// Writes `n` in decimal with at least `width` digits, without allocating.
pub(crate) fn write_padded(out: &mut Vec<u8>, n: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut rest = n;
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        if rest == 0 && used >= width.max(1) {
            break;
        }
        *slot = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        used += 1;
    }
    out.extend_from_slice(digits.get(20 - used..).unwrap_or(b"0"));
}

/// Writes `n` in decimal.
pub(crate) fn write_decimal(out: &mut Vec<u8>, n: u64) {
    write_padded(out, n, 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imf(unix_ms: u64) -> String {
        let mut out = Vec::new();
        Civil::of(unix_ms, 0).write_imf(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn every_moment_is_told_from_none() {
        assert_eq!(MaybeTick::NONE.get(), None);
        assert_eq!(MaybeTick::at(Tick(0)).get(), Some(Tick(0)));
        assert_eq!(MaybeTick::at(Tick(7)).get(), Some(Tick(7)));
        assert_eq!(
            MaybeTick::at(Tick(u64::MAX)).get(),
            Some(Tick(u64::MAX - 1)),
            "it is a moment all the same"
        );
        let mut moment = MaybeTick::default();
        moment.set_once(Tick(3));
        moment.set_once(Tick(4));
        assert_eq!(moment.get(), Some(Tick(3)));
    }

    #[test]
    fn known_dates() {
        assert_eq!(imf(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(imf(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(imf(951_782_400_000), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(imf(4_107_542_399_000), "Sun, 28 Feb 2100 23:59:59 GMT");
        assert_eq!(imf(4_107_542_400_000), "Mon, 01 Mar 2100 00:00:00 GMT");
        assert_eq!(imf(7_289_654_399_000), "Wed, 31 Dec 2200 23:59:59 GMT");
        assert_eq!(imf(13_574_563_200_000), "Tue, 29 Feb 2400 00:00:00 GMT");
        assert_eq!(imf(13_574_649_600_000), "Wed, 01 Mar 2400 00:00:00 GMT");
    }

    #[test]
    fn offsets_cross_midnight() {
        let civil = Civil::of(0, -90);
        assert_eq!((civil.year, civil.month, civil.day, civil.hour, civil.minute), (1969, 12, 31, 22, 30));
    }

    #[test]
    fn decimals() {
        for (n, width, text) in
            [(0, 1, "0"), (7, 2, "07"), (1234, 2, "1234"), (u64::MAX, 1, "18446744073709551615")]
        {
            let mut out = Vec::new();
            write_padded(&mut out, n, width);
            assert_eq!(out, text.as_bytes());
        }
    }

    #[test]
    fn ticks_saturate() {
        assert_eq!(Tick(5).since(Tick(9)), Duration::ZERO);
        assert_eq!(Tick(u64::MAX - 1).after(Duration::from_secs(1)), Tick(u64::MAX));
    }
}
