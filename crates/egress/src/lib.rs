//! The one guarded way out: resolver, address filter, HTTP and TLS client.
