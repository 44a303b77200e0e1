//! Lowercase hexadecimal, which both header formats require.

/// Reads lowercase hexadecimal digits. `None` for anything else; the caller bounds the length to 32.
pub(super) fn parse(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0u128, |value, &digit| {
        let nibble = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u128::from(nibble))
    })
}

/// Reads an identifier of 64 bits that is not zero.
pub(super) fn id64(digits: &[u8]) -> Option<u64> {
    if digits.len() != 16 {
        return None;
    }
    parse(digits)
        .and_then(|id| u64::try_from(id).ok())
        .filter(|id| *id != 0)
}

/// Writes the lowest bits of a value, as many as `out` has digits.
pub(super) fn write(mut value: u128, out: &mut [u8]) {
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 0xf) as usize];
        value >>= 4;
    }
}
