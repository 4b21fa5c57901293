//! Lists that page by themselves.

use caracal_wire::Page;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::Api;
use crate::client::api::query;
use crate::failure::Outcome;
use crate::table::Table;
use crate::terminal;

/// The most that is asked for at once.
const PAGE: usize = 1000;

/// At most `limit` items of a list, over as many pages as it takes.
pub(crate) async fn fetch<T: DeserializeOwned>(
    api: &Api,
    path: &str,
    parameters: &[(&str, Option<&str>)],
    limit: usize,
) -> Outcome<Page<T>> {
    let mut all = Page {
        items: Vec::new(),
        next_cursor: None,
    };
    loop {
        let count = limit
            .saturating_sub(all.items.len())
            .clamp(1, PAGE)
            .to_string();
        let mut asked = parameters.to_vec();
        asked.push(("limit", Some(&count)));
        asked.push(("cursor", all.next_cursor.as_deref()));
        let page: Page<T> = api.get(&format!("{path}{}", query(&asked))).await?;
        // A page may be empty where much was looked at and little found; then the cursor moves.
        let is_stuck = page.items.is_empty() && page.next_cursor == all.next_cursor;
        all.items.extend(page.items);
        all.next_cursor = page.next_cursor;
        if all.next_cursor.is_none() || all.items.len() >= limit || is_stuck {
            all.items.truncate(limit);
            return Ok(all);
        }
    }
}

/// Prints a list, as JSON or as a table with a row for each item.
pub(crate) fn print<T: Serialize>(
    page: &Page<T>,
    json: bool,
    headings: &[&'static str],
    row: impl Fn(&T) -> Vec<String>,
) -> Outcome<()> {
    if json {
        return terminal::json(page);
    }
    if page.items.is_empty() {
        terminal::note("there are none");
        return Ok(());
    }
    let mut table = Table::new(headings);
    for item in &page.items {
        table.row(row(item));
    }
    terminal::raw(&table.text())?;
    if page.next_cursor.is_some() {
        terminal::note(format_args!(
            "there are more than {}; `--limit` shows more",
            page.items.len()
        ));
    }
    Ok(())
}

/// Prints one object: as JSON, or its fields under each other.
pub(crate) fn show(object: &impl Serialize, json: bool) -> Outcome<()> {
    if json {
        return terminal::json(object);
    }
    let value = serde_json::to_value(object).unwrap_or_default();
    let mut table = Table::new(&["FIELD", "VALUE"]);
    for (field, value) in value.as_object().into_iter().flatten() {
        let text = match value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Array(items) if items.iter().all(serde_json::Value::is_string) => {
                let items: Vec<_> = items.iter().filter_map(serde_json::Value::as_str).collect();
                items.join(", ")
            }
            other => other.to_string(),
        };
        table.row([field.clone(), text]);
    }
    terminal::raw(&table.text())
}
