//! Reading leaves through the index: it tells which blocks to look at.

use std::collections::BTreeMap;

use caracal_core::LogId;
use rusqlite::{Connection, ToSql, params_from_iter};

use super::leaf::{Indexed, nanoseconds};
use super::terms::{self, BLOCK, Lookup};
use crate::embedded::ledger_file::bytes;
use crate::embedded::number::{signed, unsigned};
use crate::{Page, Query, StoreError};

/// How many blocks are read for a page at most. A page that ends there is short, and names
/// where to go on.
const MOST_BLOCKS: usize = 256;

pub(super) fn search(connection: &Connection, query: &Query) -> Result<Page, StoreError> {
    let limit = query.limit.max(1);
    let wanted = Wanted::of(query);
    let (mut lowest, mut highest) = (1, i64::MAX);
    match query.cursor.map(signed) {
        Some(cursor) if query.ascending => lowest = cursor.saturating_add(1),
        Some(cursor) => highest = cursor.saturating_sub(1),
        None => {}
    }
    let blocks = find_blocks(connection, query, &wanted, lowest, highest)?;
    let order = if query.ascending { "ASC" } else { "DESC" };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT seq, body FROM ledger.events WHERE seq >= $1 AND seq <= $2 ORDER BY seq {order}"
    ))?;
    let mut leaves = Vec::new();
    for block in blocks.iter().take(MOST_BLOCKS) {
        let first = block.saturating_mul(BLOCK);
        let last = first.saturating_add(BLOCK - 1);
        let mut rows = statement.query((first.max(lowest), last.min(highest)))?;
        while let Some(row) = rows.next()? {
            let leaf = bytes(row.get_ref(1)?);
            if !wanted.is(&Indexed::of(leaf)) {
                continue;
            }
            if leaves.len() == limit {
                let next = leaves.last().map(|(seq, _)| *seq);
                return Ok(Page { leaves, next });
            }
            leaves.push((unsigned(row.get(0)?)?, leaf.to_vec()));
        }
    }
    // Where the reading of one more block would begin.
    let next = match blocks.get(MOST_BLOCKS) {
        None => None,
        Some(block) if query.ascending => Some(block.saturating_mul(BLOCK).saturating_sub(1)),
        Some(block) => Some(block.saturating_add(1).saturating_mul(BLOCK)),
    };
    Ok(Page {
        leaves,
        next: next.map(unsigned).transpose()?,
    })
}

/// What is said of each leaf that is searched for.
struct Wanted {
    equal: Vec<(Field, String)>,
    from: Option<i64>,
    until: Option<i64>,
}

#[derive(Clone, Copy)]
enum Field {
    Zone,
    Id,
    RequestId,
    Type,
    Decision,
    Application,
    Session,
    Mandate,
    Resource,
}

impl Wanted {
    fn of(query: &Query) -> Self {
        let zone = query.zone.map(|zone| zone.to_string());
        let decision = query.decision.map(|decision| decision.as_str().to_owned());
        let equal = [
            (Field::Zone, &zone),
            (Field::Id, &query.id),
            (Field::RequestId, &query.request_id),
            (Field::Type, &query.event_type),
            (Field::Decision, &decision),
            (Field::Application, &query.application),
            (Field::Session, &query.session),
            (Field::Mandate, &query.mandate),
            (Field::Resource, &query.resource),
        ];
        let equal = equal
            .into_iter()
            .filter_map(|(field, value)| Some((field, value.clone()?)));
        Self {
            equal: equal.collect(),
            from: query.from.map(nanoseconds),
            until: query.until.map(nanoseconds),
        }
    }

    fn is(&self, leaf: &Indexed<'_>) -> bool {
        let equal = self.equal.iter().all(|(field, value)| {
            let held = match field {
                Field::Zone => &leaf.zone,
                Field::Id => &leaf.id,
                Field::RequestId => &leaf.request_id,
                Field::Type => &leaf.event_type,
                Field::Decision => &leaf.decision,
                Field::Application => &leaf.application,
                Field::Session => &leaf.session,
                Field::Mandate => &leaf.mandate,
                Field::Resource => &leaf.resource,
            };
            held.as_deref() == Some(value)
        });
        if !equal || (self.from.is_none() && self.until.is_none()) {
            return equal;
        }
        leaf.nanoseconds().is_some_and(|time| {
            self.from.is_none_or(|from| time >= from) && self.until.is_none_or(|until| time < until)
        })
    }

    /// Where a leaf can be that is all of this.
    fn places(&self) -> Vec<Lookup> {
        let find = |wanted: fn(&Field) -> bool| {
            let found = self.equal.iter().find(|(field, _)| wanted(field));
            found.map(|(_, value)| value.as_str())
        };
        let zone = find(|f| matches!(f, Field::Zone));
        let event_type = find(|f| matches!(f, Field::Type));
        let decision = find(|f| matches!(f, Field::Decision)).filter(|text| terms::is_rare(text));
        let mut places: Vec<Lookup> = self
            .equal
            .iter()
            .filter_map(|(field, value)| {
                let term = match field {
                    Field::Id | Field::RequestId | Field::Session | Field::Mandate => {
                        return Some(terms::lookup_of_id(value));
                    }
                    Field::Zone => terms::of_zone(value),
                    Field::Application => terms::of_application(value),
                    Field::Type => terms::of_type(zone?, value),
                    Field::Resource => terms::of_resource(zone?, value),
                    Field::Decision => terms::of_decision(zone?, decision?),
                };
                Some(Lookup::Term(term))
            })
            .collect();
        if let Some(application) = find(|f| matches!(f, Field::Application)) {
            let with_type = event_type.map(|t| terms::of_application_type(application, t));
            let with_decision = decision.map(|d| terms::of_application_decision(application, d));
            places.extend(with_type.into_iter().chain(with_decision).map(Lookup::Term));
        }
        places
    }
}

