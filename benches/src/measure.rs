//! A figure that stands for itself, and what is wanted of it.

use serde::{Deserialize, Serialize};

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measure {
    /// What was measured.
    pub(crate) name: String,
    /// How much it was.
    pub(crate) value: f64,
    /// Of what; empty for a ratio.
    pub(crate) unit: String,
    /// What is wanted.
    pub(crate) aim: Option<Aim>,
}

/// The floor or the ceiling of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Aim {
    /// Not less.
    AtLeast(f64),
    /// Not more.
    AtMost(f64),
}

impl Measure {
    /// A figure without an aim.
    pub(crate) fn of(name: impl Into<String>, value: f64, unit: &str) -> Self {
        Self {
            name: name.into(),
            value,
            unit: unit.to_owned(),
            aim: None,
        }
    }

    /// The same with an aim.
    pub(crate) fn aiming(mut self, aim: Aim) -> Self {
        self.aim = Some(aim);
        self
    }

    /// Whether the aim is met; true without one.
    pub(crate) fn is_met(&self) -> bool {
        match self.aim {
            None => true,
            Some(Aim::AtLeast(floor)) => self.value >= floor,
            Some(Aim::AtMost(ceiling)) => self.value <= ceiling,
        }
    }

    /// As people read it.
    pub(crate) fn line(&self) -> String {
        let Self { name, unit, .. } = self;
        let digits = if self.value.abs() < 10.0 { 2 } else { 0 };
        let space = if unit.is_empty() { "" } else { " " };
        let aim = match self.aim {
            None => String::new(),
            Some(Aim::AtLeast(floor)) => format!(" (aim {floor}{space}{unit} or more)"),
            Some(Aim::AtMost(ceiling)) => format!(" (aim {ceiling}{space}{unit} or less)"),
        };
        let met = match self.aim {
            None => "",
            Some(_) if self.is_met() => "  met",
            Some(_) => "  NOT MET",
        };
        format!("{name}: {:.digits$}{space}{unit}{aim}{met}", self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::{Aim, Measure};

    #[test]
    fn a_line_says_the_aim_and_whether_it_is_met() {
        let ratio = Measure::of("a of b", 0.5, "");
        assert_eq!(ratio.line(), "a of b: 0.50");
        assert_eq!(
            ratio.aiming(Aim::AtLeast(0.6)).line(),
            "a of b: 0.50 (aim 0.6 or more)  NOT MET"
        );
        let size = Measure::of("size", 33.4, "MiB").aiming(Aim::AtMost(40.0));
        assert_eq!(size.line(), "size: 33 MiB (aim 40 MiB or less)  met");
    }
}
