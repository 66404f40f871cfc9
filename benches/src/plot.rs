//! Plots, as SVG that is committed as it is written: bars in groups, and strips of a value over time.
//! They follow the reader's light or dark theme, and no two of their colours are alike to the colour-blind.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

/// Of Okabe and Ito; each is told from the others, and from white and black.
const COLOURS: [&str; 6] = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7"];
const STYLE: &str = "\
    text{font:12px system-ui,sans-serif;fill:#1f2328}.title{font-size:15px;font-weight:600}.small{font-size:10px}\
    .paper{fill:#fff}.grid{stroke:#d0d7de}.axis{stroke:#59636e}.limit{stroke:#1f2328;stroke-width:2}\
    @media(prefers-color-scheme:dark){text{fill:#e6edf3}.paper{fill:#0d1117}.grid{stroke:#30363d}\
    .axis{stroke:#9198a1}.limit{stroke:#e6edf3}}";
const WIDTH: f64 = 900.0;
const RIGHT: f64 = WIDTH - 50.0;

/// Horizontal bars, some for each group.
#[derive(Clone, Debug)]
pub struct Bars<'a> {
    /// What is above the plot.
    pub title: &'a str,
    /// What the axis counts.
    pub axis: &'a str,
    /// What the bars of every group stand for, six at most.
    pub series: &'a [&'a str],
    /// The groups, from top to bottom.
    pub groups: Vec<Group>,
    /// What the groups' limits are, if they have any.
    pub limit: Option<&'a str>,
    /// Digits after the point.
    pub digits: usize,
}

/// Bars side by side.
#[derive(Clone, Debug)]
pub struct Group {
    /// What is beside them.
    pub name: String,
    /// One for each series; one that is not a number is missing.
    pub values: Vec<f64>,
    /// What none of them can pass.
    pub limit: Option<f64>,
}

/// Strips, one below the other, over one axis of time.
#[derive(Clone, Debug)]
pub struct Strips<'a> {
    /// What is above the plot.
    pub title: &'a str,
    /// What is measured along each strip's own axis.
    pub value: &'a str,
    /// The strips, six at most, and in each the points, seconds and value, in the order of time.
    pub strips: Vec<(&'a str, Vec<(f64, f64)>)>,
    /// The powers of ten at the bottom and the top of a strip.
    pub decades: (i32, i32),
    /// Where the axis of time ends, in seconds.
    pub until: f64,
}

impl Bars<'_> {
    /// The plot.
    #[must_use]
    pub fn svg(&self) -> String {
        const BAR: f64 = 13.0;
        let longest = self.groups.iter().map(|group| group.name.chars().count()).max().unwrap_or(0);
        let left = 30.0 + 6.3 * float(longest);
        let values = self.groups.iter().flat_map(|group| group.values.iter().copied().chain(group.limit));
        let step = step(values.filter(|value| value.is_finite()).fold(0.0, f64::max));
        let most = self.groups.iter().flat_map(|group| group.values.iter().copied().chain(group.limit));
        let ticks = (most.filter(|value| value.is_finite()).fold(0.0, f64::max) / step).ceil().max(1.0);
        let x = |value: f64| left + (RIGHT - left) * value / (step * ticks);
        let group = BAR * float(self.series.len()) + 11.0;
        let top = 62.0 + 18.0 * float((self.names().len() - 1) / 3);
        let bottom = top + group * float(self.groups.len());

        let mut svg = start(self.title, bottom + 45.0);
        self.legend(&mut svg);
        let mut tick = 0.0;
        while tick <= ticks {
            let (at, value) = (x(tick * step), tick * step);
            line(&mut svg, "grid", (at, top), (at, bottom));
            text(&mut svg, ("middle", ""), (at, bottom + 15.0), &value.to_string());
            tick += 1.0;
        }
        text(&mut svg, ("middle", ""), (f64::midpoint(left, RIGHT), bottom + 34.0), self.axis);
        for (number, bars) in self.groups.iter().enumerate() {
            let above = top + group * float(number) + 5.0;
            let middle = above + (group - 11.0) / 2.0 + 4.0;
            text(&mut svg, ("end", ""), (left - 8.0, middle), &bars.name);
            for (series, &value) in bars.values.iter().enumerate() {
                let y = above + BAR * float(series);
                let label = if value.is_finite() {
                    rectangle(&mut svg, COLOURS[series], (left, y), (x(value) - left, BAR - 2.0));
                    format!("{value:.*}", self.digits)
                } else {
                    "—".to_owned()
                };
                let end = if value.is_finite() { x(value) } else { left };
                text(&mut svg, ("start", "small"), (end + 4.0, y + 9.0), &label);
            }
            if let Some(limit) = bars.limit {
                line(&mut svg, "limit", (x(limit), above - 2.0), (x(limit), above + group - 11.0));
            }
        }
        line(&mut svg, "axis", (left, top), (left, bottom));
        svg + "</svg>\n"
    }

    fn names(&self) -> Vec<&str> {
        self.series.iter().copied().chain(self.limit).collect()
    }

    fn legend(&self, svg: &mut String) {
        for (number, name) in self.names().into_iter().enumerate() {
            let (x, y) = (30.0 + 285.0 * float(number % 3), 42.0 + 18.0 * float(number / 3));
            match COLOURS.get(number).filter(|_| number < self.series.len()) {
                Some(colour) => rectangle(svg, colour, (x, y), (12.0, 11.0)),
                None => line(svg, "limit", (x + 6.0, y - 1.0), (x + 6.0, y + 12.0)),
            }
            text(svg, ("start", ""), (x + 18.0, y + 10.0), name);
        }
    }
}