/// The blocks that can have what is wanted, in the order of the query; one more than are read.
fn find_blocks(
    connection: &Connection,
    query: &Query,
    wanted: &Wanted,
    lowest: i64,
    highest: i64,
) -> Result<Vec<i64>, StoreError> {
    const HAS: &str = "EXISTS (SELECT 1 FROM terms WHERE term = ? AND terms.block = blocks.block)";
    let mut conditions = vec!["block >= ? AND block <= ?".to_owned()];
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(lowest / BLOCK), Box::new(highest / BLOCK)];
    if let Some(from) = wanted.from {
        conditions.push("latest >= ?".to_owned());
        values.push(Box::new(from));
    }
    if let Some(until) = wanted.until {
        conditions.push("earliest < ?".to_owned());
        values.push(Box::new(until));
    }
    for place in wanted.places() {
        match place {
            Lookup::Term(term) => {
                conditions.push(HAS.to_owned());
                values.push(Box::new(term));
            }
            Lookup::TermOrTime(term, from, to) => {
                conditions.push(format!("((latest >= ? AND earliest <= ?) OR {HAS})"));
                values.push(Box::new(from));
                values.push(Box::new(to));
                values.push(Box::new(term));
            }
        }
    }
    let sql = format!(
        "SELECT block FROM blocks WHERE {} ORDER BY block {} LIMIT {}",
        conditions.join(" AND "),
        if query.ascending { "ASC" } else { "DESC" },
        MOST_BLOCKS + 1,
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let blocks = statement.query_map(params_from_iter(values), |row| row.get(0))?;
    Ok(blocks.collect::<rusqlite::Result<_>>()?)
}

/// Leaves of a log by index. Where several rows claim an index, the oldest has it; and they are
/// given in the order in which they stand in the ledger, whatever order their claims have, so that
/// leaves that changed places are seen to have.
pub(super) fn read(
    connection: &Connection,
    log: LogId,
    first: u64,
    limit: usize,
) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    let log = log.to_string();
    let mut ranges = connection.prepare_cached(
        "SELECT block, first FROM ranges WHERE log = $1 AND last >= $2 ORDER BY first, block",
    )?;
    let mut ranges = ranges.query((&log, signed(first)))?;
    let mut events = connection.prepare_cached(
        "SELECT seq, body FROM ledger.events WHERE seq >= $1 AND seq < $2 ORDER BY seq",
    )?;
    // Each index with the lowest number that claims it, and what stands there.
    let mut found: BTreeMap<u64, (i64, Vec<u8>)> = BTreeMap::new();
    while let Some(range) = ranges.next()? {
        let lowest = unsigned(range.get(1)?)?;
        // No block from here on has anything below its own first index.
        if found.range(..lowest).count() >= limit {
            break;
        }
        let start: i64 = range.get::<_, i64>(0)?.saturating_mul(BLOCK);
        let mut rows = events.query((start, start.saturating_add(BLOCK)))?;
        while let Some(row) = rows.next()? {
            let seq = row.get(0)?;
            let leaf = bytes(row.get_ref(1)?);
            let indexed = Indexed::of(leaf);
            let index = indexed.index.filter(|index| *index >= first);
            let (Some(index), true) = (index, indexed.log.as_deref() == Some(&log)) else {
                continue;
            };
            match found.get(&index) {
                Some((older, _)) if *older < seq => {}
                _ => {
                    found.insert(index, (seq, leaf.to_vec()));
                }
            }
        }
    }
    let (indexes, mut leaves): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    leaves.sort_unstable_by_key(|(seq, _)| *seq);
    let leaves = leaves.into_iter().map(|(_, leaf)| leaf);
    Ok(indexes.into_iter().zip(leaves).take(limit).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An index over a ledger with a leaf at the start of each of so many blocks.
    fn sparse(blocks: i64) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(concat!(
                include_str!("schema.sql"),
                "ATTACH ':memory:' AS ledger; CREATE TABLE ledger.events (seq INTEGER PRIMARY KEY, body BLOB);"
            ))
            .unwrap();
        for block in 1..=blocks {
            let leaf = format!(r#"{{"type":"{}"}}"#, if block == 1 { "a" } else { "b" });
            connection
                .execute(
                    "INSERT INTO ledger.events VALUES ($1, $2)",
                    (block * BLOCK, leaf),
                )
                .unwrap();
            connection
                .execute(
                    "INSERT INTO blocks VALUES ($1, $2, $3)",
                    (block, i64::MAX, i64::MIN),
                )
                .unwrap();
        }
        connection
    }

    #[test]
    fn a_long_search_comes_in_short_pages_and_finds_everything_once() {
        let blocks = i64::try_from(MOST_BLOCKS).unwrap() * 2 + 10;
        let connection = sparse(blocks);
        for ascending in [false, true] {
            for (event_type, expected) in [("a", 1), ("b", blocks - 1), ("c", 0)] {
                let mut query = Query {
                    event_type: Some(event_type.to_owned()),
                    ascending,
                    limit: 10_000,
                    ..Query::default()
                };
                let (mut found, mut pages) = (Vec::new(), 0);
                loop {
                    let page = search(&connection, &query).unwrap();
                    found.extend(page.leaves.into_iter().map(|(seq, _)| seq));
                    pages += 1;
                    match page.next {
                        Some(next) => query.cursor = Some(next),
                        None => break,
                    }
                }
                assert_eq!(pages, 3, "{event_type} {ascending}");
                assert_eq!(found.len(), usize::try_from(expected).unwrap());
                assert!(found.is_sorted_by(|a, b| if ascending { a < b } else { a > b }));
            }
        }
    }
}
