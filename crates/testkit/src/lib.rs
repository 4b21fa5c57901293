//! Fake clock, fault-injecting store, fake upstream, seeded zone.
