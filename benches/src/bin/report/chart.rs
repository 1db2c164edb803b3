//! Bars, as SVG.

use std::fmt::Write as _;

/// One bar: who, how much, and to which kind it belongs.
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) figure: f64,
    pub(crate) text: String,
    pub(crate) colour: &'static str,
}

const ROW: usize = 22;
const NAMES: usize = 250;
const WIDTH: usize = 760;
const LONGEST: f64 = 400.0;

/// A chart with a bar for each figure. Where they differ by much, the bars' lengths are as the logarithms, and the title says so.
pub(crate) fn bars(title: &str, bars: &[Bar]) -> String {
    let most = bars.iter().map(|bar| bar.figure).fold(f64::MIN_POSITIVE, f64::max);
    let least = bars.iter().map(|bar| bar.figure).fold(most, f64::min);
    let logarithmic = most / least > 30.0;
    // The shortest bar of a logarithmic chart has the length of a factor of 2.
    let floor = (least / 2.0).ln();
    let length = |figure: f64| match logarithmic {
        true => LONGEST * (figure.ln() - floor) / (most.ln() - floor),
        false => LONGEST * figure / most,
    };
    let height = 34 + ROW * bars.len();
    let note = if logarithmic { " (lengths as logarithms)" } else { "" };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"8\" y=\"19\" font-weight=\"bold\">{}{note}</text>\n",
        escaped(title)
    );
    for (at, bar) in bars.iter().enumerate() {
        let top = 30 + ROW * at;
        let (length, colour) = (length(bar.figure), bar.colour);
        let (name, text) = (escaped(&bar.name), escaped(&bar.text));
        let (names, base) = (NAMES - 8, top + 14);
        let after = NAMES as f64 + length + 6.0;
        let _ = writeln!(
            svg,
            "<text x=\"{names}\" y=\"{base}\" text-anchor=\"end\">{name}</text>\
             <rect x=\"{NAMES}\" y=\"{top}\" width=\"{length:.1}\" height=\"17\" fill=\"{colour}\"/>\
             <text x=\"{after:.1}\" y=\"{base}\">{text}</text>"
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(figures: &[f64]) -> String {
        let all: Vec<_> = figures
            .iter()
            .map(|&figure| Bar { name: "a < b".into(), figure, text: figure.to_string(), colour: "#000" })
            .collect();
        bars("title", &all)
    }

    #[test]
    fn twice_the_figure_is_twice_the_bar() {
        let chart = chart(&[1.0, 2.0]);
        assert!(chart.contains("width=\"200.0\"") && chart.contains("width=\"400.0\""), "{chart}");
        assert!(!chart.contains("logarithms"));
    }

    #[test]
    fn figures_far_apart_are_shown_by_their_logarithms_and_that_is_said() {
        let chart = chart(&[1.0, 1000.0]);
        assert!(chart.contains("(lengths as logarithms)"));
        assert!(chart.contains("width=\"400.0\"") && !chart.contains("width=\"0.4\""), "{chart}");
    }

    #[test]
    fn names_are_text_and_no_markup() {
        let chart = chart(&[1.0]);
        assert!(chart.contains("a &lt; b") && !chart.contains("a < b"));
    }
}
