//! A strict reader of Prometheus's text exposition format.

use std::collections::{BTreeMap, BTreeSet};

use super::http::Http;

/// One line of the exposition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// One scrape.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    pub(crate) series: Vec<Series>,
    pub(crate) kinds: BTreeMap<String, String>,
    pub(crate) helps: BTreeMap<String, String>,
}

/// Scrapes a port of the loopback.
pub(crate) async fn scrape(port: u16) -> Result<Metrics, String> {
    let url = format!("http://127.0.0.1:{port}/metrics");
    let answer = Http::new().get(&url).await?;
    if answer.status != 200 {
        return Err(format!("{url}: {}", answer.status));
    }
    let kind = answer.headers.get("content-type").map(|it| it.to_str());
    match kind {
        Some(Ok(kind)) if kind.starts_with("text/plain") => {}
        other => return Err(format!("{url}: content-type {other:?}")),
    }
    Metrics::parse(&answer.body)
}

impl Metrics {
    /// Reads an exposition.
    ///
    /// # Errors
    /// Names the first line that breaks a rule of the format.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut metrics = Self::default();
        if !text.is_empty() && !text.ends_with('\n') {
            return Err("the last line does not end".to_owned());
        }
        for line in text.lines() {
            metrics.line(line).map_err(|why| format!("{why}: {line}"))?;
        }
        metrics.check()?;
        Ok(metrics)
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or("HELP without a text")?;
            if self
                .helps
                .insert(name.to_owned(), help.to_owned())
                .is_some()
            {
                return Err("a second HELP".to_owned());
            }
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("TYPE without a type")?;
            if !["counter", "gauge", "histogram", "summary", "untyped"].contains(&kind) {
                return Err("unknown type".to_owned());
            }
            if self.series.iter().any(|series| family(&series.name, name)) {
                return Err("TYPE after its samples".to_owned());
            }
            if self
                .kinds
                .insert(name.to_owned(), kind.to_owned())
                .is_some()
            {
                return Err("a second TYPE".to_owned());
            }
        } else if !line.is_empty() && !line.starts_with('#') {
            self.series.push(sample(line)?);
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for series in &self.series {
            if !seen.insert((series.name.clone(), series.labels.clone())) {
                return Err(format!("twice: {series:?}"));
            }
            let family = self.kinds.keys().find(|name| family(&series.name, name));
            let family = family.ok_or_else(|| format!("no TYPE: {series:?}"))?;
            if !self.helps.contains_key(family) {
                return Err(format!("no HELP: {family}"));
            }
            let kind = self.kinds[family].as_str();
            if kind == "counter" && !(series.name.ends_with("_total") && series.value >= 0.0) {
                return Err(format!("no counter: {series:?}"));
            }
        }
        for (name, kind) in &self.kinds {
            if kind == "histogram" {
                self.check_histogram(name)?;
            }
        }
        Ok(())
    }

    fn check_histogram(&self, name: &str) -> Result<(), String> {
        let count = format!("{name}_count");
        for total in self.series.iter().filter(|series| series.name == count) {
            let buckets = self.buckets(name, &total.labels);
            if !buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1) {
                return Err(format!("buckets do not grow: {name} {buckets:?}"));
            }
            if buckets.last() != Some(&(f64::INFINITY, total.value)) {
                return Err(format!("+Inf is not the count: {name} {buckets:?}"));
            }
            let sum = format!("{name}_sum");
            let same = |it: &&Series| it.name == sum && it.labels == total.labels;
            if self.series.iter().filter(same).count() != 1 {
                return Err(format!("no sum: {total:?}"));
            }
        }
        Ok(())
    }

    /// The cumulative buckets of the histogram with exactly these labels: upper bound and count.
    fn buckets(&self, name: &str, labels: &BTreeMap<String, String>) -> Vec<(f64, f64)> {
        let bucket = format!("{name}_bucket");
        let mut buckets = Vec::new();
        for series in self.series.iter().filter(|it| it.name == bucket) {
            let mut others = series.labels.clone();
            if let Some(bound) = others.remove("le").filter(|_| others == *labels) {
                buckets.push((bound.parse().unwrap_or(f64::INFINITY), series.value));
            }
        }
        buckets
    }

    /// The series of one name whose labels are among others these.
    pub(crate) fn select(&self, name: &str, labels: &[(&str, &str)]) -> Vec<&Series> {
        let fits = |series: &&Series| {
            let has =
                |(key, value): &(&str, &str)| series.labels.get(*key).is_some_and(|it| it == value);
            series.name == name && labels.iter().all(has)
        };
        self.series.iter().filter(fits).collect()
    }

    /// Their sum.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let series = self.select(name, labels);
        series.iter().map(|series| series.value).sum()
    }

    /// The values of one label over all series of a name.
    pub(crate) fn values(&self, name: &str, label: &str) -> BTreeSet<String> {
        let series = self.select(name, &[]);
        series
            .iter()
            .filter_map(|series| series.labels.get(label).cloned())
            .collect()
    }

    /// The bucket in which a quantile lies, over all histograms of a name with these labels: its lower and upper bound.
    pub(crate) fn quantile(&self, name: &str, labels: &[(&str, &str)], share: f64) -> (f64, f64) {
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for series in self.select(&format!("{name}_bucket"), labels) {
            let bound = series.labels["le"].parse().unwrap_or(f64::INFINITY);
            match buckets.iter_mut().find(|(known, _)| *known == bound) {
                Some((_, count)) => *count += series.value,
                None => buckets.push((bound, series.value)),
            }
        }
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let rank = share * buckets.last().map_or(0.0, |(_, count)| *count);
        let at = buckets.iter().position(|(_, count)| *count >= rank);
        let at = at.unwrap_or_else(|| panic!("no histogram {name} {labels:?}"));
        let lower = at.checked_sub(1).map_or(0.0, |below| buckets[below].0);
        (lower, buckets[at].0)
    }
}

