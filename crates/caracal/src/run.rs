//! From a parsed command line to the command.

use clap::CommandFactory;

use crate::cli::{Cli, Command, Global, ServeArgs};
use crate::client::zone::find_zone;
use crate::client::{self, Api, Target};
use crate::environment::Environment;
use crate::failure::{Context, Outcome};
use crate::home::Home;
use crate::server::{LogTarget, Settings, check, serve};
use crate::{backup, quickstart, restore, stack, terminal};

/// Runs a command.
pub(crate) async fn run(cli: Cli) -> Outcome<()> {
    let Cli { global, command } = cli;
    let environment = Environment::of_process();
    match &command {
        Command::Completions { shell } => return completions(*shell),
        Command::DemoUpstream { dir } => return quickstart::demo_upstream(dir).await,
        _ => {}
    }
    let home = Home::find(global.home.as_deref(), &environment)?;
    let json = global.json;
    match command {
        Command::Up(args) => stack::up(&home, args, &environment, json).await,
        Command::Status(args) => stack::status(&home, &args, json).await,
        Command::Restart(_) => stack::restart(&home, json).await,
        Command::Down(_) => stack::down(&home, json),
        Command::Purge(args) => stack::purge(&home, &args, json),
        Command::Backup(args) => backup::backup(&home, &args, &global, &environment).await,
        Command::Restore(args) => restore::restore(&home, &args, &environment, json).await,
        Command::Logs(args) => stack::logs(&home, &args),
        Command::Serve(args) => start_server(home, args, &environment).await,
        Command::Doctor => stack::doctor(&home, &environment, json).await,
        Command::Quickstart => quickstart::quickstart(&home, &environment, json).await,
        Command::Login(args) => client::login(&home, args).await,
        Command::Audit(command) => {
            client::audit::audit(command, &global, &environment, &home).await
        }
        other => manage(other, &global, &environment, &home).await,
    }
}

/// The commands that speak to the control API.
async fn manage(
    command: Command,
    global: &Global,
    environment: &Environment,
    home: &Home,
) -> Outcome<()> {
    let json = global.json;
    let api = Api::connect(Target::find(global, environment, home)?, home)?;
    match command {
        Command::Apply(args) => return client::apply(&api, &args, environment, json).await,
        Command::Diff(args) => return client::diff(&api, &args, environment, json).await,
        Command::Zone(command) => return client::zones(&api, command, global, environment).await,
        Command::Key(command) => return client::master_key(&api, command, json).await,
        Command::Token(command) => return client::tokens(&api, command, global, environment).await,
        _ => {}
    }
    let zone = find_zone(&api, &with_zone_of(&command, global), environment).await?;
    match command {
        Command::Export => client::export(&api, &zone, json).await,
        Command::App(command) => client::applications(&api, &zone, command, json).await,
        Command::Resource(command) => client::resources(&api, &zone, command, json).await,
        Command::Issuer(command) => client::issuers(&api, &zone, command, json).await,
        Command::Provider(command) => {
            client::providers(&api, &zone, command, environment, json).await
        }
        Command::Sink(command) => client::sinks(&api, &zone, command, environment, json).await,
        Command::Policy(command) => client::policies(&api, &zone, command, json).await,
        Command::Session(command) => client::sessions(&api, &zone, command, json).await,
        Command::Delegation(command) => client::delegations(&api, &zone, command, json).await,
        Command::Revoke(args) => client::revoke(&api, &zone, &args.anchor, args.reason, json).await,
        Command::Revocation(command) => client::revocations(&api, &zone, command, json).await,
        Command::Approval(command) => client::approvals(&api, &zone, command, json).await,
        Command::Freeze(args) => client::freeze(&api, &zone, args.reason, json).await,
        Command::Thaw => client::thaw(&api, &zone, json).await,
        // Every other command was run before.
        _ => Ok(()),
    }
}

/// A zone that is itself the anchor of a revocation need not be named twice.
fn with_zone_of(command: &Command, global: &Global) -> Global {
    let mut global = global.clone();
    if let Command::Revoke(args) = command
        && args.anchor.starts_with("zone_")
        && global.zone.is_none()
    {
        global.zone = Some(args.anchor.clone());
    }
    global
}

async fn start_server(home: Home, args: ServeArgs, environment: &Environment) -> Outcome<()> {
    let log = home.log();
    let settings = Settings::resolve(home, args.settings, environment, args.local)?;
    if args.check {
        return check(&settings);
    }
    let target = if args.background_child {
        leave_terminal()?;
        LogTarget::File(log)
    } else {
        LogTarget::StandardError
    };
    serve(settings, target, environment).await
}

/// A session of its own: it outlives the terminal that started it.
fn leave_terminal() -> Outcome<()> {
    match rustix::process::setsid() {
        // Who leads one already, as after a restart, is refused a second. (Asking for the
        // session first fails where its leader is outside of our PID namespace.)
        Ok(_) | Err(rustix::io::Errno::PERM) => Ok(()),
        Err(error) => Err(error).context("the server cannot leave the terminal"),
    }
}

fn completions(shell: clap_complete::Shell) -> Outcome<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "caracal", &mut script);
    terminal::raw(&String::from_utf8_lossy(&script))
}
