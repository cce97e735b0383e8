//! Ports of this machine: which are free, and who is connected to them.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// The ports that are tried: below those that the system gives to connections, which would come in between.
const PORTS: std::ops::Range<u16> = 16_384..32_768;

/// The state of a connection that is made and not ended, as the system writes it.
const ESTABLISHED: &str = "01";

/// For each member a port for clients, one for messages of other members, and one for Raft, all free.
pub(crate) fn free(members: usize) -> io::Result<Vec<[u16; 3]>> {
    // Not where others begin to look at the same time.
    let span = u32::from(PORTS.end - PORTS.start);
    let offset = u16::try_from(std::process::id().wrapping_mul(97) % span).map_err(io::Error::other)?;
    let in_turn = (PORTS.start + offset..PORTS.end).chain(PORTS.start..PORTS.start + offset);
    // Held until all are found, so that none is found twice.
    let held: Vec<(TcpListener, u16)> = in_turn.filter_map(bound).take(members * 3).collect();
    let ports: Vec<u16> = held.iter().map(|(_, port)| *port).collect();
    let (threes, rest) = ports.as_chunks();
    if threes.len() == members && rest.is_empty() {
        Ok(threes.to_vec())
    } else {
        Err(io::Error::other("too few ports are free"))
    }
}

fn bound(port: u16) -> Option<(TcpListener, u16)> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok().map(|listener| (listener, port))
}

/// How many connections to an address there are, as the system says.
pub(crate) fn connections(address: SocketAddr) -> io::Result<usize> {
    let own = format!(":{:04X}", address.port());
    let table = fs::read_to_string("/proc/net/tcp")?;
    let is_meant = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        let (here, state) = (fields.next(), fields.nth(1));
        here.is_some_and(|here| here.ends_with(&own)) && state == Some(ESTABLISHED)
    };
    Ok(table.lines().filter(is_meant).count())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::{connections, free};

    #[test]
    fn ports_are_free_and_differ() {
        let mut ports = free(3).unwrap().concat();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 9);
    }

    #[test]
    fn connections_are_counted_until_they_end() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(connections(address).unwrap(), 0);
        let client = TcpStream::connect(address).unwrap();
        let server = listener.accept().unwrap();
        assert_eq!(connections(address).unwrap(), 1);
        drop((client, server));
        assert_eq!(connections(address).unwrap(), 0);
    }
}
