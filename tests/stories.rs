//! The stories.

mod first_call;
