//! The numbers that Unimux promises, and what the bench says they are.
//!
//! Guest programs print `metric <name> <value> <unit>` and `sample <series> <x> <y>` on their
//! consoles; the sizes come from the ELF file. A promise whose number is missing is broken.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::boot_delay::Boot;
use crate::console::Line;
use crate::verb::size::{IMAGE_BUDGET, TEXT_BUDGET};

/// What is promised of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Limit {
    /// It is not more than this.
    AtMost(f64),
    /// It is not less than this.
    AtLeast(f64),
    /// It is shown.
    Shown,
}

impl Limit {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
            Self::Shown => value.is_finite(),
        }
    }

    fn number(self) -> Option<f64> {
        match self {
            Self::AtMost(limit) | Self::AtLeast(limit) => Some(limit),
            Self::Shown => None,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(limit) => format!("≤ {limit}"),
            Self::AtLeast(limit) => format!("≥ {limit}"),
            Self::Shown => String::new(),
        }
    }
}

/// A number that must be there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promise {
    metric: &'static str,
    unit: &'static str,
    limit: Limit,
}

/// A promise of the number `metric`.
pub(crate) const fn promise(metric: &'static str, unit: &'static str, limit: Limit) -> Promise {
    Promise {
        metric,
        unit,
        limit,
    }
}

/// A number that two others make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ratio {
    metric: &'static str,
    dividend: &'static str,
    divisor: &'static str,
    /// How many units of the divisor are one of the dividend.
    scale: f64,
}

impl Ratio {
    /// Two numbers of the same unit.
    pub(crate) const fn of(
        metric: &'static str,
        dividend: &'static str,
        divisor: &'static str,
    ) -> Self {
        Self {
            metric,
            dividend,
            divisor,
            scale: 1.0,
        }
    }

    /// Of the dividend's unit `scale` of the divisor's are one.
    pub(crate) const fn scaled(self, scale: f64) -> Self {
        Self { scale, ..self }
    }
}

/// What Linux measures in one boot, beside others that do the same, and what is promised of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contest {
    /// What is measured.
    pub(crate) what: &'static str,
    /// The job of the host, or of the guests, that measure.
    pub(crate) job: &'static str,
    /// A scenario with a bare-metal guest that measures the same.
    pub(crate) witness: &'static str,
    /// A scenario whose boots are timed, with Unimux and without.
    pub(crate) boots: &'static str,
    /// In the order of the table.
    pub(crate) promises: &'static [Promise],
    /// What follows from the numbers.
    pub(crate) ratios: &'static [Ratio],
    /// Takes a number from a line of the run; returns its name.
    pub(crate) take: fn(&mut Measured, &Line) -> Option<String>,
    /// Adds what the boots say: with Unimux, and without.
    pub(crate) add_boots: fn(&mut Measured, [Boot; 2]),
}

/// All of them, in the order of the table.
pub(crate) const PROMISES: [Promise; 14] = [
    promise("data_path_exits", "exits", Limit::AtMost(0.0)),
    promise("write_1mib_vs_copy", "ratio", Limit::AtLeast(0.9)),
    promise("read_1mib_vs_copy", "ratio", Limit::AtLeast(0.9)),
    promise("write_8b_latency_vs_relay", "ratio", Limit::AtMost(3.0)),
    promise("hvc_8b_latency_vs_relay", "ratio", Limit::Shown),
    promise("guest_instructions_8b", "instructions", Limit::Shown),
    promise("engine_instructions_8b", "instructions", Limit::Shown),
    promise(IDLE_RATIO, "ratio", Limit::AtMost(1.10)),
    promise("fairness_jain", "index", Limit::AtLeast(0.99)),
    promise("storm_victim_loss", "ratio", Limit::AtMost(0.05)),
    promise("function_bytes", "bytes", Limit::Shown),
    promise(TEXT_BYTES, "bytes", Limit::AtMost(TEXT_BUDGET as f64)),
    promise(IMAGE_BYTES, "bytes", Limit::AtMost(IMAGE_BUDGET as f64)),
    promise(
        "data_path_work_requests",
        "WRs",
        Limit::AtLeast(1_000_000.0),
    ),
];

