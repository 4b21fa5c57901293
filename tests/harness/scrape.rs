//! Reading the page of metrics.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answer, http};

/// What a page of metrics says.
#[derive(Debug)]
pub struct Scrape {
    /// Every sample, by name with its labels as they are written.
    samples: BTreeMap<String, f64>,
    /// The kind of every metric.
    pub kinds: BTreeMap<String, String>,
    /// Metrics with a line of help.
    pub described: BTreeSet<String>,
}

impl Scrape {
    /// Reads the page at a URL.
    pub async fn of(url: &str) -> Self {
        let answer = Answer::of(http().get(url).send().await.unwrap()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        Self::parse(&answer.body)
    }

    /// Reads the text format; a line that is not of it fails.
    #[track_caller]
    pub fn parse(page: &str) -> Self {
        let mut scrape = Self {
            samples: BTreeMap::new(),
            kinds: BTreeMap::new(),
            described: BTreeSet::new(),
        };
        for line in page.lines().filter(|line| !line.is_empty()) {
            if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                let before = scrape.kinds.insert(name.to_owned(), kind.to_owned());
                assert_eq!(before, None, "{name} twice");
            } else if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, _) = help.split_once(' ').unwrap();
                scrape.described.insert(name.to_owned());
            } else {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                let value = value.parse().unwrap_or_else(|e| panic!("{e}: {line}"));
                let before = scrape.samples.insert(sample.to_owned(), value);
                assert_eq!(before, None, "{sample} twice");
            }
        }
        scrape
    }

    /// A sample by name and labels; 0 when there is none.
    pub fn get(&self, sample: &str) -> f64 {
        self.samples.get(sample).copied().unwrap_or(0.0)
    }

    /// Every sample as it is written, without its value.
    pub fn samples(&self) -> impl Iterator<Item = &str> {
        self.samples.keys().map(String::as_str)
    }
}
