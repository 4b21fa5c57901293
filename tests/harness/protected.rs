//! A zone with one protected resource, for stories that need calls and not their rules.

use super::{Client, KEY, Stack, Upstream};

/// A running stack whose zone `acme` lets the application `anton` read `resource://items`.
pub struct Protected {
    pub upstream: Upstream,
    pub stack: Stack,
    pub client: Client,
}

impl Protected {
    /// Starts all of it.
    pub async fn start() -> Self {
        Self::on(Stack::new()).await
    }

    /// Starts it on a stack that may have settings of its own.
    pub async fn on(mut stack: Stack) -> Self {
        stack.up();
        Self::around(stack).await
    }

    /// Sets the zone up on a stack that runs.
    pub async fn around(mut stack: Stack) -> Self {
        let upstream = Upstream::start().await;
        stack.set("STORY_KEY", KEY);
        let applied = stack.apply(&Self::zone_file("acme", &upstream));
        let client = stack.client(&applied, "anton");
        Self {
            upstream,
            stack,
            client,
        }
    }

    /// The zone as a file, under any name.
    pub fn zone_file(zone: &str, upstream: &Upstream) -> String {
        format!(
            r#"
zone: {zone}
applications:
  - name: anton
providers:
  - name: key
    kind: bearer
    secret: {{ from_env: STORY_KEY }}
resources:
  - name: items
    upstream: {}
    provider: key
    allow_private: true
    scopes: [items:read, items:write]
    operations:
      - {{ method: GET, path: "/**", scope: items:read }}
      - {{ method: POST, path: "/**", scope: items:write }}
      - {{ method: DELETE, path: "/**", scope: items:write }}
policies:
  - name: read-only
    cedar: |
      permit (principal in Application::"anton", action == Action::"items:read", resource == Resource::"resource://items");
"#,
            upstream.url()
        )
    }

    /// A mandate for reading.
    pub async fn mint(&self) -> String {
        self.client.mint("resource://items", "items:read").await
    }

    /// Makes one allowed call and gives its receipt.
    pub async fn call(&self, mandate: &str) -> String {
        let answer = self.client.call("GET", "/r/items/items/1", mandate).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.header("caracal-receipt").unwrap().to_owned()
    }

    /// Makes calls, allowed and denied ones, and gives the receipts of the allowed ones.
    pub async fn calls(&self, count: usize) -> Vec<String> {
        let mandate = self.mint().await;
        let mut receipts = Vec::new();
        for n in 0..count {
            if n % 4 == 3 {
                let denied = self.client.call("DELETE", "/r/items/x", &mandate).await;
                assert_eq!(denied.refusal(), "scope_missing");
            } else {
                receipts.push(self.call(&mandate).await);
            }
        }
        receipts
    }
}
