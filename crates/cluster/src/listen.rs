//! A TLS listener, and the kubeconfig that leads to it. It must not know what requests mean.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use holdfast_model::base64;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::call::User;
use crate::cluster::Cluster;
use crate::identity::{Identity, new_token};
use crate::service::ApiService;

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is not free, or not this machine's.
    #[error("could not listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A certificate could not be made.
    #[error("could not make a certificate for {address}")]
    Certificate {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: rcgen::Error,
    },
    /// The certificate or the key cannot be read.
    #[error("could not read the certificate and the key of the listener")]
    Credentials {
        /// Why.
        source: pem::Error,
    },
    /// The certificate cannot be used.
    #[error("could not set TLS up for {address}")]
    Tls {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: rustls::Error,
    },
}

/// By what a listener is known, and who may do everything there. It holds secrets: whoever writes
/// it down writes it for its owner only.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// The certificate, as PEM; for this machine's own names.
    certificate: String,
    /// Its key, as PEM.
    key: String,
    /// The bearer token.
    token: String,
}

impl Credentials {
    /// New ones, with a certificate that signs itself.
    ///
    /// # Errors
    /// When the machine has no randomness for a key.
    pub fn new() -> Result<Self, rcgen::Error> {
        let names = [
            "localhost",
            "127.0.0.1",
            "::1",
            "kubernetes",
            "kubernetes.default.svc",
        ];
        let made = rcgen::generate_simple_self_signed(names.map(str::to_owned))?;
        Ok(Self {
            certificate: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
            token: new_token(),
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .finish_non_exhaustive()
    }
}

/// An open listener; it is closed when this is dropped.
pub struct Listening {
    /// Where it listens.
    pub address: SocketAddr,
    kubeconfig: String,
    accepting: AbortHandle,
}

impl Listening {
    /// A kubeconfig that leads here, with a token that may do everything.
    pub fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The kubeconfig holds a token.
        write!(formatter, "Listening({})", self.address)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Cluster {
    /// Serves the API over TLS, with credentials of its own making, which go with the listener.
    /// Port 0 takes a free one.
    ///
    /// # Errors
    /// [`ListenError`] when the address cannot be had.
    pub async fn listen(&self, address: SocketAddr) -> Result<Listening, ListenError> {
        let credentials =
            Credentials::new().map_err(|source| ListenError::Certificate { address, source })?;
        self.listen_as(address, &credentials).await
    }

    /// Serves the API over TLS. A kubeconfig that was written for the same credentials and the
    /// same port stays valid.
    ///
    /// # Errors
    /// [`ListenError`] when the address cannot be had or the credentials cannot be read.
    pub async fn listen_as(
        &self,
        address: SocketAddr,
        credentials: &Credentials,
    ) -> Result<Listening, ListenError> {
        let bind = |source| ListenError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let unreadable = |source| ListenError::Credentials { source };
        let certificate = CertificateDer::from_pem_slice(credentials.certificate.as_bytes())
            .map_err(unreadable)?;
        let key = PrivateKeyDer::from_pem_slice(credentials.key.as_bytes()).map_err(unreadable)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(vec![certificate], key)
            })
            .map_err(|source| ListenError::Tls { address, source })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        self.state()
            .tokens()
            .know(&credentials.token, User::admin());
        let kubeconfig = kubeconfig(address, &credentials.certificate, &credentials.token);
        let service = ApiService::new(self.state().clone(), Identity::Bearer);
        let accepting = tokio::spawn(accept(listener, Arc::new(config), service)).abort_handle();
        Ok(Listening {
            address,
            kubeconfig,
            accepting,
        })
    }
}

async fn accept(listener: TcpListener, config: Arc<ServerConfig>, service: ApiService) {
    // Connections end with the listener: the set is dropped with this task.
    let mut connections = JoinSet::new();
    let acceptor = TlsAcceptor::from(config);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(serve(stream, acceptor.clone(), service.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "A connection could not be accepted.");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, service: ApiService) {
    // Answers are small and many; waiting for more to send would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "A connection keeps small packets back.");
    }
    let stream = match acceptor.accept(stream).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "A connection did not get through TLS.");
            return;
        }
    };
    let builder = Builder::new(TokioExecutor::new());
    let service = TowerToHyperService::new(service);
    let served = builder
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "A connection ended early.");
    }
}

fn kubeconfig(address: SocketAddr, certificate: &str, token: &str) -> String {
    let authority = base64::encode(certificate.as_bytes());
    format!(
        "apiVersion: v1\n\
         kind: Config\n\
         clusters:\n\
         - name: holdfast\n  cluster:\n    server: https://{address}\n    \
         certificate-authority-data: {authority}\n\
         users:\n\
         - name: admin\n  user:\n    token: {token}\n\
         contexts:\n\
         - name: holdfast\n  context:\n    cluster: holdfast\n    user: admin\n\
         current-context: holdfast\n"
    )
}
