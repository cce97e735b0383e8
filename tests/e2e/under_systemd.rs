//! `provision up` where systemd is at work: the unit, the user, and who owns what. Systemd does not run on a machine that tests, so
//! its place is taken by a program that does as it is told with units; the rest is real, on a copy of /etc that only this test sees.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use system_tests::harness::head_office::HeadOffice;
use system_tests::harness::netns::{Lab, Tool};
use system_tests::harness::skipped;
use system_tests::harness::tech::Tech;

const TOOLS: &[Tool] = &[("nft", "nftables"), ("setpriv", "util-linux"), ("useradd", "passwd")];

/// Starts and stops what a unit says, as its user; notes what it was asked.
const SYSTEMCTL: &str = r#"#!/bin/sh
here=$(dirname "$0")
echo "$*" >>"$here/asked"
unit=/etc/systemd/system/$2
case "$1 $2" in
  "start percolate-node.service")
    user=$(sed -n 's/^User=//p' "$unit")
    exec=$(sed -n 's/^ExecStart=//p' "$unit")
    umask "$(sed -n 's/^UMask=//p' "$unit")"
    setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs $exec >"$here/log" 2>&1 </dev/null &
    echo $! >"$here/pid"
    ;;
  "stop percolate-node.service")
    [ -f "$here/pid" ] || exit 0
    pid=$(cat "$here/pid")
    kill "$pid" 2>/dev/null
    while kill -0 "$pid" 2>/dev/null; do :; done
    ;;
esac
exit 0
"#;

/// Gives the machine a systemd and an /etc of its own, as far as what is started by it can see, and goes on with the words after it.
const ENTER: &str = r#"set -e
scratch=$1
shift
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$scratch/etc-upper,workdir=$scratch/etc-work" /etc
mkdir -p /etc/systemd/system
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
PATH=$scratch/bin:$PATH exec "$@"
"#;

fn owner(path: &Path) -> Result<(u32, u32)> {
    use std::os::unix::fs::MetadataExt as _;
    let found = fs::symlink_metadata(path).with_context(|| path.display().to_string())?;
    Ok((found.uid(), found.permissions().mode() & 0o777))
}

#[tokio::test(flavor = "multi_thread")]
async fn under_systemd_a_shops_server_is_a_user_of_its_own_who_owns_the_data_alone() -> Result<()> {
    const TEST: &str = "under_systemd_a_shops_server_is_a_user_of_its_own_who_owns_the_data_alone";
    let Some(mut lab) = Lab::new(TEST, TOOLS) else { return Ok(()) };
    lab.machine("box")?;
    let scratch = tempfile::tempdir()?;
    let root = scratch.path();
    // The user comes through here to what is its own.
    fs::set_permissions(root, Permissions::from_mode(0o755))?;
    for folder in ["etc-upper", "etc-work", "bin"] {
        fs::create_dir(root.join(folder))?;
    }
    fs::write(root.join("bin/systemctl"), SYSTEMCTL)?;
    fs::write(root.join("enter"), ENTER)?;
    fs::set_permissions(root.join("bin/systemctl"), Permissions::from_mode(0o755))?;
    let (enter, root_text) = (root.join("enter").to_string_lossy().into_owned(), root.to_string_lossy().into_owned());
    let before = [lab.enter("box"), vec!["sh".to_owned(), enter, root_text]].concat();
    let probe = [&before.iter().map(String::as_str).collect::<Vec<_>>()[4..], &["true"]].concat();
    if let Err(error) = lab.run("box", &probe) {
        skipped(TEST, &format!("no other /etc can be laid over this one: {error:#}"));
        return Ok(());
    }

    let mut office = HeadOffice::open(root).await?;
    office.plan(42, "Harbour")?;
    let bundle = office.bundle(42, &[])?;
    office.hub.kill()?;
    let tech = Tech { before, ..Tech::at(&root.join("box"))? };
    let up = tech.run(&["up", &bundle.to_string_lossy(), "--service", "systemd"])?;
    ensure!(up.exit == 0 && up.says("outcome") == "ready", "{up:?}\n{:?}", fs::read_to_string(root.join("bin/log")));
    ensure!(up.step("firewall")? == "done" && up.step("server")? == "done", "{up:?}");

    let passwd = fs::read_to_string(root.join("etc-upper/passwd")).context("a user was made")?;
    let line = passwd.lines().find(|line| line.starts_with("percolate:")).context("the user")?;
    ensure!(line.contains("nologin"), "{line}");
    let user: u32 = line.split(':').nth(2).context("a number")?.parse()?;
    let (config, data) = (&tech.config, &tech.data);
    for (path, mode) in [
        (config.join("site.json"), 0o600),
        (data.clone(), 0o700),
        (data.join("node.db"), 0o600),
        (data.join("node-key.pem"), 0o600),
        (data.join("token"), 0o600),
        (data.join("identity"), 0o700),
        (data.join("identity/code"), 0o600),
    ] {
        ensure!(owner(&path)? == (user, mode), "{}: {:?}", path.display(), owner(&path)?);
    }
    // What says who it is, it cannot change.
    ensure!(owner(config)? == (0, 0o755) && owner(&config.join("chain.key"))?.0 == 0, "{:?}", owner(config)?);
    let endpoints: Value = serde_json::from_slice(&fs::read(data.join("endpoints.json"))?)?;
    let pid = endpoints.get("pid").and_then(Value::as_u64).context("a process")?;
    ensure!(owner(Path::new(&format!("/proc/{pid}")))?.0 == user, "it runs as somebody else");

    let units = root.join("etc-upper/systemd/system");
    let filter = fs::read_to_string(units.join("percolate-firewall.service"))?;
    ensure!(
        filter.contains(&*config.join("firewall.nft").to_string_lossy()) && config.join("firewall.nft").exists(),
        "{filter}"
    );
    let asked = fs::read_to_string(root.join("bin/asked"))?;
    for word in ["daemon-reload", "enable percolate-firewall.service", "enable percolate-node.service"] {
        ensure!(asked.contains(word), "{word}: {asked}");
    }

    // Once more there is nothing to start, and root's own visits have taken nothing from the server.
    let again = tech.run(&["up", &bundle.to_string_lossy(), "--service", "systemd"])?;
    ensure!(again.exit == 0 && again.step("server")? == "there" && again.step("firewall")? == "there", "{again:?}");
    ensure!(again.says("receipt") == up.says("receipt"), "{again:?}");

    // A folder that the server has made a link of is not followed: root writes nothing to where it leads.
    fs::rename(data.join("identity"), root.join("away"))?;
    std::os::unix::fs::symlink("/etc", data.join("identity"))?;
    let refused = tech.run(&["up", &bundle.to_string_lossy(), "--service", "systemd"])?;
    ensure!(refused.exit == 10 && refused.says("code") == "install_failed", "{refused:?}");
    ensure!(!root.join("etc-upper/code").exists(), "it was followed");
    Ok(())
}
