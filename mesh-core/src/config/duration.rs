//! Go's durations: the form in which Consul writes and reads time spans.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A span of time in nanoseconds as Go holds it, possibly negative. Zero is what Consul means by "not set".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(pub i64);

impl GoDuration {
    /// No time, or "not set".
    pub const ZERO: Self = Self(0);

    /// A number of milliseconds; saturates.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// A number of seconds; saturates.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// Whether it is zero, that is, not set.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Whether it is below zero, which some fields take as "no limit".
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// The same time as the standard library has it; `None` when negative.
    #[must_use]
    pub fn to_std(self) -> Option<Duration> {
        u64::try_from(self.0).ok().map(Duration::from_nanos)
    }

    /// The same time, when it is set (above zero).
    #[must_use]
    pub fn positive(self) -> Option<Duration> {
        self.to_std().filter(|duration| !duration.is_zero())
    }
}

impl From<Duration> for GoDuration {
    /// Saturates at about 292 years.
    fn from(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// A text that is not a duration as Go writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a duration such as \"1m30s\", \"250ms\" or \"1.5h\"")]
pub struct BadDuration;

impl FromStr for GoDuration {
    type Err = BadDuration;

    /// Reads Go's form: decimal numbers, each with a unit of `ns us µs ms s m h`, after an optional sign; or `0`.
    fn from_str(text: &str) -> Result<Self, BadDuration> {
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Self::ZERO);
        }
        if rest.is_empty() {
            return Err(BadDuration);
        }
        let mut total = 0_u64;
        while !rest.is_empty() {
            let (part, after) = component(rest).ok_or(BadDuration)?;
            total = total
                .checked_add(part)
                .filter(|&sum| sum <= 1 << 63)
                .ok_or(BadDuration)?;
            rest = after;
        }
        if negative {
            return Ok(Self(0_i64.wrapping_sub_unsigned(total)));
        }
        i64::try_from(total).map(Self).map_err(|_| BadDuration)
    }
}

/// One number with its unit, in nanoseconds, and what follows.
fn component(text: &str) -> Option<(u64, &str)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(text);
    let mut rest = &text[whole..];
    let mut fraction = "";
    if let Some(after) = rest.strip_prefix('.') {
        let length = digits(after);
        fraction = &after[..length];
        rest = &after[length..];
    }
    if whole == 0 && fraction.is_empty() {
        return None;
    }
    let unit_length = rest
        .find(|c: char| c == '.' || c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (_, unit) = UNITS
        .iter()
        .find(|(name, _)| *name == &rest[..unit_length])?;
    let count = if whole == 0 {
        0
    } else {
        text[..whole].parse::<u64>().ok()?
    };
    let value = count.checked_mul(*unit).filter(|&value| value <= 1 << 63)?;
    let value = value
        .checked_add(part_of(fraction, *unit))
        .filter(|&value| value <= 1 << 63)?;
    Some((value, &rest[unit_length..]))
}

/// A fraction of a unit; digits beyond what 63 bits hold are dropped, as in Go.
fn part_of(fraction: &str, unit: u64) -> u64 {
    let (mut number, mut scale) = (0_u64, 1.0_f64);
    for digit in fraction.bytes() {
        let next = number
            .checked_mul(10)
            .and_then(|n| n.checked_add(u64::from(digit - b'0')));
        match next.filter(|&next| next <= 1 << 63) {
            Some(next) => number = next,
            None => break,
        }
        scale *= 10.0;
    }
    (number as f64 * (unit as f64 / scale)) as u64
}

impl fmt::Display for GoDuration {
    /// Go's form: `1h30m0s`, `1.5s`, `250ms`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let (unit, name) = match nanos {
            0 => return f.write_str("0s"),
            1..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "µs"),
            1_000_000..1_000_000_000 => (1_000_000, "ms"),
            _ => (1_000_000_000, "s"),
        };
        let mut whole = nanos / unit;
        if name == "s" && whole >= 60 {
            let minutes = whole / 60;
            whole %= 60;
            if minutes >= 60 {
                write!(f, "{}h", minutes / 60)?;
            }
            write!(f, "{}m", minutes % 60)?;
        }
        write!(f, "{whole}")?;
        let width = unit.ilog10() as usize;
        if width > 0 {
            let fraction = format!("{:0width$}", nanos % unit);
            let fraction = fraction.trim_end_matches('0');
            if !fraction.is_empty() {
                write!(f, ".{fraction}")?;
            }
        }
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        let cases = [
            ("0", 0),
            ("-0", 0),
            ("5s", 5_000_000_000),
            ("+5s", 5_000_000_000),
            ("-1s", -1_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("3.000s", 3_000_000_000),
            ("12µs", 12_000),
            ("12\u{3bc}s", 12_000),
            ("2562047h47m16.854775807s", i64::MAX),
            ("-2562047h47m16.854775808s", i64::MIN),
            ("0.3333333333333333333h", 1_200_000_000_000),
            ("0.830103483285477580700h", 2_988_372_539_827),
        ];
        for (text, nanos) in cases {
            assert_eq!(text.parse(), Ok(GoDuration(nanos)), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        let cases = [
            "",
            "5",
            "-",
            "s",
            ".",
            "-.",
            ".s",
            "+.s",
            "1d",
            "1 s",
            "1s ",
            "3000000h",
            "9223372036854775808ns",
            "5S",
        ];
        for text in cases {
            assert_eq!(text.parse::<GoDuration>(), Err(BadDuration), "{text}");
        }
    }

    #[test]
    fn prints_as_go_prints() {
        let cases = [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (3_600_000_000_000, "1h0m0s"),
            (-1_500_000_000, "-1.5s"),
            (i64::MAX, "2562047h47m16.854775807s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ];
        for (nanos, text) in cases {
            assert_eq!(GoDuration(nanos).to_string(), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_is_read_back(nanos: i64) {
            proptest::prop_assert_eq!(GoDuration(nanos).to_string().parse(), Ok(GoDuration(nanos)));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+]?[0-9.]{0,30}[a-zµ0-9.]{0,30}") {
            let _ = text.parse::<GoDuration>();
        }
    }
}
