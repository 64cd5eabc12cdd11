//! The certificate of the page, from files that somebody else renews. It must not know what is served.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

/// The most bytes of a file.
const LARGEST: u64 = 1 << 20;
/// How often the files are read again at most: when somebody connects, and never while nobody does.
const PAUSE: Duration = Duration::from_secs(2);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// A file cannot be read.
    #[error("could not read {}: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file holds something else.
    #[error("{} holds no {what} in PEM form", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// The two do not belong together, or are none.
    #[error("the certificate and the key cannot be used: {0}; do they belong together?")]
    Tls(#[from] rustls::Error),
}

/// A certificate with its key, read anew when the files change. Files that are half written leave what was there.
pub struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    state: Mutex<State>,
}

struct State {
    texts: (Vec<u8>, Zeroizing<Vec<u8>>),
    config: Arc<ServerConfig>,
    read: Instant,
}

impl Certificate {
    /// Reads a certificate with its chain, and its key.
    ///
    /// # Errors
    /// When there is none, or the two do not belong together.
    pub fn new(certificate: &Path, key: &Path) -> Result<Self, Unusable> {
        let texts = texts(certificate, key)?;
        let config = config(certificate, key, &texts)?;
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            state: Mutex::new(State {
                texts,
                config,
                read: Instant::now(),
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes connections with what the files hold now, or held a moment ago.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let mut state = self.lock();
        if state.read.elapsed() >= PAUSE {
            state.read = Instant::now();
            self.renew(&mut state);
        }
        TlsAcceptor::from(Arc::clone(&state.config))
    }

    fn renew(&self, state: &mut State) {
        let renewed = texts(&self.certificate, &self.key).and_then(|texts| {
            if texts == state.texts {
                return Ok(None);
            }
            let config = config(&self.certificate, &self.key, &texts)?;
            Ok(Some((texts, config)))
        });
        match renewed {
            Ok(None) => {}
            Ok(Some((texts, config))) => {
                state.texts = texts;
                state.config = config;
                tracing::info!("The certificate of the page was renewed.");
            }
            Err(error) => {
                tracing::warn!(%error, "The certificate of the page was not renewed; the one before it is used.");
            }
        }
    }
}

type Texts = (Vec<u8>, Zeroizing<Vec<u8>>);

fn texts(certificate: &Path, key: &Path) -> Result<Texts, Unusable> {
    Ok((text(certificate)?, Zeroizing::new(text(key)?)))
}

fn text(path: &Path) -> Result<Vec<u8>, Unusable> {
    let failed = |error| Unusable::Read {
        path: path.to_owned(),
        error,
    };
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(LARGEST).read_to_end(&mut text).map_err(failed)?;
    Ok(text)
}

fn config(certificate: &Path, key: &Path, texts: &Texts) -> Result<Arc<ServerConfig>, Unusable> {
    let none = |path: &Path, what| Unusable::Pem {
        path: path.to_owned(),
        what,
    };
    let chain = CertificateDer::pem_slice_iter(&texts.0).collect::<Result<Vec<_>, _>>();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| none(certificate, "certificate"))?;
    let private = PrivateKeyDer::from_pem_slice(&texts.1).map_err(|_| none(key, "private key"))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions()?;
    let mut config = builder
        .with_no_client_auth()
        .with_single_cert(chain, private)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
