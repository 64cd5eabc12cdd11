//! Which addresses what is rendered may name. A chart or an overlay is written by whoever may write to
//! Git, and is fetched with the engine's network: what answers only to the machine itself, to its
//! neighbours or to the cluster's administrators must not be printed by a template. It must not fetch.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::repository::Error;

/// Where fetches may go. The default lets everything pass, as for a person on a machine of their own.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Whether loopback, link-local addresses and those of `own` are refused.
    pub is_on: bool,
    /// Hosts that are fetched from all the same, by name or address, without a port.
    pub allowed: BTreeSet<String>,
    /// Hosts of API servers, by name or address.
    pub own: BTreeSet<String>,
    /// Whether repositories on the engine's own disk are refused.
    pub denies_files: bool,
}

/// What is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// A file: a private network has none that are meant for charts, unless its host is allowed.
    File,
    /// A repository or registry, which are usual on private networks.
    Repository,
}

/// Metadata of Amazon's machines over IPv6, which is no link-local address.
const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Why nothing is fetched from an address; nothing where it may be.
fn refused(address: IpAddr, own: &BTreeSet<IpAddr>, sort: Sort) -> Option<&'static str> {
    let address = plain(address);
    if own.contains(&address) {
        return Some("an address of an API server");
    }
    let (is_local, is_near, is_private) = match address {
        IpAddr::V4(address) => (
            address.is_loopback() || address.octets()[0] == 0,
            address.is_link_local() || address.is_broadcast() || address.is_multicast(),
            address.is_private() || is_shared(address),
        ),
        IpAddr::V6(address) => (
            address.is_loopback() || address.is_unspecified(),
            address.is_unicast_link_local() || address.is_multicast() || address == METADATA,
            address.is_unique_local(),
        ),
    };
    match (is_local, is_near, is_private) {
        (true, ..) => Some("a loopback address"),
        (_, true, _) => Some("a link-local address"),
        (.., true) if sort == Sort::File => Some("a private address"),
        _ => None,
    }
}

/// Addresses of carriers, where some clouds have their metadata: RFC 6598.
fn is_shared(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && (64..128).contains(&second)
}

/// An IPv4 address that is written as one of IPv6: mapped, compatible, or behind NAT64 and 6to4.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else {
        return address;
    };
    let four = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match six.segments() {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] if high > 0 => four(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => four(high, low),
        [0x2002, high, low, ..] => four(high, low),
        _ => address,
    }
}

fn bare(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.trim_end_matches('.').to_ascii_lowercase()
}

async fn addresses(host: &str) -> std::io::Result<Vec<IpAddr>> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    let found = tokio::net::lookup_host((host, 0)).await?;
    Ok(found.map(|found| found.ip()).collect())
}

impl Guard {
    /// One that refuses what is not for charts and overlays; `own` are hosts of API servers.
    pub fn on(own: BTreeSet<String>, allowed: BTreeSet<String>) -> Self {
        let bare = |hosts: BTreeSet<String>| hosts.iter().map(|host| bare(host)).collect();
        Self {
            is_on: true,
            allowed: bare(allowed),
            own: bare(own),
            denies_files: false,
        }
    }

    fn lets_pass(&self, host: &str) -> bool {
        !self.is_on || self.allowed.contains(&bare(host))
    }

    async fn own_addresses(&self) -> BTreeSet<IpAddr> {
        let mut all = BTreeSet::new();
        for host in &self.own {
            // One that cannot be found now cannot be connected to by its name either.
            all.extend(
                addresses(host)
                    .await
                    .unwrap_or_default()
                    .into_iter()
                    .map(plain),
            );
        }
        all
    }

    /// The addresses of a host, where all of them may be fetched from.
    pub(crate) async fn look_up(&self, host: &str, sort: Sort) -> Result<Vec<IpAddr>, String> {
        let found = addresses(host).await.map_err(|error| error.to_string())?;
        if self.lets_pass(host) {
            return Ok(found);
        }
        let own = self.own_addresses().await;
        match found
            .iter()
            .find_map(|address| refused(*address, &own, sort))
        {
            Some(what) => Err(denied(host, what)),
            None => Ok(found),
        }
    }

    /// Refuses an address that is written as numbers, which nobody looks up.
    pub(crate) fn check_literal(&self, url: &Url, sort: Sort) -> Result<(), String> {
        let Some(host) = url.host_str().filter(|host| !self.lets_pass(host)) else {
            return Ok(());
        };
        let host = bare(host);
        let Ok(address) = host.parse::<IpAddr>() else {
            return Ok(());
        };
        let own = self.own.iter().filter_map(|host| host.parse().ok());
        match refused(address, &own.collect(), sort) {
            Some(what) => Err(denied(&host, what)),
            None => Ok(()),
        }
    }

    /// Refuses a repository that a chart or overlay names where its host is not for them.
    pub(crate) async fn admit(&self, url: &str) -> Result<(), Error> {
        let Some(host) = host_of(url).filter(|host| !self.lets_pass(host)) else {
            return Ok(());
        };
        match self.look_up(&bare(&host), Sort::Repository).await {
            Err(message) if message.contains(DENIED) => Err(Error::Denied {
                url: url.to_owned(),
                message,
            }),
            _ => Ok(()),
        }
    }

    /// What looks names up for clients of services that Stacks name, and answers for none that may not be
    /// asked.
    pub fn resolver(self: &Arc<Self>) -> Arc<dyn Resolve> {
        Arc::new(Resolver {
            guard: Arc::clone(self),
            sort: Sort::Repository,
        })
    }

    /// Refuses the address of a service that is written as numbers and may not be asked.
    ///
    /// # Errors
    /// Why it may not be.
    pub fn check_service(&self, url: &str) -> Result<(), String> {
        let url = Url::parse(url).map_err(|error| error.to_string())?;
        self.check_literal(&url, Sort::Repository)
    }