impl Strips<'_> {
    /// The plot.
    #[must_use]
    pub fn svg(&self) -> String {
        const LEFT: f64 = 80.0;
        const STRIP: f64 = 110.0;
        const GAP: f64 = 32.0;
        let bottom = 45.0 + (STRIP + GAP) * float(self.strips.len());
        let x = |seconds: f64| LEFT + (RIGHT - LEFT) * seconds / self.until;
        let (lowest, highest) = (f64::from(self.decades.0), f64::from(self.decades.1));
        let mut svg = start(self.title, bottom + 45.0);
        for (number, (name, points)) in self.strips.iter().enumerate() {
            let floor = 45.0 + (STRIP + GAP) * float(number + 1);
            let y = |value: f64| {
                let share = (value.log10().clamp(lowest, highest) - lowest) / (highest - lowest);
                floor - STRIP * share
            };
            for decade in self.decades.0..=self.decades.1 {
                let value = 10_f64.powi(decade);
                line(&mut svg, "grid", (LEFT, y(value)), (RIGHT, y(value)));
                text(&mut svg, ("end", "small"), (LEFT - 6.0, y(value) + 3.0), &value.to_string());
            }
            text(&mut svg, ("start", ""), (LEFT, floor - STRIP - 7.0), name);
            let points: Vec<String> =
                points.iter().map(|&(seconds, value)| format!("{:.1},{:.1}", x(seconds), y(value))).collect();
            let _ = writeln!(
                svg,
                "<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.4\" points=\"{}\"/>",
                COLOURS[number],
                points.join(" ")
            );
            line(&mut svg, "axis", (LEFT, floor), (RIGHT, floor));
        }
        for tenth in 0..=6 {
            let seconds = self.until * f64::from(tenth) / 6.0;
            text(&mut svg, ("middle", ""), (x(seconds), bottom + 16.0), &format!("{seconds:.0}"));
        }
        text(&mut svg, ("middle", ""), (f64::midpoint(LEFT, RIGHT), bottom + 35.0), "seconds");
        let middle = f64::midpoint(45.0, bottom);
        let _ = writeln!(
            svg,
            "<text text-anchor=\"middle\" transform=\"translate(22 {middle}) rotate(-90)\">{}</text>",
            escaped(self.value)
        );
        svg + "</svg>\n"
    }
}

/// Writes a plot into the folder of the plots, and says where.
///
/// An error of the file system is returned.
pub fn write(name: &str, svg: &str) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("plots");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), svg)?;
    println!("The plot is in benches/plots/{name}.");
    Ok(())
}

/// The distance of ticks that are round numbers, four to ten of them up to `most`.
fn step(most: f64) -> f64 {
    let decade = 10_f64.powf(most.max(1e-9).log10().floor());
    [0.1, 0.2, 0.5, 1.0]
        .map(|part| part * decade)
        .into_iter()
        .find(|step| most / step <= 10.0)
        .unwrap_or(decade)
}

fn start(title: &str, height: f64) -> String {
    let title = escaped(title);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n<style>{STYLE}</style>\n\
         <rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n\
         <text class=\"title\" x=\"30\" y=\"26\">{title}</text>\n"
    )
}

fn line(svg: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(
        svg,
        "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    );
}

fn rectangle(svg: &mut String, colour: &str, at: (f64, f64), size: (f64, f64)) {
    let ((x, y), (width, height)) = (at, size);
    let _ = writeln!(
        svg,
        "<rect fill=\"{colour}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
    );
}

fn text(svg: &mut String, (anchor, class): (&str, &str), at: (f64, f64), content: &str) {
    let ((x, y), content) = (at, escaped(content));
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{content}</text>"
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 of anything that is drawn")]
fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_twice_as_much_is_drawn_twice_as_long() {
        let group = Group { name: "a <b>".to_owned(), values: vec![10.0, 20.0, f64::NAN], limit: Some(25.0) };
        let bars = Bars {
            title: "t",
            axis: "x",
            series: &["one", "two", "none"],
            groups: vec![group],
            limit: Some("most"),
            digits: 0,
        };
        let svg = bars.svg();
        // The squares of the legend, then the bars.
        let widths: Vec<f64> = svg
            .lines()
            .filter(|line| line.starts_with("<rect fill"))
            .filter_map(|line| line.split("width=\"").nth(1)?.split('"').next()?.parse().ok())
            .collect();
        assert_eq!(widths.len(), 5, "what is not a number has no bar");
        assert!((widths[4] - 2.0 * widths[3]).abs() < 0.2, "{widths:?}");
        assert!(svg.contains("a &lt;b&gt;"));
    }

    #[test]
    fn ticks_are_round_and_few() {
        for (most, expected) in [(9.0, 1.0), (83.5, 10.0), (704.0, 100.0), (12.0, 2.0), (43.0, 5.0)] {
            assert!((step(most) - expected).abs() < 1e-9, "{most}: {}", step(most));
        }
    }
}
