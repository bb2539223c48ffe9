//! Numbers drawn from a distribution, always the same for a seed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::sandbox::telegram::chaos::Random;

/// A distribution of numbers that are never negative.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Distribution {
    /// Always this.
    Fixed(f64),
    /// Drawn.
    Drawn(Shape),
}

/// How numbers are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Shape {
    /// Any number from `low` to `high` alike.
    Uniform {
        /// The least.
        low: f64,
        /// The most.
        high: f64,
    },
    /// The bell curve; what falls below 0 is 0.
    Normal {
        /// Its middle.
        mean: f64,
        /// Its standard deviation.
        sd: f64,
    },
    /// The logarithm is normal: a long tail, as delays have it.
    Lognormal {
        /// Half of the numbers are below.
        median: f64,
        /// The standard deviation of the logarithm.
        sigma: f64,
    },
    /// The gaps between events that know nothing of each other.
    Exponential {
        /// Its mean.
        mean: f64,
    },
}

impl Distribution {
    /// Draws a number.
    pub(crate) fn draw(&self, random: &mut Random) -> f64 {
        let drawn = match *self {
            Self::Fixed(value) => value,
            Self::Drawn(Shape::Uniform { low, high }) => low + (high - low) * unit(random),
            Self::Drawn(Shape::Normal { mean, sd }) => mean + sd * bell(random),
            Self::Drawn(Shape::Lognormal { median, sigma }) => median * (sigma * bell(random)).exp(),
            Self::Drawn(Shape::Exponential { mean }) => -mean * (1.0 - unit(random)).ln(),
        };
        drawn.max(0.0)
    }

    /// What it draws on average.
    pub fn mean(&self) -> f64 {
        match *self {
            Self::Fixed(value) => value,
            Self::Drawn(Shape::Uniform { low, high }) => f64::midpoint(low, high),
            Self::Drawn(Shape::Normal { mean, .. } | Shape::Exponential { mean }) => mean,
            Self::Drawn(Shape::Lognormal { median, sigma }) => median * (sigma * sigma / 2.0).exp(),
        }
    }

    /// Why it can't be used, if it can't.
    ///
    /// # Errors
    /// The reason in words.
    pub fn check(&self) -> Result<(), String> {
        let numbers = match *self {
            Self::Fixed(value) => vec![value],
            Self::Drawn(Shape::Uniform { low, high }) if low > high => {
                return Err(format!("a uniform distribution from {low} to {high} is empty"));
            }
            Self::Drawn(Shape::Uniform { low, high }) => vec![low, high],
            Self::Drawn(Shape::Normal { mean, sd }) => vec![mean, sd],
            Self::Drawn(Shape::Lognormal { median, sigma }) => vec![median, sigma],
            Self::Drawn(Shape::Exponential { mean }) => vec![mean],
        };
        match numbers.iter().find(|number| !(number.is_finite() && **number >= 0.0)) {
            Some(number) => Err(format!("{number} in a distribution: expected a number from 0 on")),
            None => Ok(()),
        }
    }
}

/// From 0 to just below 1.
fn unit(random: &mut Random) -> f64 {
    (random.next() >> 11) as f64 / (1_u64 << 53) as f64
}

/// The standard normal distribution, by Box and Muller.
fn bell(random: &mut Random) -> f64 {
    let (radius, angle) = (1.0 - unit(random), unit(random));
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// As a person writes it: `42`, `uniform:10,80`, `normal:42,5`, `lognormal:400,0.4`, `exp:2000`.
impl FromStr for Distribution {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "'{text}' is no distribution: expected a number, uniform:LOW,HIGH, normal:MEAN,SD, \
                 lognormal:MEDIAN,SIGMA or exp:MEAN"
            )
        };
        let (name, rest) = text.split_once(':').unwrap_or(("fixed", text));
        let numbers: Result<Vec<f64>, _> = rest.split(',').map(|number| number.trim().parse()).collect();
        let read = match (name, numbers.map_err(|_| expected())?.as_slice()) {
            ("fixed", [value]) => Self::Fixed(*value),
            ("uniform", &[low, high]) => Self::Drawn(Shape::Uniform { low, high }),
            ("normal", &[mean, sd]) => Self::Drawn(Shape::Normal { mean, sd }),
            ("lognormal", &[median, sigma]) => Self::Drawn(Shape::Lognormal { median, sigma }),
            ("exp" | "exponential", &[mean]) => Self::Drawn(Shape::Exponential { mean }),
            _ => return Err(expected()),
        };
        read.check().map(|()| read)
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(value) => write!(f, "{value}"),
            Self::Drawn(Shape::Uniform { low, high }) => write!(f, "uniform {low} to {high}"),
            Self::Drawn(Shape::Normal { mean, sd }) => write!(f, "normal, mean {mean}, sd {sd}"),
            Self::Drawn(Shape::Lognormal { median, sigma }) => {
                write!(f, "lognormal, median {median}, sigma {sigma}")
            }
            Self::Drawn(Shape::Exponential { mean }) => write!(f, "exponential, mean {mean}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str, seed: u64) -> Vec<f64> {
        let (distribution, mut random) = (text.parse::<Distribution>().unwrap(), Random::new(&[seed]));
        (0..20_000).map(|_| distribution.draw(&mut random)).collect()
    }

    fn mean(numbers: &[f64]) -> f64 {
        numbers.iter().sum::<f64>() / numbers.len() as f64
    }

    #[test]
    fn draws_have_the_mean_that_is_promised() {
        for text in ["42", "uniform:10,80", "normal:42,5", "lognormal:400,0.4", "exp:2000"] {
            let (numbers, expected) = (drawn(text, 1), text.parse::<Distribution>().unwrap().mean());
            assert!((mean(&numbers) / expected - 1.0).abs() < 0.03, "{text}: {}", mean(&numbers));
            assert!(numbers.iter().all(|number| *number >= 0.0), "{text}");
        }
    }

    #[test]
    fn draws_have_the_shape_that_is_promised() {
        let below = |text: &str, limit: f64| {
            drawn(text, 2).iter().filter(|number| **number < limit).count() as f64 / 20_000.0
        };
        for (text, limit, expected) in [
            ("uniform:10,80", 45.0, 0.5),
            ("normal:42,5", 37.0, 0.159),
            ("lognormal:400,0.4", 400.0, 0.5),
            ("lognormal:400,0.4", 400.0 * 0.4_f64.exp(), 0.841),
            ("exp:2000", 2000.0, 0.632),
        ] {
            assert!((below(text, limit) - expected).abs() < 0.015, "{text} below {limit}");
        }
    }

    #[test]
    fn a_seed_repeats_and_another_does_not() {
        assert_eq!(drawn("exp:1", 7), drawn("exp:1", 7));
        assert_ne!(drawn("exp:1", 7), drawn("exp:1", 8));
    }

    #[test]
    fn what_is_no_distribution_is_named() {
        for text in ["", "many", "uniform:1", "uniform:8,2", "exp:-1", "normal:1,nan", "bell:1,2"] {
            assert!(text.parse::<Distribution>().is_err(), "{text}");
        }
    }
}