/// What is promised besides of a board with a DMA engine.
pub(crate) const ENGINE_PROMISES: [Promise; 8] = [
    promise(
        "engine_instructions_mib_cpu_vs_dma",
        "ratio",
        Limit::AtLeast(50.0),
    ),
    promise("engine_instructions_mib_cpu", "instructions", Limit::Shown),
    promise("engine_instructions_mib_dma", "instructions", Limit::Shown),
    promise("crossover_instructions_bytes", "bytes", Limit::Shown),
    promise("crossover_bytes", "bytes", Limit::AtLeast(1.0)),
    promise("write_1mib_mb_per_s_cpu", "MB/s", Limit::Shown),
    promise("write_1mib_mb_per_s_dma", "MB/s", Limit::Shown),
    promise("write_1mib_mb_per_s_combined", "MB/s", Limit::Shown),
];

/// What one request of 8 bytes costs the guest, and the engine core.
const COSTS: [&str; 2] = ["guest_instructions_8b", "engine_instructions_8b"];

/// From the ratio of two boots.
pub(crate) const IDLE_RATIO: &str = "idle_functions_cost_ratio";
/// From the ELF file.
pub(crate) const TEXT_BYTES: &str = "text_bytes";
/// From the ELF file.
pub(crate) const IMAGE_BYTES: &str = "image_bytes";

/// Points of a series.
pub(crate) type Series = BTreeMap<String, Vec<(f64, f64)>>;

/// Numbers as they come.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    promises: Vec<Promise>,
    values: BTreeMap<String, (f64, String)>,
    /// Told more than once: which of them is true?
    twice: Vec<String>,
    /// For the plots.
    pub(crate) series: Series,
}

impl Default for Measured {
    /// What is promised of guests.
    fn default() -> Self {
        Self::promising(&PROMISES)
    }
}

impl Measured {
    /// No numbers yet, of which this is promised.
    pub(crate) fn promising(promises: &[Promise]) -> Self {
        Self {
            promises: promises.to_vec(),
            values: BTreeMap::new(),
            twice: Vec::new(),
            series: Series::new(),
        }
    }

    /// Promises more.
    pub(crate) fn promise_also(&mut self, promises: &[Promise]) {
        self.promises.extend(promises);
    }

    /// A number, if it is there.
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        self.values.get(name).map(|(value, _)| *value)
    }

    /// Takes a number from a line of a guest, if there is one in it; returns its name.
    pub(crate) fn take<'a>(&mut self, line: &'a Line) -> Option<&'a str> {
        let Line::Guest { text, .. } = line else {
            return None;
        };
        self.take_words(text)
    }

    /// Takes a number from what a guest says, if there is one in it; returns its name.
    pub(crate) fn take_words<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words[..] {
            ["metric", name, value, unit] => {
                self.set(name, value.parse().ok()?, unit);
                Some(name)
            }
            ["sample", series, x, y] => {
                let point = (x.parse().ok()?, y.parse().ok()?);
                self.series
                    .entry(series.to_owned())
                    .or_default()
                    .push(point);
                Some(series)
            }
            _ => None,
        }
    }

    /// Takes a number that no guest says.
    pub(crate) fn set(&mut self, name: &str, value: f64, unit: &str) {
        if self
            .values
            .insert(name.to_owned(), (value, unit.to_owned()))
            .is_some()
        {
            self.twice.push(name.to_owned());
        }
    }

    /// Adds what follows from the numbers. A ratio of what was not measured is missing.
    pub(crate) fn add_ratios(&mut self, ratios: &[Ratio]) {
        for ratio in ratios {
            if let (Some(dividend), Some(divisor)) =
                (self.value(ratio.dividend), self.value(ratio.divisor))
                && dividend.is_finite()
                && divisor.is_finite()
                && divisor > 0.0
            {
                self.set(ratio.metric, dividend * ratio.scale / divisor, "ratio");
            }
        }
    }

    /// Takes the numbers and points of another boot.
    pub(crate) fn add(&mut self, other: Self) {
        for (name, (value, unit)) in other.values {
            self.set(&name, value, &unit);
        }
        self.twice.extend(other.twice);
        for (name, points) in other.series {
            self.series.entry(name).or_default().extend(points);
        }
    }

    /// What is promised of the numbers that are there and does not hold, in words.
    pub(crate) fn broken(&self) -> Vec<String> {
        self.judged()
            .filter(|(promise, value)| !promise.limit.holds(*value))
            .map(|(promise, value)| {
                let limit = promise.limit.text();
                format!("{} {} is not {limit}", promise.metric, number(value))
            })
            .collect()
    }

    /// By how much the numbers that are there miss their limits, relative to these, all together.
    pub(crate) fn excess(&self) -> f64 {
        self.judged()
            .map(|(promise, value)| match promise.limit {
                Limit::AtMost(limit) => (value / limit - 1.0).max(0.0),
                Limit::AtLeast(limit) => (limit / value - 1.0).max(0.0),
                Limit::Shown => 0.0,
            })
            .sum()
    }

    fn judged(&self) -> impl Iterator<Item = (Promise, f64)> {
        self.promises
            .iter()
            .filter_map(|promise| Some((*promise, self.value(promise.metric)?)))
    }

    /// What a request costs with these functions relative to `few` of them: the greatest ratio of
    /// any of the costs that both have. `None` if one has none.
    pub(crate) fn cost_ratio(&self, few: &Self) -> Option<f64> {
        COSTS
            .iter()
            .map(|name| Some(self.values.get(*name)?.0 / few.values.get(*name)?.0))
            .try_fold(f64::NEG_INFINITY, |worst, ratio| Some(worst.max(ratio?)))
    }

    /// The promises with their numbers, then the numbers that nothing is promised of.
    pub(crate) fn report(&self) -> Report {
        let mut rows: Vec<Row> = self
            .promises
            .iter()
            .map(|promise| {
                let found = self.values.get(promise.metric);
                let value = found.map(|(value, _)| *value);
                let once = !self.twice.iter().any(|it| it == promise.metric);
                Row {
                    metric: promise.metric.to_owned(),
                    value,
                    unit: found.map_or(promise.unit, |(_, unit)| unit).to_owned(),
                    limit: promise.limit,
                    ok: once && value.is_some_and(|value| promise.limit.holds(value)),
                }
            })
            .collect();
        for (metric, (value, unit)) in &self.values {
            if self.promises.iter().all(|it| it.metric != metric) {
                rows.push(Row {
                    metric: metric.clone(),
                    value: Some(*value),
                    unit: unit.clone(),
                    limit: Limit::Shown,
                    ok: true,
                });
            }
        }
        Report { rows }
    }
}