    /// Refuses a repository on the engine's own disk where none may be read.
    pub(crate) fn check_disk(&self, url: &str) -> Result<(), Error> {
        if !self.denies_files || !is_on_disk(url) {
            return Ok(());
        }
        Err(Error::Denied {
            url: url.to_owned(),
            message: "the engine reads no repositories on its own disk (--deny-file-sources)"
                .to_owned(),
        })
    }
}

/// The words by which a refusal is told from a failure.
pub(crate) const DENIED: &str = "which Stacks, charts and overlays may not name";

fn denied(host: &str, what: &str) -> String {
    format!("`{host}` has {what}, {DENIED}; --allow-host {host} of the engine allows it")
}

/// Whether an address of a repository leads to a folder of this machine.
fn is_on_disk(url: &str) -> bool {
    match url.split_once("://") {
        Some((scheme, _)) => {
            let scheme = scheme.to_ascii_lowercase();
            let remote = ["http", "https", "ssh", "git", "git+ssh", "ssh+git"];
            !remote.contains(&scheme.as_str())
        }
        None => !url.split('/').next().unwrap_or_default().contains(':'),
    }
}

/// The host of a repository: of a URL, or of `user@host:path`.
fn host_of(url: &str) -> Option<String> {
    if is_on_disk(url) {
        return None;
    }
    if url.contains("://") {
        return Url::parse(url).ok()?.host_str().map(bare);
    }
    let (place, _) = url.split_once(':')?;
    Some(bare(place.rsplit('@').next().unwrap_or(place)))
}

/// Looks names up for a client, and answers for none that may not be fetched from: it is asked for each
/// connection, so for every redirection too.
pub(crate) struct Resolver {
    pub(crate) guard: Arc<Guard>,
    pub(crate) sort: Sort,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, sort) = (Arc::clone(&self.guard), self.sort);
        Box::pin(async move {
            let found = guard.look_up(name.as_str(), sort).await?;
            let found = found.into_iter().map(|address| (address, 0).into());
            let addresses: Addrs = Box::new(found.collect::<Vec<_>>().into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        let set = |hosts: &[&str]| hosts.iter().map(|host| (*host).to_owned()).collect();
        Guard::on(set(&["10.96.0.1"]), set(&["allowed.example", "127.0.0.2"]))
    }

    fn check(url: &str, sort: Sort, expected: Option<&str>) {
        let url = Url::parse(url).expect("an address");
        let found = guard().check_literal(&url, sort).err();
        match expected {
            None => assert_eq!(found, None, "{url}"),
            Some(what) => assert!(found.is_some_and(|found| found.contains(what)), "{url}"),
        }
    }

    #[test]
    fn addresses_of_the_machine_its_neighbours_and_the_api_are_refused_however_they_are_written() {
        for url in [
            "http://127.0.0.1/a",
            "http://127.9.9.9:81/a",
            "http://2130706433/a",
            "http://0x7f.1/a",
            "http://0.0.0.0/a",
            "http://[::1]/a",
            "http://[::]/a",
            "http://[::ffff:127.0.0.1]/a",
            "http://[64:ff9b::7f00:1]/a",
        ] {
            check(url, Sort::Repository, Some("a loopback address"));
        }
        for url in [
            "http://169.254.169.254/latest",
            "http://[fe80::1]/a",
            "http://[fd00:ec2::254]/a",
            "http://[::ffff:a9fe:a9fe]/a",
        ] {
            check(url, Sort::Repository, Some("a link-local address"));
        }
        check(
            "https://10.96.0.1/api",
            Sort::Repository,
            Some("an API server"),
        );
        check(
            "https://[::ffff:10.96.0.1]/api",
            Sort::File,
            Some("an API server"),
        );
    }

    #[test]
    fn private_networks_have_repositories_and_no_files_and_named_hosts_have_both() {
        check("https://10.1.2.3/charts", Sort::Repository, None);
        check(
            "https://10.1.2.3/values.yaml",
            Sort::File,
            Some("a private address"),
        );
        check(
            "https://100.100.100.200/latest",
            Sort::File,
            Some("a private address"),
        );
        check("https://192.0.2.1/values.yaml", Sort::File, None);
        check("http://127.0.0.2/values.yaml", Sort::File, None);
    }

    #[tokio::test]
    async fn a_name_that_leads_to_the_machine_is_refused() {
        let found = guard().look_up("localhost", Sort::Repository).await;
        assert!(found.is_err_and(|message| message.contains("a loopback address")));
        for url in [
            "http://localhost:3000/team/base.git",
            "ssh://git@127.0.0.1/base.git",
            "git@localhost:team/base.git",
        ] {
            let admitted = guard().admit(url).await;
            assert!(matches!(admitted, Err(Error::Denied { .. })), "{url}");
        }
        assert!(
            Guard::default()
                .admit("http://localhost/a.git")
                .await
                .is_ok()
        );
    }

    #[test]
    fn repositories_on_the_disk_are_known_by_their_address() {
        let closed = Guard {
            denies_files: true,
            ..Guard::default()
        };
        for (url, is_denied) in [
            ("file:///srv/repo", true),
            ("FILE:///srv/repo", true),
            ("/srv/repo", true),
            ("../repo", true),
            ("repo", true),
            ("ext::sh -c x", false),
            ("https://git.example/a.git", false),
            ("ssh://git.example/a.git", false),
            ("git@git.example:a.git", false),
        ] {
            assert_eq!(closed.check_disk(url).is_err(), is_denied, "{url}");
            assert!(Guard::default().check_disk(url).is_ok());
        }
    }
}
