//! The streaming proxy: verify, authorize, inject, forward.
