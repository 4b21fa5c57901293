//! What a panic leaves behind: a count and a line that says where, never silence. What it says
//! is left out, since it may quote what was being worked on.

use metrics::Counter;

/// Watches for panics in every thread, from now on.
pub(super) fn watch() {
    let panics: Counter = metrics::counter!("caracal_panics_total");
    panics.increment(0);
    std::panic::set_hook(Box::new(move |panic| {
        panics.increment(1);
        let place = panic.location();
        let file = place.map_or("?", std::panic::Location::file);
        let line = place.map_or(0, std::panic::Location::line);
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("?");
        tracing::error!(
            file,
            line,
            thread,
            "a fault of this program ended what it was doing"
        );
    }));
}
