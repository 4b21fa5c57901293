//! How often something may happen.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A rate such as `10/1m`: so many in each window of so many seconds (`s`, `m`, `h`, `d`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    count: u32,
    window_seconds: u32,
}

/// Why a text is not a rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a rate is a count and a window of at most 1 day, such as `10/1m`")]
pub struct RateError;

/// The longest window, in seconds.
const MAX_WINDOW: u32 = 24 * 60 * 60;

impl Rate {
    /// How many may happen in one window; at least 1.
    pub const fn count(self) -> u32 {
        self.count
    }

    /// The window in seconds, 1 to 86,400.
    pub const fn window_seconds(self) -> u32 {
        self.window_seconds
    }

    /// The rate that lets less through; of two equal ones, that with the smaller burst.
    pub(crate) fn stricter(self, other: Self) -> Self {
        let own = u64::from(self.count) * u64::from(other.window_seconds);
        let its = u64::from(other.count) * u64::from(self.window_seconds);
        match own.cmp(&its).then(self.count.cmp(&other.count)) {
            Ordering::Greater => other,
            Ordering::Less | Ordering::Equal => self,
        }
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (count, window) = text.split_once('/').ok_or(RateError)?;
        let unit = window.chars().next_back().ok_or(RateError)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => MAX_WINDOW,
            _ => return Err(RateError),
        };
        let number = |digits: &str| -> Result<u32, RateError> {
            // `u32::from_str` would take a plus sign.
            let plain = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
            digits
                .parse()
                .ok()
                .filter(|n| plain && *n > 0)
                .ok_or(RateError)
        };
        let length = number(window.strip_suffix(unit).unwrap_or_default())?;
        let window_seconds = length
            .checked_mul(seconds)
            .filter(|w| *w <= MAX_WINDOW)
            .ok_or(RateError)?;
        Ok(Self {
            count: number(count)?,
            window_seconds,
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (length, unit) = match self.window_seconds {
            w if w % MAX_WINDOW == 0 => (w / MAX_WINDOW, 'd'),
            w if w % 3600 == 0 => (w / 3600, 'h'),
            w if w % 60 == 0 => (w / 60, 'm'),
            w => (w, 's'),
        };
        write!(f, "{}/{length}{unit}", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_count_and_a_window() {
        for (text, count, seconds) in [
            ("10/1m", 10, 60),
            ("1/1s", 1, 1),
            ("5/24h", 5, 86_400),
            ("7/1d", 7, 86_400),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(
                (rate.count(), rate.window_seconds()),
                (count, seconds),
                "{text}"
            );
            assert_eq!(rate.to_string().parse::<Rate>(), Ok(rate));
        }
        for bad in [
            "",
            "10",
            "/1m",
            "10/",
            "10/m",
            "0/1m",
            "10/0m",
            "+1/1m",
            "1/+1m",
            "1/1w",
            "1/2d",
            "01/1m",
            "1/1m ",
            "99999999999/1s",
            "1/1ä",
        ] {
            assert!(bad.parse::<Rate>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn the_stricter_rate_lets_less_through() {
        for (strict, lax) in [("10/1m", "1/1s"), ("1/1m", "60/1h"), ("1/1d", "1/1s")] {
            let (strict, lax): (Rate, Rate) = (strict.parse().unwrap(), lax.parse().unwrap());
            assert_eq!(strict.stricter(lax), strict);
            assert_eq!(lax.stricter(strict), strict);
        }
    }
}
