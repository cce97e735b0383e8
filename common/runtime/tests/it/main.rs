//! The shared I/O ground from outside: real files, real threads, real sockets.

#[cfg(test)]
mod bundle;
#[cfg(test)]
mod caller;
#[cfg(test)]
mod chain;
#[cfg(test)]
mod database;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod engines;
#[cfg(test)]
mod http;
#[cfg(test)]
mod inline;
#[cfg(test)]
mod link_tls;
#[cfg(test)]
mod mqtt;
#[cfg(test)]
mod notes;
#[cfg(test)]
mod pki;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod storage;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod writer;
