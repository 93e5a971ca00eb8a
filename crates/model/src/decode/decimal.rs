//! Decimals from their text, exactly: no step goes through a float, and nothing is ever rounded.

/// Why a text is not a decimal of the declared shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DecimalError {
    /// It is not a number.
    NotANumber,
    /// It has more digits before or after the point than declared.
    TooManyDigits,
}

/// The most digits an `i128` holds whatever they are.
const DIGITS_MAX: i64 = 38;

/// Reads `text` as a decimal with `precision` digits, `scale` of them after the point, and gives it times 10^`scale`.
/// Zeros that change nothing (leading ones, trailing ones after the point) do not count as digits.
pub(super) fn parse(text: &str, precision: u8, scale: i8) -> Result<i128, DecimalError> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(DecimalError::NotANumber);
    }

    // `digits` is the number without the zeros at its two ends, `zeros` how many were seen since its last digit.
    let (mut digits, mut count, mut zeros) = (0_i128, 0_i64, 0_i64);
    for byte in whole.bytes().chain(fraction.bytes()) {
        match byte {
            b'0' if digits == 0 => {}
            b'0' => zeros += 1,
            b'1'..=b'9' => {
                count += zeros + 1;
                if count > DIGITS_MAX {
                    return Err(DecimalError::TooManyDigits);
                }
                digits = digits * power_of_ten(zeros + 1) + i128::from(byte - b'0');
                zeros = 0;
            }
            _ => return Err(DecimalError::NotANumber),
        }
    }
    if digits == 0 {
        return Ok(0);
    }
    let fraction_len = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    let shift = zeros.saturating_add(exponent).saturating_sub(fraction_len).saturating_add(i64::from(scale));
    if shift < 0 || count.saturating_add(shift) > i64::from(precision) {
        return Err(DecimalError::TooManyDigits);
    }
    let unscaled = digits * power_of_ten(shift);
    Ok(if negative { -unscaled } else { unscaled })
}

/// 10^`n` for the `n` from 0 to 38 that are asked for.
fn power_of_ten(n: i64) -> i128 {
    (0..n.min(DIGITS_MAX)).fold(1, |power, _| power * 10)
}

/// The exponent, held at a size that no declared decimal can reach.
fn parse_exponent(text: &str) -> Result<i64, DecimalError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DecimalError::NotANumber);
    }
    let size = digits.bytes().fold(0_i64, |value, digit| (value * 10 + i64::from(digit - b'0')).min(1_000_000_000));
    Ok(if text.starts_with('-') { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_kept_exactly_or_refused() {
        for (text, expected) in [
            ("0", 0),
            ("-0.00", 0),
            ("10.5", 1_050),
            ("-10.55", -1_055),
            ("10.500", 1_050),
            ("007", 700),
            (".5", 50),
            ("5.", 500),
            ("1e2", 10_000),
            ("1.2E+1", 1_200),
            ("1050e-2", 1_050),
            ("9999999999.99", 999_999_999_999),
            ("0e999999999999", 0),
        ] {
            assert_eq!(parse(text, 12, 2), Ok(expected), "{text}");
        }
        for text in ["10.505", "99999999999", "1e11", "1e-3", "1e999999999999", "0.001"] {
            assert_eq!(parse(text, 12, 2), Err(DecimalError::TooManyDigits), "{text}");
        }
        for text in ["", "-", ".", "abc", "1,5", "1e", "0x10", "NaN", " 1", "1.2.3", "--1", "é"] {
            assert_eq!(parse(text, 12, 2), Err(DecimalError::NotANumber), "{text}");
        }
        let widest = "9".repeat(38);
        assert_eq!(parse(&widest, 38, 0).map(|value| value.to_string()), Ok(widest.clone()));
        assert_eq!(parse(&format!("{widest}9"), 38, 0), Err(DecimalError::TooManyDigits));
    }
}
