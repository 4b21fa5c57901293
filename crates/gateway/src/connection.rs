//! One connection of a client.

use caracal_connection::{Arrival, DoorRules, Transport, converse};

use crate::Gateway;
use crate::answered::answer;

/// What a request leaves for its connection to know.
pub(crate) use caracal_connection::Exchange as ConnectionState;

impl Gateway {
    /// Serves a connection that was accepted, until it ends.
    pub async fn converse(self, stream: impl Transport, arrival: Arrival, rules: &DoorRules) {
        converse(stream, arrival, rules, move |request, exchange| {
            answer(self.clone(), exchange, request)
        })
        .await;
    }
}