/// Whether a sample's name belongs to a family.
fn family(sample: &str, family: &str) -> bool {
    sample
        .strip_prefix(family)
        .is_some_and(|rest| matches!(rest, "" | "_bucket" | "_sum" | "_count"))
}

fn sample(line: &str) -> Result<Series, String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(end);
    if !is_name(name) {
        return Err("bad name".to_owned());
    }
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = self::labels(inner, &mut labels)?;
    }
    let mut fields = rest.split_whitespace();
    let value = match fields.next().ok_or("no value")? {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        number => number.parse().map_err(|_| "bad value")?,
    };
    if fields
        .next()
        .is_some_and(|time| time.parse::<i64>().is_err())
        || fields.next().is_some()
    {
        return Err("something after the value".to_owned());
    }
    Ok(Series {
        name: name.to_owned(),
        labels,
        value,
    })
}

/// Reads `a="b",c="d"}` and gives what follows.
fn labels<'a>(mut text: &'a str, labels: &mut BTreeMap<String, String>) -> Result<&'a str, String> {
    loop {
        if let Some(rest) = text.strip_prefix('}') {
            return Ok(rest);
        }
        let (name, rest) = text.split_once("=\"").ok_or("no label value")?;
        if !is_name(name) || name.contains(':') {
            return Err(format!("bad label {name:?}"));
        }
        let mut value = String::new();
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next().ok_or("a label without an end")? {
                (at, '"') => break at,
                (_, '\\') => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, c @ ('\\' | '"'))) => value.push(c),
                    _ => return Err("bad escape".to_owned()),
                },
                (_, c) => value.push(c),
            }
        };
        if labels.insert(name.to_owned(), value).is_some() {
            return Err(format!("label {name} twice"));
        }
        text = &rest[end + 1..];
        text = text.strip_prefix(',').unwrap_or(text);
    }
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || c == ':')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# HELP h A.\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n";

    #[test]
    fn the_reader_reads_what_is_right() {
        let metrics = Metrics::parse(GOOD).unwrap();
        assert_eq!(metrics.quantile("h", &[], 0.5), (0.0, 1.0));
        assert_eq!(metrics.quantile("h", &[], 0.9), (1.0, f64::INFINITY));
        let escaped = "# HELP c A.\n# TYPE c_total counter\n# HELP c_total A.\nc_total{a=\"x\\\"\\\\\\n\"} 1\n";
        let metrics = Metrics::parse(escaped).unwrap();
        assert_eq!(metrics.series[0].labels["a"], "x\"\\\n");
    }

    #[test]
    fn the_reader_refuses_what_is_wrong() {
        for (text, why) in [
            ("c_total 1\n", "no TYPE"),
            ("# TYPE c_total counter\nc_total 1\n", "no HELP"),
            ("# HELP c A.\n# TYPE c counter\nc 1\n", "no counter"),
            ("# HELP g A.\n# TYPE g gauge\ng 1\ng 2\n", "twice"),
            (
                "# HELP g A.\n# TYPE g gauge\ng{a=\"1} 1\n",
                "without an end",
            ),
            ("# HELP g A.\n# TYPE g gauge\ng one\n", "bad value"),
            ("# HELP g A.\n# TYPE g gauge\ng 1", "does not end"),
            (&GOOD.replace("} 1\n", "} 3\n"), "do not grow"),
            (&GOOD.replace("h_count 2", "h_count 9"), "not the count"),
        ] {
            let error = Metrics::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
