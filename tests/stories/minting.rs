//! The token endpoint: who may ask, for what, and how each mistake is answered.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::harness::{Answer, Client, Stack, claims, http};

const ZONE: &str = r#"
zone: minting
applications: [{ name: anton }, { name: nobody }]
resources:
  - { name: mail, upstream: "https://mail.example", scopes: [mail:read, mail:send, shared:use] }
  - { name: files, upstream: "https://files.example", scopes: [files:read, shared:use] }
policies:
  - name: anton
    cedar: |
      permit (principal in Application::"anton",
              action in [Action::"mail:read", Action::"files:read"], resource);
      permit (principal in Application::"anton", action == Action::"shared:use",
              resource == Resource::"resource://files");
"#;

const FORM: &str = "application/x-www-form-urlencoded";

fn open() -> (Stack, Client, Client) {
    let stack = Stack::start();
    let applied = stack.apply(ZONE);
    let (anton, nobody) = (
        stack.client(&applied, "anton"),
        stack.client(&applied, "nobody"),
    );
    (stack, anton, nobody)
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// Posts a body as it stands here.
async fn post(stack: &Stack, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Answer {
    let mut request = http().post(format!("{}/oauth/2/token", stack.sts));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request.body(body).send().await.unwrap()).await
}

#[track_caller]
fn refused(what: &str, answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (status, Some("application/json")),
        "{what}: {}",
        answer.body
    );
    let body = answer.json();
    assert_eq!(body["error"], code, "{what}: {body}");
    assert!(
        !body["error_description"].as_str().unwrap().is_empty(),
        "{what}"
    );
    assert_eq!(
        body["request_id"].as_str(),
        answer.header("caracal-request-id"),
        "{what}"
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
    assert_eq!(
        status == 401,
        answer.header("www-authenticate").is_some(),
        "{what}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_authenticate_in_three_ways() {
    let (stack, anton, _) = open();
    let (id, secret) = (&anton.id, &anton.secret);
    let grant = "grant_type=client_credentials&resource=resource://mail";
    let header = basic(id, secret);
    let good = [
        (vec![("authorization", &*header)], grant.to_owned()),
        (
            vec![("authorization", &*header)],
            format!("{grant}&client_id={id}"),
        ),
        (
            vec![],
            format!("{grant}&client_id={id}&client_secret={secret}"),
        ),
        (
            vec![],
            format!("{grant}&application_id={id}&client_secret={secret}"),
        ),
        (
            vec![],
            format!("{grant}&application_id={id}&client_id={id}&client_secret={secret}"),
        ),
    ];
    for (mut headers, body) in good {
        headers.push(("content-type", FORM));
        let answer = post(&stack, &headers, body.clone()).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.body);
        let json = answer.json();
        assert_eq!(
            (&json["token_type"], &json["expires_in"], &json["scope"]),
            (&"Bearer".into(), &300.into(), &"mail:read".into())
        );
        assert_eq!(
            json["issued_token_type"],
            "urn:ietf:params:oauth:token-type:access_token"
        );
        let claims = claims(json["access_token"].as_str().unwrap());
        assert_eq!(
            (&claims["client_id"], &claims["sub"]),
            (&(**id).into(), &(**id).into())
        );
        for (claim, prefix) in [("jti", "mnd_"), ("sid", "ses_"), ("zone", "zone_")] {
            assert!(
                claims[claim].as_str().unwrap().starts_with(prefix),
                "{claims}"
            );
        }
        assert_eq!(
            claims["jti"].as_str().unwrap()[4..],
            claims["sid"].as_str().unwrap()[4..]
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    // The older path is the same endpoint.
    let old = http()
        .post(format!("{}/oauth/token", stack.sts))
        .header("content-type", FORM)
        .header("authorization", &*header)
        .body(grant);
    assert_eq!(old.send().await.unwrap().status(), 200);

    let wrong = basic(id, "wrong");
    let unknown = basic("app_018bcfe5-6800-7000-8000-000000000000", secret);
    let odd = basic("' OR 1=1 --", secret);
    let bearer = format!("Bearer {secret}");
    let bad = [
        (
            vec![("authorization", &*wrong)],
            grant.to_owned(),
            401,
            "invalid_client",
        ),
        (
            vec![("authorization", &*unknown)],
            grant.to_owned(),
            401,
            "invalid_client",
        ),
        (
            vec![("authorization", &*odd)],
            grant.to_owned(),
            401,
            "invalid_client",
        ),
        (
            vec![("authorization", &*bearer)],
            grant.to_owned(),
            401,
            "invalid_client",
        ),
        (
            vec![("authorization", "Basic %%%")],
            grant.to_owned(),
            401,
            "invalid_client",
        ),
        (vec![], grant.to_owned(), 401, "invalid_client"),
        (
            vec![],
            format!("{grant}&client_id={id}"),
            401,
            "invalid_client",
        ),
        (
            vec![],
            format!("{grant}&client_id={id}&client_secret=wrong"),
            401,
            "invalid_client",
        ),
        (
            vec![],
            format!("{grant}&client_id=anton&client_secret={secret}"),
            401,
            "invalid_client",
        ),
        (
            vec![],
            format!("{grant}&client_secret={secret}"),
            400,
            "invalid_request",
        ),
        (
            vec![("authorization", &*header)],
            format!("{grant}&client_id={id}&client_secret={secret}"),
            400,
            "invalid_request",
        ),
        (
            vec![("authorization", &*header)],
            format!("{grant}&client_id=other"),
            400,
            "invalid_request",
        ),
        (
            vec![("authorization", &*header), ("authorization", &*header)],
            grant.to_owned(),
            400,
            "invalid_request",
        ),
        (
            vec![],
            format!("{grant}&client_id={id}&application_id=x&client_secret={secret}"),
            400,
            "invalid_request",
        ),
    ];
    for (mut headers, body, status, code) in bad {
        headers.push(("content-type", FORM));
        refused(
            &format!("{headers:?} {body}"),
            &post(&stack, &headers, body).await,
            status,
            code,
        );
    }
    // Who is nobody leaves no event.
    let events = stack.events("minting");
    assert!(
        events.iter().all(|e| e["type"] != "mandate.denied"),
        "{events:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_are_all_or_nothing() {
    let (stack, anton, nobody) = open();
    let mint = async |resources: &[&str], scope: Option<&str>| {
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(resources.iter().map(|r| ("resource", *r)));
        form.extend(scope.map(|scope| ("scope", scope)));
        anton.token(&form).await
    };
    let (mail, files) = ("resource://mail", "resource://files");
    let mandate = anton.mint(mail, "").await;
    let zone = claims(&mandate)["zone"].as_str().unwrap().to_owned();
    let mail_url = format!("{}/zones/{zone}/r/mail", stack.gateway);
    let granted: [(&[&str], Option<&str>, &str); 8] = [
        (&[mail], None, "mail:read"),
        (&[files], None, "files:read shared:use"),
        (&[mail, files], None, "files:read mail:read"),
        (&[mail, mail], None, "mail:read"),
        (&[&mail_url], None, "mail:read"),
        (&[mail], Some("mail:read"), "mail:read"),
        (&[mail], Some("mail:read mail:read"), "mail:read"),
        (&[files], Some("shared:use"), "shared:use"),
    ];
    for (resources, scope, got) in granted {
        let answer = mint(resources, scope).await;
        assert_eq!(
            answer.status, 200,
            "{resources:?} {scope:?}: {}",
            answer.body
        );
        assert_eq!(answer.json()["scope"], got, "{resources:?} {scope:?}");
    }
    let both = mint(&[mail, files], None).await.json();
    let audience = claims(both["access_token"].as_str().unwrap())["aud"].clone();
    let files_url = mail_url.replace("/r/mail", "/r/files");
    assert_eq!(
        audience,
        serde_json::json!([mail, mail_url, files, files_url])
    );

    let denied: [(&[&str], Option<&str>, u16, &str); 12] = [
        (&[], None, 400, "invalid_target"),
        (&["resource://other"], None, 400, "invalid_target"),
        (&["mail"], None, 400, "invalid_target"),
        (&["resource://mail/"], None, 400, "invalid_target"),
        (&["https://mail.example"], None, 400, "invalid_target"),
        (&[mail, "resource://other"], None, 400, "invalid_target"),
        (&[mail], Some("mail:reed"), 400, "invalid_scope"),
        (&[mail], Some("files:read"), 400, "invalid_scope"),
        (&[mail], Some("mail:read bad\"scope"), 400, "invalid_scope"),
        (&[mail], Some("mail:send"), 403, "access_denied"),
        (&[mail], Some("mail:read mail:send"), 403, "access_denied"),
        // Each resource that declares a scope must allow it.
        (&[mail, files], Some("shared:use"), 403, "access_denied"),
    ];
    for (resources, scope, status, code) in denied {
        let what = format!("{resources:?} {scope:?}");
        let answer = mint(resources, scope).await;
        refused(&what, &answer, status, code);
        let gate = answer.json()["gate"].clone();
        assert_eq!(gate == "policy", code == "access_denied", "{what}: {gate}");
    }
    // A client of another zone has its own resources of these names, and not this zone's.
    let second = stack.apply(&ZONE.replace("zone: minting", "zone: second"));
    let stranger = stack.client(&second, "anton");
    refused(
        "stranger",
        &stranger.try_mint(&mail_url, "").await,
        400,
        "invalid_target",
    );
    let own = claims(&stranger.mint(mail, "").await);
    assert_eq!(own["zone"], second["zone"]["id"]);

    let answer = nobody.try_mint(mail, "").await;
    refused("nobody", &answer, 403, "access_denied");

    // Each decision is an event, with what was asked for.
    let request = answer.header("caracal-request-id").unwrap();
    let events = stack.events("minting");
    let of = |kind: &str| events.iter().filter(|e| e["type"] == kind).count();
    assert_eq!((of("mandate.issued"), of("mandate.denied")), (10, 13));
    let last = events.iter().find(|e| e["request_id"] == request).unwrap();
    assert_eq!(
        (&last["type"], &last["decision"], &last["reason"]),
        (
            &"mandate.denied".into(),
            &"deny".into(),
            &"access_denied".into()
        )
    );
    assert_eq!(
        (&last["application"], &last["resource"]),
        (&(*nobody.id).into(), &mail.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_form_has_its_own_answer() {
    let (stack, anton, _) = open();
    let header = basic(&anton.id, &anton.secret);
    let auth = ("authorization", &*header);
    let form = ("content-type", FORM);
    let grant = "grant_type=client_credentials&resource=resource://mail";
    let many: String = (0..200).map(|i| format!("&p{i}=1")).collect();
    let other = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Asaml2-bearer";
    type Row<'a> = (Vec<(&'a str, &'a str)>, Vec<u8>, u16, &'a str);
    let table: Vec<Row<'_>> = vec![
        (vec![auth, form], b"".into(), 400, "invalid_request"),
        (
            vec![auth, form],
            b"resource=resource://mail".into(),
            400,
            "invalid_request",
        ),
        (
            vec![auth, form],
            b"grant_type=&resource=resource://mail".into(),
            400,
            "invalid_request",
        ),
        (
            vec![auth, form],
            b"grant_type=password&username=a&password=b".into(),
            400,
            "unsupported_grant_type",
        ),
        (
            vec![auth, form],
            format!("grant_type={other}&resource=resource://mail").into(),
            400,
            "unsupported_grant_type",
        ),
        (
            vec![auth, form],
            format!("{grant}&scope=a&scope=b").into(),
            400,
            "invalid_request",
        ),
        (
            vec![auth, form],
            format!("{grant}&grant_type=client_credentials").into(),
            400,
            "invalid_request",
        ),
        (
            vec![auth, form],
            format!("{grant}&sc%6Fpe=a&scope=b").into(),
            400,
            "invalid_request",
        ),
        (
            vec![auth, form],
            format!("{grant}&scope={}", "a".repeat(17_000)).into(),
            400,
            "invalid_request",
        ),
        (
            vec![auth, form],
            format!("{grant}{many}").into(),
            400,
            "invalid_request",
        ),
        (
            vec![auth, form],
            format!("{grant}&x={}", "a".repeat(70_000)).into(),
            413,
            "invalid_request",
        ),
        (
            vec![auth, form],
            [grant.as_bytes(), b"&scope=\xff"].concat(),
            400,
            "invalid_request",
        ),
        (
            vec![auth, form],
            format!("{grant}&scope=%ff").into(),
            400,
            "invalid_request",
        ),
        (
            vec![auth, form],
            format!("{grant}&scope=a%00").into(),
            400,
            "invalid_request",
        ),
        (
            vec![auth, form],
            format!("{grant}&ttl_seconds=0").into(),
            400,
            "invalid_request",
        ),
        (
            vec![auth, form],
            format!("{grant}&ttl_seconds=-1").into(),
            400,
            "invalid_request",
        ),
        (
            vec![auth, form],
            format!("{grant}&ttl_seconds=soon").into(),
            400,
            "invalid_request",
        ),
        (
            vec![auth, form],
            format!("{grant}&session_id=ses_1").into(),
            400,
            "invalid_grant",
        ),
        (
            vec![auth, form],
            format!("{grant}&delegation_id=dlg_018bcfe5-6800-7000-8000-000000000000").into(),
            400,
            "invalid_grant",
        ),
        (
            vec![auth, form],
            b"grant_type=urn:ietf:params:oauth:grant-type:token-exchange".into(),
            400,
            "invalid_request",
        ),
        (
            vec![auth, form],
            b"grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token=x\
              &subject_token_type=urn:ietf:params:oauth:token-type:access_token"
                .into(),
            400,
            "invalid_grant",
        ),
        (
            vec![auth, form],
            format!("{grant}&approval_id=apr_1").into(),
            400,
            "invalid_grant",
        ),
        (vec![auth], grant.into(), 415, "invalid_request"),
        (
            vec![auth, ("content-type", "application/json")],
            b"{}".into(),
            415,
            "invalid_request",
        ),
        (
            vec![auth, ("content-type", "multipart/form-data; boundary=x")],
            grant.into(),
            415,
            "invalid_request",
        ),
        (
            vec![auth, form, ("dpop", "e30.e30.e30")],
            grant.into(),
            400,
            "invalid_dpop_proof",
        ),
    ];
    for (headers, body, status, code) in table {
        let shown = String::from_utf8_lossy(&body)
            .chars()
            .take(120)
            .collect::<String>();
        let what = format!("{:?} {shown}", &headers[1..]);
        refused(&what, &post(&stack, &headers, body).await, status, code);
    }
    let longer = post(
        &stack,
        &[auth, form],
        format!("{grant}&ttl_seconds=99999999999999999999"),
    )
    .await;
    assert_eq!(longer.json()["expires_in"], 900);

    for (method, path, status) in [
        ("GET", "/oauth/2/token", 405),
        ("PUT", "/oauth/2/revoke", 405),
        ("GET", "/", 404),
        ("GET", "/v1/sessions", 405),
    ] {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = http().request(method, format!("{}{path}", stack.sts));
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.json()["error"].is_string(), "{path}");
    }
}
