//! Where terminals come in from the shop's network: HTTPS, with the box's certificate of its chain.

use std::net::{IpAddr, SocketAddr};

use percolate_runtime::http::server::BoundServer;
use percolate_runtime::http::tls::HttpsLimits;
use percolate_runtime::pki::{SanName, fingerprint};
use percolate_runtime::tls::{Clients, server_config};

use crate::app::Lan;
use crate::config::Config;
use crate::identity::Desk;
use crate::site::Shop;
use crate::start_error::{Part as _, Result, config_error};

/// Listens, if the box is told to, and tells where. It listens at once, and lets nobody in before there is a certificate.
///
/// An address of the command line that is taken keeps the node from starting, as any other does. One that the site's file
/// says does not: the shop sells on what is on the box, and the log and `/v1/node` say it.
pub(crate) async fn listen(
    config: &Config,
    shop: &Shop,
    desk: Option<&Desk>,
) -> Result<(Option<BoundServer>, Option<Lan>)> {
    let Some(desk) = desk else {
        let told = config
            .https
            .map(|_| config_error("--https needs --site: only a box that a bundle made gets a certificate"));
        return told.map_or(Ok((None, None)), Err);
    };
    let mut lan = Lan {
        urls: Vec::new(),
        address: None,
        is_taken: false,
        root: desk.root_pem().part("writing the chain's root")?,
        root_sha256: fingerprint(desk.root()),
    };
    let Some(address) = config.https.or(shop.https) else { return Ok((None, Some(lan))) };
    let server = server_config(desk.lan(), desk.roots(), Clients::None, desk.clock()).part("setting up HTTPS")?;
    let bound = match BoundServer::bind_tls(address, server, HttpsLimits::default()).await {
        Err(error) if config.https.is_none() => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "no terminal can come from the shop's network: {error}"
            );
            lan.is_taken = true;
            return Ok((None, Some(lan)));
        }
        bound => bound.part("listening for HTTPS")?,
    };
    lan.address = Some(bound.address());
    lan.urls = urls(&shop.lan_names, bound.address());
    Ok((Some(bound), Some(lan)))
}

/// Where terminals are told to come: at the names of the box, or else at the one address at which it listens.
fn urls(names: &[SanName], address: SocketAddr) -> Vec<String> {
    let port = address.port();
    let at = |name: &SanName| match name {
        SanName::Address(IpAddr::V6(v6)) => format!("https://[{v6}]:{port}"),
        SanName::Address(_) | SanName::Host(_) => format!("https://{name}:{port}"),
    };
    if names.is_empty() && !address.ip().is_unspecified() {
        return vec![format!("https://{address}")];
    }
    names.iter().map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::urls;

    #[test]
    fn terminals_are_told_the_names_of_the_box_or_its_one_address() {
        let names = ["harbour.lan", "192.168.1.20", "fd00::20"].map(|name| name.parse().unwrap());
        assert_eq!(
            urls(&names, "0.0.0.0:8443".parse().unwrap()),
            ["https://harbour.lan:8443", "https://192.168.1.20:8443", "https://[fd00::20]:8443"]
        );
        assert_eq!(urls(&[], "127.0.0.1:9".parse().unwrap()), ["https://127.0.0.1:9"]);
        assert_eq!(urls(&[], "0.0.0.0:8443".parse().unwrap()), Vec::<String>::new());
    }
}
