//! Reading leaves through the index.

use caracal_core::{Decision, LogId};
use rusqlite::{Connection, OptionalExtension, ToSql};

use super::follow::BLOCK;
use super::leaf::nanoseconds;
use crate::embedded::ledger_file::bytes;
use crate::embedded::number::{signed, unsigned};
use crate::{Page, Query, StoreError};

pub(super) fn search(connection: &Connection, query: &Query) -> Result<Page, StoreError> {
    let limit = query.limit.max(1);
    let mut conditions: Vec<String> = Vec::new();
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let zone = query.zone.map(|zone| zone.to_string());
    let decision = query.decision.map(Decision::as_str);
    // The first that is given finds the rows, being the most selective; the others, with the
    // `+` that keeps SQLite from choosing their index, only filter.
    let equalities: [(&str, Option<&str>); 9] = [
        ("id", query.id.as_deref()),
        ("request_id", query.request_id.as_deref()),
        ("mandate", query.mandate.as_deref()),
        ("session", query.session.as_deref()),
        ("application", query.application.as_deref()),
        ("resource", query.resource.as_deref()),
        (
            "decision",
            decision.filter(|decision| *decision != Decision::Allow.as_str()),
        ),
        ("type", query.event_type.as_deref()),
        ("zone", zone.as_deref()),
    ];
    for (column, value) in equalities
        .iter()
        .filter_map(|(column, value)| value.map(|value| (column, value)))
    {
        let plus = if conditions.is_empty() { "" } else { "+" };
        if *column == "decision" {
            // The words of the partial index, so that SQLite sees that it will do.
            conditions.push("entries.decision <> 'allow'".to_owned());
        }
        conditions.push(format!("{plus}entries.{column} = ?"));
        values.push(Box::new(value.to_owned()));
    }
    if query.decision == Some(Decision::Allow) {
        conditions.push("+entries.decision = 'allow'".to_owned());
    }
    let (mut lowest, mut highest) = (1, i64::MAX);
    if let Some(from) = query.from.map(nanoseconds) {
        conditions.push("+entries.time >= ?".to_owned());
        values.push(Box::new(from));
        let block = block(
            connection,
            "SELECT min(block) FROM spans WHERE latest >= $1",
            from,
        )?;
        lowest = block.map_or(i64::MAX, |block| block.saturating_mul(BLOCK));
    }
    if let Some(until) = query.until.map(nanoseconds) {
        conditions.push("+entries.time < ?".to_owned());
        values.push(Box::new(until));
        let block = block(
            connection,
            "SELECT max(block) FROM spans WHERE earliest < $1",
            until,
        )?;
        highest = block.map_or(0, |block| block.saturating_add(1).saturating_mul(BLOCK));
    }
    match query.cursor.map(signed) {
        Some(cursor) if query.ascending => lowest = lowest.max(cursor.saturating_add(1)),
        Some(cursor) => highest = highest.min(cursor.saturating_sub(1)),
        None => {}
    }
    conditions.push("entries.seq >= ? AND entries.seq <= ?".to_owned());
    values.push(Box::new(lowest));
    values.push(Box::new(highest));
    values.push(Box::new(
        signed(u64::try_from(limit).unwrap_or(u64::MAX)).saturating_add(1),
    ));
    let sql = format!(
        "SELECT entries.seq, events.body FROM entries CROSS JOIN ledger.events ON events.seq = entries.seq
         WHERE {} ORDER BY entries.seq {} LIMIT ?",
        conditions.join(" AND "),
        if query.ascending { "ASC" } else { "DESC" },
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(values))?;
    let mut leaves = Vec::new();
    while let Some(row) = rows.next()? {
        if leaves.len() == limit {
            let next = leaves.last().map(|(seq, _)| *seq);
            return Ok(Page { leaves, next });
        }
        leaves.push((unsigned(row.get(0)?)?, bytes(row.get_ref(1)?).to_vec()));
    }
    Ok(Page { leaves, next: None })
}

fn block(connection: &Connection, sql: &str, time: i64) -> Result<Option<i64>, StoreError> {
    Ok(connection
        .prepare_cached(sql)?
        .query_row([time], |row| row.get(0))
        .optional()?
        .flatten())
}

/// Leaves of a log by index. Where several rows claim an index, the oldest has it.
pub(super) fn read(
    connection: &Connection,
    log: LogId,
    first: u64,
    limit: usize,
) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT entries.idx, events.body FROM entries CROSS JOIN ledger.events ON events.seq = entries.seq
         WHERE entries.log = $1 AND entries.idx >= $2 ORDER BY entries.idx, entries.seq",
    )?;
    let mut rows = statement.query((log.to_string(), signed(first)))?;
    let mut leaves: Vec<(u64, Vec<u8>)> = Vec::new();
    while leaves.len() < limit {
        let Some(row) = rows.next()? else { break };
        let index = unsigned(row.get(0)?)?;
        if leaves.last().is_none_or(|(last, _)| *last != index) {
            leaves.push((index, bytes(row.get_ref(1)?).to_vec()));
        }
    }
    Ok(leaves)
}