/// One line of the table.
#[derive(Clone, Debug)]
struct Row {
    metric: String,
    value: Option<f64>,
    unit: String,
    limit: Limit,
    ok: bool,
}

/// The table.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Whether every promise is kept, but for those that are known to be pending. Of these, too, the
    /// number must be there.
    pub(crate) fn is_ok_but_for(&self, pending: &[String]) -> bool {
        let is_pending = |row: &Row| row.value.is_some() && pending.contains(&row.metric);
        self.rows.iter().all(|row| row.ok || is_pending(row))
    }

    /// A list of objects `metric`, `value`, `unit`, `limit`, `ok`.
    pub(crate) fn to_json(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "metric": row.metric,
                "value": row.value,
                "unit": row.unit,
                "limit": row.limit.number(),
                "ok": row.ok,
            })
        };
        self.rows.iter().map(row).collect()
    }

    /// For people.
    pub(crate) fn to_table(&self) -> String {
        let mut table = format!(
            "{:30} {:>14} {:12} {:>10}\n",
            "metric", "value", "unit", "limit"
        );
        for row in &self.rows {
            let value = row.value.map_or("missing".to_owned(), number);
            let verdict = match (row.ok, row.limit) {
                (false, _) => "BROKEN",
                (true, Limit::Shown) => "",
                (true, _) => "ok",
            };
            let line = format!(
                "{:30} {value:>14} {:12} {:>10}  {verdict}",
                row.metric,
                row.unit,
                row.limit.text()
            );
            table.push_str(line.trim_end());
            table.push('\n');
        }
        table
    }
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value}")
    } else {
        format!("{value:.4}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(measured: &mut Measured, text: &str) {
        measured.take(&Line::Guest {
            index: 0,
            text: text.into(),
        });
    }

    /// Every promise just kept.
    fn kept() -> Measured {
        let mut measured = Measured::default();
        for promise in PROMISES {
            let value = promise.limit.number().unwrap_or(1.0);
            say(
                &mut measured,
                &format!("metric {} {value} {}", promise.metric, promise.unit),
            );
        }
        measured
    }

    fn row<'a>(report: &'a Value, metric: &str) -> &'a Value {
        report
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["metric"] == metric)
            .unwrap()
    }

    #[test]
    fn a_number_at_its_limit_keeps_the_promise() {
        let report = kept().report();
        assert!(report.is_ok_but_for(&[]), "{}", report.to_table());
        let json = report.to_json();
        let row = row(&json, "write_1mib_vs_copy");
        assert_eq!(
            (&row["value"], &row["limit"], &row["ok"]),
            (&json!(0.9), &json!(0.9), &json!(true))
        );
        assert_eq!(row["unit"], "ratio");
    }

    #[test]
    fn boots_are_compared_by_what_they_miss() {
        let boot = |latency: &str, copy: &str| {
            let mut measured = Measured::default();
            for (name, value) in [
                ("write_8b_latency_vs_relay", latency),
                ("write_1mib_vs_copy", copy),
                ("relay_ns", "9"),
            ] {
                say(&mut measured, &format!("metric {name} {value} x"));
            }
            measured
        };
        let [good, bad, worse] = [boot("3", "0.9"), boot("3.3", "1"), boot("3", "0.6")];
        assert!(good.broken().is_empty() && good.excess() == 0.0);
        assert_eq!(
            bad.broken(),
            ["write_8b_latency_vs_relay 3.3000 is not ≤ 3"]
        );
        assert!(bad.excess() > 0.0 && bad.excess() < worse.excess());

        let mut both = Measured::default();
        both.add(good);
        both.add(boot("2", "1"));
        let report = both.report().to_json();
        assert_eq!(row(&report, "write_1mib_vs_copy")["ok"], json!(false));
    }

    #[test]
    fn a_missing_a_bad_and_a_double_number_break_it() {
        let report = Measured::default().report();
        assert!(!report.is_ok_but_for(&[]) && report.to_table().contains("missing"));
        assert_eq!(
            row(&report.to_json(), "fairness_jain")["value"],
            Value::Null
        );
        for (metric, value) in [
            ("data_path_exits", "1"),
            ("fairness_jain", "0.98"),
            ("text_bytes", "NaN"),
        ] {
            let mut measured = kept();
            measured.values.remove(metric);
            say(&mut measured, &format!("metric {metric} {value} x"));
            assert!(!measured.report().is_ok_but_for(&[]), "{metric} {value}");
        }
        let mut twice = kept();
        say(&mut twice, "metric fairness_jain 1 index");
        assert!(!twice.report().is_ok_but_for(&[]));
    }

    #[test]
    fn a_pending_promise_may_be_broken_but_not_missing() {
        let mut measured = kept();
        measured.values.remove("fairness_jain");
        let pending = ["fairness_jain".to_owned()];
        assert!(!measured.report().is_ok_but_for(&pending), "missing");
        say(&mut measured, "metric fairness_jain 0.5 index");
        let report = measured.report();
        assert!(report.is_ok_but_for(&pending) && !report.is_ok_but_for(&[]));
        assert_eq!(row(&report.to_json(), "fairness_jain")["ok"], json!(false));
    }

    #[test]
    fn numbers_without_promise_are_shown_and_prose_is_not_taken() {
        let mut measured = kept();
        say(&mut measured, "metric copy_mbps 812.5 MB/s");
        say(&mut measured, "metric of the day");
        say(&mut measured, "metric x nan-ish y");
        measured.take(&Line::Text("metric el2_says 1 x".into()));
        let report = measured.report();
        assert!(report.is_ok_but_for(&[]));
        assert_eq!(report.rows.len(), PROMISES.len() + 1);
        assert!(report.to_table().contains("812.5000 MB/s"));
    }

    #[test]
    fn the_cost_ratio_is_the_worst_of_all_costs() {
        let costs = |guest: u32, engine: u32| {
            let mut measured = Measured::default();
            say(
                &mut measured,
                &format!("metric guest_instructions_8b {guest} instructions"),
            );
            say(
                &mut measured,
                &format!("metric engine_instructions_8b {engine} instructions"),
            );
            measured
        };
        assert_eq!(costs(110, 300).cost_ratio(&costs(100, 300)), Some(1.1));
        assert_eq!(costs(100, 150).cost_ratio(&costs(100, 300)), Some(1.0));
        assert_eq!(costs(100, 150).cost_ratio(&Measured::default()), None);
    }

    #[test]
    fn samples_are_collected_by_series() {
        let mut measured = Measured::default();
        for text in [
            "sample bandwidth_write 8 1.5",
            "sample bandwidth_write 16 3",
            "sample x y z",
        ] {
            say(&mut measured, text);
        }
        assert_eq!(
            measured.series["bandwidth_write"],
            [(8.0, 1.5), (16.0, 3.0)]
        );
        assert_eq!(measured.series.len(), 1);
    }
}
