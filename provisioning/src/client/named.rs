//! A client of a server that a person has named.

use anyhow::Context as _;

use super::Client;
use crate::exit::{Exit, Failure};
use crate::import::options::NodeOption;

/// The client of a server, with the token from the file that goes with it. `named_by` is the option that named it.
///
/// # Errors
/// [`Failure`] if the token cannot be read, or the machine cannot make connections.
pub fn named(option: &NodeOption, named_by: &str) -> Result<Client, Failure> {
    let token = option.token_file.as_ref().map(|path| {
        let read = std::fs::read_to_string(path);
        read.with_context(|| format!("could not read the token of {} from {}", option.address, path.display()))
    });
    let token = token.transpose().map_err(|error| Failure::new(Exit::Failed, error))?;
    let client = Client::new(&option.address, token.as_deref());
    let client = client.map_err(|error| Failure::new(Exit::ServerFailed, error))?;
    Ok(client.with_token_advice(option.token_advice(named_by)))
}
