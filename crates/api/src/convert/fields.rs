//! Collects every wrong field of a request before it is refused.

use std::fmt::Display;
use std::str::FromStr;

use caracal_engine::{AdminError, FieldError};

/// The wrong fields found so far. A conversion goes on after a mistake, so that a client
/// learns all of them at once.
#[derive(Default)]
pub(crate) struct Fields(Vec<FieldError>);

impl Fields {
    /// Notes a wrong field.
    pub(crate) fn wrong(&mut self, field: impl Into<String>, why: impl Display) {
        self.0.push(FieldError::new(field, why));
    }

    /// Notes a wrong field with the next step.
    pub(crate) fn wrong_with_hint(
        &mut self,
        field: impl Into<String>,
        why: impl Display,
        hint: impl Into<String>,
    ) {
        self.0.push(FieldError::new(field, why).hint(hint));
    }

    /// The parsed text of a field; none, and noted, when it is wrong.
    pub(crate) fn parse<T>(&mut self, field: impl Into<String>, text: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        text.parse().map_err(|error| self.wrong(field, error)).ok()
    }

    /// The parsed texts of a list; each wrong one is noted with its index.
    pub(crate) fn parse_all<T>(&mut self, field: &str, texts: &[String]) -> Vec<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let indexed = texts.iter().enumerate();
        indexed
            .filter_map(|(i, text)| self.parse(format!("{field}[{i}]"), text))
            .collect()
    }

    /// One of two words, or the default; true for `yes`.
    pub(crate) fn choice(
        &mut self,
        field: String,
        word: Option<&str>,
        no: &str,
        yes: &str,
    ) -> bool {
        match word {
            None => false,
            Some(word) if word == no => false,
            Some(word) if word == yes => true,
            Some(_) => {
                self.wrong(field, format!("use `{no}` or `{yes}`"));
                false
            }
        }
    }

    /// The converted value, unless something is wrong.
    ///
    /// # Errors
    /// With every wrong field.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, AdminError> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(AdminError::Invalid(self.0)),
        }
    }
}
