use std::path::Path;

use super::*;
use crate::failure::Exit;

fn home(toml: &str) -> (tempfile::TempDir, Home) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::find(Some(dir.path()), &Environment::default()).unwrap();
    std::fs::write(home.join("server.toml"), toml).unwrap();
    (dir, home)
}

fn refused(flags: SettingsLayer, env: Environment, toml: &str) -> Failure {
    let (_dir, home) = home(toml);
    Settings::resolve(home, flags, &env, true).err().unwrap()
}

#[test]
fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
    let (_dir, home) = home(
        "sts_listen = \"localhost:1\"\ngateway_listen = \"localhost:1\"\nconsole_listen = \"localhost:1\"\nlog = \"warn\"",
    );
    let env = Environment::from([
        ("CARACAL_STS_LISTEN", "localhost:2"),
        ("CARACAL_GATEWAY_LISTEN", "localhost:2"),
        ("CARACAL_LOG", ""),
    ]);
    let flags = SettingsLayer {
        sts_listen: Some("localhost:3".to_owned()),
        ..SettingsLayer::default()
    };
    let settings = Settings::resolve(home, flags, &env, true).unwrap();
    let port = |door| settings.listen.get(&door).unwrap().port();
    assert_eq!(
        (port(Door::Sts), port(Door::Gateway), port(Door::Console)),
        (3, 2, 1)
    );
    assert_eq!(settings.log.level, "warn");
    assert_eq!(settings.doors.len(), 3);
}

#[test]
fn only_a_local_stack_allows_private_upstreams_unasked() {
    let resolve = |env: Environment, local| {
        let (_dir, home) = home("");
        Settings::resolve(home, SettingsLayer::default(), &env, local)
            .unwrap()
            .allow_private
    };
    assert!(resolve(Environment::default(), true));
    assert!(!resolve(Environment::default(), false));
    assert!(!resolve(
        Environment::from([("CARACAL_ALLOW_PRIVATE", "false")]),
        true
    ));
    assert!(resolve(
        Environment::from([("CARACAL_ALLOW_PRIVATE", "1")]),
        false
    ));
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    let failure = refused(
        SettingsLayer::default(),
        Environment::default(),
        "log = \"info\"\nlisten = \"x\"\n",
    );
    assert_eq!(failure.exit, Exit::Usage);
    assert!(
        failure.message.contains("line 2") && failure.message.contains("listen"),
        "{failure}"
    );
}

#[test]
fn a_door_beyond_this_machine_needs_tls() {
    let env = || Environment::from([("CARACAL_STS_LISTEN", "0.0.0.0:8080")]);
    let failure = refused(SettingsLayer::default(), env(), "");
    let hint = failure.hint.unwrap();
    assert!(hint.contains("--behind-tls-proxy") && hint.contains("CARACAL_TLS_CERT"));
    let protected = [
        SettingsLayer {
            behind_tls_proxy: Some(true),
            ..SettingsLayer::default()
        },
        SettingsLayer {
            tls_cert: Some("cert.pem".into()),
            tls_key: Some("key.pem".into()),
            ..SettingsLayer::default()
        },
    ];
    for flags in protected {
        let scheme = if flags.tls_cert.is_some() {
            "https"
        } else {
            "http"
        };
        let (_dir, home) = home("");
        let settings = Settings::resolve(home, flags, &env(), false).unwrap();
        let url = settings.public_url(Door::Sts, 8080);
        assert_eq!(url, format!("{scheme}://localhost:8080"));
    }
}

