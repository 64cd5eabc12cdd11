//! How the page is served, as people say it with `holdfast run`. It must not know what the page shows.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use holdfast_server::{Certificate, is_loopback};

/// Where the page is served, and to whom.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PageOptions {
    /// Where the page is served, such as 127.0.0.1:8420; nowhere when left out. Others than this machine can
    /// reach it only with --page-sign-in, --page-url and TLS.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) page: Option<SocketAddr>,
    /// Let the page sync, roll back, suspend, approve and delete where nobody signs in. Everybody on this
    /// machine can then do that, with the rights of the engine's kubeconfig. With --page-sign-in the rules
    /// say who may do what.
    #[arg(long, requires = "page")]
    pub(crate) page_actions: bool,
    /// Let in only who signs in, and show and do what the rules allow them: see `holdfast page`.
    #[arg(long, requires = "page")]
    pub(crate) page_sign_in: bool,
    /// Where people find the page, such as https://holdfast.example.org.
    #[arg(long, value_name = "URL", requires = "page_sign_in")]
    pub(crate) page_url: Option<String>,
    /// The certificate of the page with its chain, in PEM form; read again when the file changes.
    #[arg(long, value_name = "FILE", requires = "page_key")]
    pub(crate) page_cert: Option<PathBuf>,
    /// The key of the certificate, in PEM form.
    #[arg(long, value_name = "FILE", requires = "page_cert")]
    pub(crate) page_key: Option<PathBuf>,
    /// A proxy stands before the page that has TLS, and names in X-Forwarded-For whom it asks for.
    #[arg(long, requires = "page_url")]
    pub(crate) page_behind_proxy: bool,
}

impl PageOptions {
    /// Whether anything can be asked for on it.
    pub(crate) fn takes_actions(&self) -> bool {
        self.page_actions || self.page_sign_in
    }

    /// The certificate; none where TLS is somebody else's.
    ///
    /// # Errors
    /// When it cannot be used, or others could reach a page that is not made for it.
    pub(crate) fn certificate(&self, address: SocketAddr) -> anyhow::Result<Option<Certificate>> {
        self.check(address)?;
        let (Some(certificate), Some(key)) = (&self.page_cert, &self.page_key) else {
            return Ok(None);
        };
        let certificate = Certificate::new(certificate, key);
        Ok(Some(certificate.context("--page-cert and --page-key")?))
    }

    fn check(&self, address: SocketAddr) -> anyhow::Result<()> {
        let is_here = is_loopback(address.ip());
        if let Some(url) = &self.page_url {
            let (scheme, host) = url.split_once("://").unwrap_or_default();
            let host = host.trim_end_matches('/');
            let is_url = host
                .parse::<http::uri::Authority>()
                .is_ok_and(|authority| !authority.host().is_empty() && !host.contains('@'));
            let is_safe = scheme == "https" || scheme == "http" && is_here;
            anyhow::ensure!(
                is_url && is_safe,
                "--page-url {url}: this is no address of a page that others can be sent to; write \
                 https://HOST or https://HOST:PORT, without a path"
            );
        }
        if is_here {
            return Ok(());
        }
        anyhow::ensure!(
            self.page_sign_in,
            "--page {address}: others could reach this address, and nobody would have to sign in; add \
             --page-sign-in with --page-url and TLS, or choose an address of this machine alone, such as \
             127.0.0.1:8420, and reach it from elsewhere by a tunnel: ssh -L 8420:127.0.0.1:8420 HOST"
        );
        anyhow::ensure!(
            self.page_cert.is_some() || self.page_behind_proxy,
            "--page {address}: passwords would be sent in the clear; add --page-cert and --page-key, or \
             --page-behind-proxy where something before the page has TLS"
        );
        anyhow::ensure!(
            self.page_url.is_some(),
            "--page {address}: say by which name people find it, with --page-url https://HOST"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::PageOptions;

    fn check(address: &str, change: impl FnOnce(&mut PageOptions), expected: &str) {
        let mut options = PageOptions::default();
        change(&mut options);
        let address = address.parse().expect("it is an address");
        let said = match options.check(address) {
            Ok(()) => "served".to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(said.contains(expected), "{said}");
    }

    #[test]
    fn others_reach_the_page_only_with_sign_in_tls_and_a_name() {
        check("127.0.0.1:0", |_| {}, "served");
        check("[::1]:0", |_| {}, "served");
        check("0.0.0.0:0", |_| {}, "nobody would have to sign in");
        check(
            "10.0.0.1:0",
            |options| options.page_sign_in = true,
            "in the clear",
        );
        let behind = |url: &'static str| {
            move |options: &mut PageOptions| {
                options.page_sign_in = true;
                options.page_behind_proxy = true;
                options.page_url = (!url.is_empty()).then(|| url.to_owned());
            }
        };
        check("10.0.0.1:0", behind(""), "by which name");
        check("10.0.0.1:0", behind("https://holdfast.example"), "served");
        check(
            "10.0.0.1:0",
            behind("https://holdfast.example:8443/"),
            "served",
        );
        for url in [
            "http://holdfast.example",
            "https://h/path",
            "https://",
            "holdfast",
            "https://a@b",
        ] {
            check("10.0.0.1:0", behind(url), "no address of a page");
        }
        check("127.0.0.1:0", behind("http://localhost:8420"), "served");
    }
}
