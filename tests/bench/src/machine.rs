//! What the figures were taken on, and what a process has used, as the kernel says.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

/// The kernel counts a process's time in hundredths of a second, on every architecture that we build for.
const TICK_US: u64 = 10_000;

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("reading {path}"))
}

/// How many processes wanted a core in the last minute.
pub(crate) fn load_average() -> Result<String> {
    let text = read("/proc/loadavg")?;
    Ok(text.split(' ').next().unwrap_or_default().to_owned())
}

/// Time that a process has used of the cores, in microseconds.
pub(crate) fn cpu_us(pid: u32) -> Result<u64> {
    let text = read(&format!("/proc/{pid}/stat"))?;
    // The name, the second field, may hold spaces; it ends with the last bracket.
    let after_name = text.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let mut fields = after_name.split(' ').skip(11).map(str::parse::<u64>);
    let mut ticks = || fields.next().context("a field of the process's times")?.context("a number");
    Ok((ticks()? + ticks()?) * TICK_US)
}

/// A figure of a process's memory, in KiB: `VmRSS` or `VmHWM`.
pub(crate) fn memory_kib(pid: u32, field: &str) -> Result<u64> {
    let text = read(&format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)).with_context(|| field.to_owned())?;
    let number = line.trim_matches(|c: char| !c.is_ascii_digit());
    number.parse().with_context(|| format!("{field}{line}"))
}

/// Descriptors that a process has open.
pub(crate) fn descriptors(pid: u32) -> Result<usize> {
    let folder = format!("/proc/{pid}/fd");
    Ok(std::fs::read_dir(&folder).with_context(|| folder.clone())?.count())
}

fn field_of(text: &str, name: &str) -> String {
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim()).to_owned()
}

/// What a command says, in one line; empty if it cannot.
pub(crate) fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().last().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The commit that is measured, marked if files differ from it.
pub(crate) fn commit() -> String {
    let commit = said("git", &["rev-parse", "--short=12", "HEAD"]);
    let changed = said("git", &["status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs"]);
    if changed.is_empty() { commit } else { format!("{commit} with changes") }
}

/// Cores, memory, kernel, disk and file system of a folder.
pub(crate) fn description(folder: &Path) -> Result<Vec<(&'static str, String)>> {
    let cpus = read("/proc/cpuinfo")?;
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let memory = read("/proc/meminfo")?;
    let place = said("df", &["--output=source,fstype,size", "-h", &folder.to_string_lossy()]);
    Ok(vec![
        ("cores", format!("{cores} of {}", field_of(&cpus, "model name"))),
        ("memory", field_of(&memory, "MemTotal")),
        ("kernel", read("/proc/sys/kernel/osrelease")?.trim().to_owned()),
        ("disk, file system, size", place),
    ])
}

/// The day, in UTC.
pub(crate) fn today() -> String {
    said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])
}

#[cfg(test)]
mod tests {
    use super::{cpu_us, field_of, memory_kib};

    #[test]
    fn a_process_has_memory_and_time() {
        let own = std::process::id();
        assert!(memory_kib(own, "VmHWM").expect("told") >= memory_kib(own, "VmRSS").expect("told") / 2);
        assert!(cpu_us(own).is_ok());
    }

    #[test]
    fn a_field_is_what_stands_after_its_colon() {
        assert_eq!(field_of("a : 1\nmodel name\t: X 2\n", "model name"), "X 2");
        assert_eq!(field_of("a : 1", "b"), "");
    }
}
