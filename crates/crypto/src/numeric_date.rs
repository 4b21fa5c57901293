//! Times in JWTs.

use serde_json::Number;

/// A NumericDate (RFC 7519), which may have a fraction.
pub(crate) fn second(number: &Number) -> Option<i64> {
    /// Beyond any date, and far from where numbers lose their seconds.
    const LIMIT: f64 = 1e15;
    let whole = |float: f64| {
        let floor = float.floor();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is whole and within the limit"
        )]
        (floor.abs() < LIMIT).then_some(floor as i64)
    };
    number.as_i64().or_else(|| number.as_f64().and_then(whole))
}
