//! A member of a broker cluster for tests: RMQTT as a library, with the accounts and the access list that `docs/broker.md` asks
//! of every broker. Why so: `docs/adr/0025-a-broker-cluster-for-tests.md`.
//!
//! It says `ready` on its output once it takes connections as a member, and ends when its input does.

mod access;
mod account;
mod gate;
mod member;
mod share;

use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;
use rmqtt::context::ServerContext;
use rmqtt::server::MqttServer;
use tracing_subscriber::EnvFilter;

use crate::account::Accounts;
use crate::gate::Gate;
use crate::member::Members;
use crate::share::InTurn;

/// What is written to the error stream. A lost peer is retried many times a second, and said each time.
const LOG: &str = "info,rmqtt_raft=warn,rmqtt_raft_core=warn";

/// A member of a broker cluster for tests.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which of the members this is, counted from 1. The first one begins the cluster, unless it finds it there.
    #[arg(long)]
    id: u64,
    /// Ports of all members on 127.0.0.1, in their order: for clients, for messages among members, for Raft, as in
    /// 2001:2002:2003,2011:2012:2013,2021:2022:2023
    #[arg(long)]
    members: Members,
    /// Folder with a file NAME.password for each account
    #[arg(long)]
    accounts: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt().with_env_filter(EnvFilter::new(LOG)).with_ansi(false).with_writer(std::io::stderr).init();
    std::thread::spawn(end_with_input);
    serve(&arguments).await
}

/// Ends the process once nobody can write to its input any more, so that it never outlives whoever started it.
fn end_with_input() {
    let mut rest = Vec::new();
    let ended = std::io::stdin().read_to_end(&mut rest);
    std::process::exit(i32::from(ended.is_err()));
}

/// Joins the cluster, and then serves for ever: a member that is not yet one would take subscriptions that no other hears of.
async fn serve(arguments: &Arguments) -> Result<()> {
    let accounts = Accounts::read(&arguments.accounts)?;
    let own = arguments.members.member(arguments.id).context("no member has this number")?;
    let scx = ServerContext::new()
        .node_id(arguments.id)
        // It would turn clients away while the machine is busy, and a machine that runs tests is.
        .busy_check_enable(false)
        .plugins_config_map_add("rmqtt-cluster-raft", arguments.members.raft_settings())
        .plugins_config_map_add("rmqtt-retainer", member::RETAINER_SETTINGS)
        .build()
        .await;
    *scx.extends.shared_subscription_mut().await = Box::new(InTurn::default());
    Gate::open(&scx, accounts).await;
    scx.node.start_grpc_server(scx.clone(), own.messages(), true, false);
    rmqtt_retainer::register(&scx, true, true).await?;
    rmqtt_cluster_raft::register(&scx, true, true).await?;
    let listener = own.listener()?;
    let mut out = std::io::stdout();
    writeln!(out, "ready")?;
    out.flush()?;
    // `start` would end the process by itself.
    MqttServer::new(scx).listener(listener).build().run().await
}