#[test]
fn what_cannot_be_served_is_refused() {
    for (name, value) in [
        ("CARACAL_DATABASE_URL", "postgres://u:hunter2@h/d"),
        ("CARACAL_DATABASE_URL", "mysql://u:hunter2@h/d"),
        ("CARACAL_TLS_CERT", "/cert.pem"),
        ("CARACAL_PUBLIC_STS_URL", "ftp://x"),
        ("CARACAL_PUBLIC_STS_URL", "https://u@x"),
        ("CARACAL_PUBLIC_STS_URL", "https://x/?a"),
        ("CARACAL_TRUSTED_PROXIES", "10.0.0.0/33"),
        ("CARACAL_HEAD_TIMEOUT_SECONDS", "0"),
        ("CARACAL_MAX_CONNECTIONS", "0"),
        ("CARACAL_MAX_CONNECTIONS", "many"),
        ("CARACAL_DOORS", "sts,window"),
        ("CARACAL_BEHIND_TLS_PROXY", "yes"),
    ] {
        let failure = refused(
            SettingsLayer::default(),
            Environment::from([(name, value)]),
            "",
        );
        assert_eq!(failure.exit, Exit::Usage, "{name}");
        assert!(!failure.message.contains("hunter2"));
    }
}

#[test]
fn public_urls_have_no_slash_at_the_end() {
    let (_dir, home) = home("public_sts_url = \"https://sts.example.com/\"");
    let settings = Settings::resolve(
        home,
        SettingsLayer::default(),
        &Environment::default(),
        false,
    )
    .unwrap();
    assert_eq!(
        settings.public_url(Door::Sts, 8080),
        "https://sts.example.com"
    );
    assert_eq!(
        settings.public_url(Door::Gateway, 8081),
        "http://localhost:8081"
    );
}

#[test]
fn paths_of_the_file_are_beside_it() {
    let (_dir, home) = home("checkpoint_file = \"out/checkpoints\"");
    let expected = home.join("out/checkpoints");
    let settings = Settings::resolve(
        home,
        SettingsLayer::default(),
        &Environment::default(),
        true,
    )
    .unwrap();
    assert_eq!(
        settings.checkpoint_file.as_deref(),
        Some(Path::new(&expected))
    );
}

#[test]
fn flags_survive_the_way_to_another_process() {
    use clap::{Args, Command, FromArgMatches};
    let layer = SettingsLayer {
        doors: Some(vec!["sts".to_owned(), "gateway".to_owned()]),
        max_sessions: Some(17),
        max_application_sessions: Some(3),
        max_delegations: Some(5),
        max_application_delegations: Some(2),
        allow_private: Some(false),
        max_connections: Some(7),
        drain_seconds: Some(5),
        master_key_command: Some("pass show --key=x | head".to_owned()),
        ..SettingsLayer::default()
    };
    let command = SettingsLayer::augment_args(Command::new("serve"));
    let arguments = std::iter::once("serve".to_owned()).chain(layer.to_arguments());
    let matches = command.try_get_matches_from(arguments).unwrap();
    assert_eq!(SettingsLayer::from_arg_matches(&matches).unwrap(), layer);
}

#[test]
fn an_application_has_half_of_a_zone_unless_something_else_is_said() {
    let resolve = |layer: SettingsLayer| {
        let (_dir, home) = home("");
        Settings::resolve(home, layer, &Environment::default(), true).map(|s| s.zone_limits)
    };
    let limits = resolve(SettingsLayer {
        max_sessions: Some(10),
        max_application_delegations: Some(7),
        ..SettingsLayer::default()
    })
    .unwrap();
    assert_eq!((limits.sessions, limits.sessions_of_application), (10, 5));
    assert_eq!(limits.delegations, 100_000);
    assert_eq!(limits.delegations_of_application, 7);
    let all: [fn(&mut SettingsLayer) -> &mut Option<u32>; 4] = [
        |layer| &mut layer.max_sessions,
        |layer| &mut layer.max_application_sessions,
        |layer| &mut layer.max_delegations,
        |layer| &mut layer.max_application_delegations,
    ];
    for setting in all {
        let mut layer = SettingsLayer::default();
        *setting(&mut layer) = Some(0);
        assert!(resolve(layer).is_err(), "0 was accepted");
    }
}
