//! The page at the console's address.

use axum::response::Html;

/// A page that says what this is. It has no script, no style and no form.
pub(crate) async fn root() -> Html<&'static str> {
    Html(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <title>Caracal</title>\n<h1>Caracal</h1>\n\
         <p>This server is administered with the <code>caracal</code> command: \
         <code>caracal status</code> shows how it is, <code>caracal --help</code> what it can do.</p>\n\
         <p>Programs speak to the control API, which is described in \
         <a href=\"/v1/openapi.json\">/v1/openapi.json</a>.</p>\n</html>\n",
    )
}
