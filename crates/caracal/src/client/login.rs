//! `caracal login`.

use std::io::Read;

use caracal_wire::{Page, ZoneView};

use crate::cli::LoginArgs;
use crate::client::target::StoredLogin;
use crate::client::{Api, Target};
use crate::failure::{Context, Failure, Outcome};
use crate::home::{Home, replace};
use crate::terminal;

/// Stores a server's URL and token, once the server has accepted them.
pub(crate) async fn login(home: &Home, args: LoginArgs) -> Outcome<()> {
    let path = home.join("login.json");
    let Some(url) = args.url else {
        return match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::new(
                format!("`{}` cannot be removed: {error}", path.display()),
            )),
            _ => terminal::line("commands speak to the local stack"),
        };
    };
    let token = read_token(args.token_stdin)?;
    if token.is_empty() || token.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Failure::usage("that is no token")
            .hint("an owner makes one with `caracal token create NAME --role ROLE`"));
    }
    let target = Target::remote(&url, token.clone())?;
    let Target::Remote { url, .. } = &target else {
        return Err(Failure::usage("that is no URL"));
    };
    let url = url.clone();
    let api = Api::connect(target, home)?;
    let _: Page<ZoneView> = api.get("/v1/zones?limit=1").await?;
    home.prepare()?;
    let text = serde_json::to_vec(&StoredLogin {
        url: url.clone(),
        token,
    })
    .context("the token cannot be stored")?;
    replace(&path, &text).context(format!("`{}` cannot be written", path.display()))?;
    terminal::line(format_args!(
        "commands speak to `{url}`; `caracal login --forget` ends that"
    ))
}

fn read_token(from_stdin: bool) -> Outcome<String> {
    if !from_stdin && terminal::can_ask() {
        return terminal::ask_secret("API token:");
    }
    if !from_stdin {
        return Err(Failure::usage("there is nobody to ask for the token")
            .hint("pipe it in and say `--token-stdin`"));
    }
    let mut text = String::new();
    std::io::stdin()
        .take(16 * 1024)
        .read_to_string(&mut text)
        .context("standard input cannot be read")?;
    Ok(text.trim().to_owned())
}
