//! A bounded reader of DER, as far as certificates need one.
//!
//! It borrows, never allocates and has no recursion, so nothing a peer sends can make it panic, loop or grow.

/// The bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;
    /// Version of a certificate.
    pub(crate) const CONTEXT_0: u8 = 0xa0;
    /// Extensions of a certificate.
    pub(crate) const CONTEXT_3: u8 = 0xa3;
    /// A DNS name among general names.
    pub(crate) const DNS_NAME: u8 = 0x82;
    /// A URI among general names.
    pub(crate) const URI: u8 = 0x86;
}

/// One element: its tag and its content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
}

/// Reads elements one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next element of any tag.
    pub(crate) fn any(&mut self) -> Result<Element<'a>, Malformed> {
        let (&tag, rest) = self.0.split_first().ok_or(Malformed)?;
        // Tags above 30 take further bytes; no certificate field has one.
        if tag & 0x1f == 0x1f {
            return Err(Malformed);
        }
        let (&first, rest) = rest.split_first().ok_or(Malformed)?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let (bytes, rest) = rest
                    .split_at_checked(usize::from(first & 0x0f))
                    .ok_or(Malformed)?;
                let length = bytes
                    .iter()
                    .fold(0, |length, byte| length << 8 | usize::from(*byte));
                (length, rest)
            }
            _ => return Err(Malformed),
        };
        let (content, rest) = rest.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(Element { tag, content })
    }

    /// The content of the next element, which must have that tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        let element = self.any()?;
        (element.tag == tag)
            .then_some(element.content)
            .ok_or(Malformed)
    }

    /// The content of the next element if it has that tag; otherwise nothing is read.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, Malformed> {
        if self.0.first() == Some(&tag) {
            self.expect(tag).map(Some)
        } else {
            Ok(None)
        }
    }
}

/// Seconds since the Unix epoch of a `UTCTime` or `GeneralizedTime` as certificates write them (RFC 5280 section
/// 4.1.2.5); dates before the epoch count as the epoch.
pub(crate) fn time(element: Element<'_>) -> Result<u64, Malformed> {
    let digits = element.content.strip_suffix(b"Z").ok_or(Malformed)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed);
    }
    let pair = |at: usize| -> Result<i64, Malformed> {
        let two = digits.get(at..at + 2).ok_or(Malformed)?;
        Ok(i64::from(two[0] - b'0') * 10 + i64::from(two[1] - b'0'))
    };
    let (year, at) = match (element.tag, digits.len()) {
        (tag::UTC_TIME, 12) => {
            let year = pair(0)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, 2)
        }
        (tag::GENERALIZED_TIME, 14) => (pair(0)? * 100 + pair(2)?, 4),
        _ => return Err(Malformed),
    };
    let (month, day) = (pair(at)?, pair(at + 2)?);
    let (hour, minute, second) = (pair(at + 4)?, pair(at + 6)?, pair(at + 8)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return Err(Malformed);
    }
    if hour > 23 || minute > 59 || second > 60 {
        return Err(Malformed);
    }
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Ok(u64::try_from(seconds).unwrap_or(0))
}

/// Days since 1970-01-01 in the Gregorian calendar, counted in eras of 400 years that begin in March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn utc(text: &str) -> Result<u64, Malformed> {
        time(Element {
            tag: tag::UTC_TIME,
            content: text.as_bytes(),
        })
    }

    #[test]
    fn dates_become_seconds_of_the_epoch() {
        assert_eq!(utc("700101000000Z"), Ok(0));
        assert_eq!(utc("240229123456Z"), Ok(1_709_210_096));
        assert_eq!(utc("491231235959Z"), Ok(2_524_607_999));
        assert_eq!(utc("500101000000Z"), Ok(0));
        let far = Element {
            tag: tag::GENERALIZED_TIME,
            content: b"99991231235959Z",
        };
        assert_eq!(time(far), Ok(253_402_300_799));
        for bad in [
            "",
            "Z",
            "240229123456",
            "241329123456Z",
            "2402291234Z",
            "+40229123456Z",
            "240229253456Z",
        ] {
            assert_eq!(utc(bad), Err(Malformed), "{bad}");
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_malformed() {
        for bytes in [
            &[0x30u8][..],
            &[0x30, 0x05, 0x00],
            &[0x30, 0x84, 0, 0, 0, 1],
            &[0x30, 0x80],
            &[0x1f, 0x00],
        ] {
            assert!(Reader::new(bytes).any().is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn reading_arbitrary_bytes_ends_and_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let mut reader = Reader::new(&bytes);
            let mut elements = 0;
            while let Ok(element) = reader.any() {
                let _ = time(element);
                elements += 1;
            }
            prop_assert!(elements <= bytes.len());
        }
    }
}
