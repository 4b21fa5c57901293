//! Cases over HTTP/1.1, byte by byte.

use super::cases_http1::{CASES, Case};
use super::{Fate, look_at_upstream, start};
use crate::peer::Peer;

/// Sends a case, with `{A}` for a host and a mandate, and reads what comes back until the
/// connection ends or the answer is there.
async fn play(
    world: &crate::world::World,
    mandate: &str,
    case: &Case,
) -> (Option<(u16, bool)>, Peer) {
    let common = format!("Host: g\r\nAuthorization: Bearer {mandate}");
    let bytes = case.sent.replace("{A}", &common);
    let bytes = bytes
        .replace("{M}", mandate)
        .replace("{BIG}", &"a".repeat(70_000));
    let mut client = Peer::connect(world.gateway).await;
    client.send(bytes).await;
    let answer = client.find_head().await;
    let answer = match answer {
        Some(head) => {
            client.skip_body(&head).await;
            Some((head.status(), head.get("caracal-refusal").is_some()))
        }
        None => None,
    };
    (answer, client)
}

#[tokio::test]
async fn every_case_of_http1_ends_as_it_should() {
    let (world, recorder, mandate) = start().await;
    let mut wrong = Vec::new();
    for case in CASES {
        let (answer, mut client) = play(&world, &mandate, case).await;
        let is_right = match case.fate {
            Fate::Refused(status) => answer == Some((status, true)),
            Fate::Unread(status) => answer == Some((status, false)),
            Fate::Passes => answer == Some((200, false)),
            Fate::CutOff => answer.is_none_or(|(status, _)| status >= 400),
            Fate::TooLarge => answer.is_none_or(|(status, _)| matches!(status, 414 | 431)),
            Fate::Reset | Fate::Ended => answer.is_none(),
        };
        let health = "GET /.caracal/health HTTP/1.1\r\nHost: g\r\n\r\n";
        let goes_on = client.try_send(health).await
            && client
                .find_head()
                .await
                .is_some_and(|head| head.status() == 200);
        drop(client);
        let seen = look_at_upstream(&world, &recorder, case.fate).await;
        if !is_right || !case.after.allows(goes_on) || seen.is_err() {
            let name = case.name;
            wrong.push(format!(
                "{name}: {answer:?}, goes on: {goes_on}, upstream: {seen:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
