//! What of a round is printed, and how.

/// How often a row is measured, after one round that warms up.
const ROUNDS: usize = 7;

/// What of a round is printed.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    /// Microseconds for each of so many.
    Each(u32),
    /// How many of so many in a second.
    PerSecond(u32),
}

impl Unit {
    pub(crate) fn count(self) -> u32 {
        match self {
            Self::Each(count) | Self::PerSecond(count) => count,
        }
    }

    /// Prints the median of rounds that took so many seconds, with the least and the most.
    pub(crate) fn print(self, column: &str, seconds: Result<Vec<f64>, String>) {
        let figures = seconds.map(|rounds| {
            rounds.into_iter().map(|seconds| match self {
                Self::Each(count) => seconds * 1e6 / f64::from(count),
                Self::PerSecond(count) => f64::from(count) / seconds,
            })
        });
        match (figures.map(|figures| spread(figures.collect())), self) {
            (Err(why), _) => println!("    {column:<32} not measured: {why}"),
            (Ok([least, median, most]), Self::Each(_)) => {
                println!("    {column:<32} {median:.2} µs each ({least:.2} to {most:.2})");
            }
            (Ok([least, median, most]), Self::PerSecond(_)) => {
                println!("    {column:<32} {median:.0} per second ({least:.0} to {most:.0})");
            }
        }
    }
}

/// The least, the median and the most.
pub(crate) fn spread(mut figures: Vec<f64>) -> [f64; 3] {
    figures.sort_by(f64::total_cmp);
    match (figures.first(), figures.last()) {
        (Some(least), Some(most)) => [*least, figures[figures.len() / 2], *most],
        _ => [f64::NAN; 3],
    }
}

/// The seconds of the rounds.
pub(crate) fn rounds(mut round: impl FnMut() -> Result<f64, String>) -> Result<Vec<f64>, String> {
    round()?; // warms up
    (0..ROUNDS).map(|_| round()).collect()
}
