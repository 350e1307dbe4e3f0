//! Lines on two axes, as SVG.

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 45.0;
const COLOURS: [&str; 5] = ["#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df"];

/// A named line.
pub(crate) struct Line {
    pub(crate) name: String,
    /// From left to right.
    pub(crate) points: Vec<(f64, f64)>,
}

/// What the plot says.
pub(crate) struct Labels {
    pub(crate) title: &'static str,
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
}

/// Both axes begin at zero.
pub(crate) fn svg(labels: &Labels, lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|line| &line.points);
    let (x_step, x_top) = scale(points().map(|point| point.0).fold(0.0, f64::max));
    let (y_step, y_top) = scale(points().map(|point| point.1).fold(0.0, f64::max));
    let (wide, high) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    let x_at = |x: f64| LEFT + x / x_top * wide;
    let y_at = |y: f64| TOP + high - y / y_top * high;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"{LEFT}\" y=\"18\" font-weight=\"bold\">{}</text>\n",
        labels.title
    );
    let mut draw = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    for tick in ticks(x_step, x_top) {
        let x = x_at(tick);
        draw(format!("<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{:.1}\" stroke=\"#ddd\"/>", TOP + high));
        draw(format!("<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{tick}</text>", TOP + high + 16.0));
    }
    for tick in ticks(y_step, y_top) {
        let y = y_at(tick);
        draw(format!("<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>", LEFT + wide));
        draw(format!("<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>", LEFT - 6.0, y + 4.0));
    }
    draw(format!("<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>", LEFT + wide / 2.0, HEIGHT - 8.0, labels.x));
    let middle = TOP + high / 2.0;
    draw(format!(
        "<text x=\"14\" y=\"{middle:.1}\" text-anchor=\"middle\" transform=\"rotate(-90 14 {middle:.1})\">{}</text>",
        labels.y
    ));
    for (at, line) in lines.iter().enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        let mut path = String::new();
        for (x, y) in &line.points {
            path.push_str(&format!("{:.1},{:.1} ", x_at(*x), y_at(*y)));
        }
        draw(format!("<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>", path.trim_end()));
        let y = (0..at).fold(TOP + 14.0, |y, _| y + 18.0);
        let x = LEFT + wide + 10.0;
        draw(format!(
            "<line x1=\"{x}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            y - 4.0,
            x + 14.0,
            y - 4.0
        ));
        draw(format!("<text x=\"{:.1}\" y=\"{y:.1}\">{}</text>", x + 18.0, line.name));
    }
    out.push_str("</svg>\n");
    out
}

/// Distance of two ticks, and the end of the axis: 1, 2 or 5 times a power of ten, about six of them.
fn scale(greatest: f64) -> (f64, f64) {
    let rough = (greatest / 6.0).max(1e-9);
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough).unwrap_or(power);
    (step, (greatest / step).ceil().max(1.0) * step)
}

fn ticks(step: f64, top: f64) -> impl Iterator<Item = f64> {
    // Multiples and not sums, and no tail of digits from either.
    (0_u32..).map(move |count| (f64::from(count) * step * 1e6).round() / 1e6).take_while(move |tick| *tick <= top * 1.0001)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_reach_the_greatest_value() {
        assert_eq!(scale(347.0), (100.0, 400.0));
        assert_eq!(ticks(0.5, 1.5).collect::<Vec<_>>(), [0.0, 0.5, 1.0, 1.5]);
    }

    #[test]
    fn every_line_is_drawn_and_named() {
        let line = |name: &str, y| Line { name: name.to_owned(), points: vec![(0.0, 0.0), (10.0, y)] };
        let svg = svg(&Labels { title: "t", x: "x", y: "y" }, &[line("one", 5.0), line("two", 10.0)]);
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains(">one<") && svg.contains(">two<"));
    }
}
