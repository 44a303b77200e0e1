//! Values as Go reads them.

/// Undoes the escapes of a string in double quotes; `None` where Go refuses it.
pub(super) fn unescape(body: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'\n' => return None,
            b'\\' => rest = escape(rest, &mut out)?,
            _ => out.push(byte),
        }
    }
    Some(out)
}

fn escape<'a>(text: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (&kind, rest) = text.split_first()?;
    let simple = match kind {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'\\' => b'\\',
        b'x' => u8::try_from(digits(rest.get(..2)?, 16)?).ok()?,
        b'0'..=b'7' => u8::try_from(digits(text.get(..3)?, 8)?).ok()?,
        b'u' | b'U' => {
            let len = if kind == b'u' { 4 } else { 8 };
            let char = char::from_u32(digits(rest.get(..len)?, 16)?)?;
            out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            return rest.get(len..);
        }
        _ => return None,
    };
    out.push(simple);
    match kind {
        b'x' | b'0'..=b'7' => rest.get(2..),
        _ => Some(rest),
    }
}

fn digits(text: &[u8], radix: u32) -> Option<u32> {
    text.iter().try_fold(0_u32, |sum, &digit| {
        let digit = char::from(digit).to_digit(radix)?;
        sum.checked_mul(radix)?.checked_add(digit)
    })
}

/// Reads an integer of 64 bits with the base in its prefix: `0x`, `0o` or `0`, `0b`; digits may be parted by `_`.
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = [("0x", 16), ("0o", 8), ("0b", 2), ("0", 8)]
        .into_iter()
        .find_map(|(prefix, radix)| {
            Some((radix, lower.strip_prefix(prefix)?)).filter(|_| lower != "0")
        })
        .unwrap_or((10, &lower));
    let has_prefix = radix != 10;
    let parted = digits
        .split('_')
        .skip(usize::from(has_prefix && digits.starts_with('_')));
    let parts: Vec<&str> = parted.collect();
    if parts.iter().any(|part| part.is_empty()) {
        return None;
    }
    let sum = parts
        .iter()
        .flat_map(|part| part.chars())
        .try_fold(0_i128, |sum, digit| {
            let digit = digit.to_digit(radix)?;
            Some(sum * i128::from(radix) + i128::from(digit))
                .filter(|sum| *sum <= i128::from(u64::MAX))
        })?;
    i64::try_from(if negative { -sum } else { sum }).ok()
}

/// The words for a boolean.
pub(super) fn boolean(text: &[u8]) -> Option<bool> {
    match text {
        b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True" => Some(true),
        b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_gos() {
        assert_eq!(
            unescape(r"a\tb\\\x41\101\u00e9\U0001F600").unwrap(),
            "a\tb\\AAé😀".as_bytes()
        );
        assert_eq!(unescape(r"\xc3\xa9").unwrap(), "é".as_bytes());
        for bad in [
            r"\q", r"\'", r"\x4", r"\400", r"\08", r"\ud800", "a\nb", "\\", r"\u12",
        ] {
            assert_eq!(unescape(bad), None, "{bad}");
        }
    }

    #[test]
    fn integers_carry_their_base() {
        for (text, value) in [
            ("8080", 8080),
            ("-1", -1),
            ("+1", 1),
            ("0", 0),
            ("-0", 0),
            ("0x1F90", 8080),
            ("0X1f90", 8080),
            ("017620", 8080),
            ("0o17620", 8080),
            ("0b101", 5),
            ("8_080", 8080),
            ("0x_1f_90", 8080),
            ("0_7", 7),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(integer(text.as_bytes()), Some(value), "{text}");
        }
        for bad in [
            "",
            "-",
            "1.5",
            "abc",
            "0x",
            "08",
            "_1",
            "1_",
            "1__0",
            "9223372036854775808",
            " 1",
            "0b2",
        ] {
            assert_eq!(integer(bad.as_bytes()), None, "{bad}");
        }
    }
}
