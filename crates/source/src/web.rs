//! Files over http and https, each within a size and a time. It must not know what they are for.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use holdfast_model::base64;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH, WWW_AUTHENTICATE,
};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};

use crate::guard::{Guard, Resolver, Sort};
use crate::repository::{Credentials, Error};
use crate::trouble::{answered, explain};

/// How long a server may be silent, and a connection take.
const SILENCE: Duration = Duration::from_secs(30);

/// How many redirections are followed.
const REDIRECTIONS: usize = 10;

/// Clients for files and repositories. Proxies of the machine do not count.
pub(crate) struct Web {
    guard: Arc<Guard>,
    /// Each is made when it is first asked; why it cannot be.
    files: OnceLock<Result<Client, String>>,
    repositories: OnceLock<Result<Client, String>>,
}

/// What is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) url: &'a str,
    /// The value of `Authorization`.
    pub(crate) authorization: Option<&'a str>,
    /// The value of `Accept`.
    pub(crate) accept: &'a str,
    /// What is known already, as the server called it.
    pub(crate) etag: Option<&'a str>,
    /// The most bytes that are taken.
    pub(crate) limit: u64,
    pub(crate) sort: Sort,
}

impl<'a> Ask<'a> {
    pub(crate) fn new(url: &'a str, limit: u64) -> Self {
        Self {
            url,
            authorization: None,
            accept: "*/*",
            etag: None,
            limit,
            sort: Sort::Repository,
        }
    }
}

/// What a server answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) bytes: Vec<u8>,
    pub(crate) etag: Option<String>,
    pub(crate) content_type: Option<String>,
    /// How it wants to be asked, where it refused.
    pub(crate) challenge: Option<String>,
    /// The `Link` to the next page.
    pub(crate) link: Option<String>,
}

impl Web {
    pub(crate) fn new(guard: Arc<Guard>) -> Self {
        Self {
            guard,
            files: OnceLock::new(),
            repositories: OnceLock::new(),
        }
    }

    /// Making a client reads the machine's certificates, which most who fetch from Git never need.
    fn client(&self, sort: Sort) -> Result<&Client, String> {
        let make = || {
            let guard = Arc::clone(&self.guard);
            let resolver = Resolver {
                guard: Arc::clone(&guard),
                sort,
            };
            let follow = Policy::custom(move |attempt| {
                if attempt.previous().len() > REDIRECTIONS {
                    return attempt.error("it leads from one address to the next without an end");
                }
                match guard.check_literal(attempt.url(), sort) {
                    Ok(()) => attempt.follow(),
                    Err(message) => attempt.error(message),
                }
            });
            let builder = Client::builder()
                .no_proxy()
                .dns_resolver(Arc::new(resolver))
                .redirect(follow)
                .connect_timeout(SILENCE)
                .read_timeout(SILENCE)
                .user_agent(concat!("holdfast/", env!("CARGO_PKG_VERSION")));
            builder
                .build()
                .map_err(|error| explain("", None, &error).to_string())
        };
        let client = match sort {
            Sort::File => &self.files,
            Sort::Repository => &self.repositories,
        };
        client.get_or_init(make).as_ref().map_err(String::clone)
    }

    /// Asks once; redirections are followed, credentials only to the same host.
    pub(crate) async fn ask(&self, ask: Ask<'_>) -> Result<Answer, Error> {
        let failed = |message: String| Error::Fetch {
            url: ask.url.to_owned(),
            message,
        };
        let url = Url::parse(ask.url).map_err(|error| failed(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(failed(format!("{}:// is not fetched", url.scheme())));
        }
        self.guard.check_literal(&url, ask.sort).map_err(failed)?;
        let client = self.client(ask.sort).map_err(failed)?;
        let mut request = client.get(url).header(ACCEPT, ask.accept);
        if let Some(authorization) = ask.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(etag) = ask.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let sent = request.send().await;
        // The address may hold a token.
        let unfetched = |error: reqwest::Error| explain(ask.url, None, &error.without_url());
        let mut response = sent.map_err(unfetched)?;
        let text = |headers: &HeaderMap, name| {
            let value = headers.get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let headers = response.headers();
        let mut answer = Answer {
            status: response.status(),
            bytes: Vec::new(),
            etag: text(headers, ETAG),
            content_type: text(headers, CONTENT_TYPE),
            challenge: text(headers, WWW_AUTHENTICATE),
            link: text(headers, reqwest::header::LINK),
        };
        while let Some(chunk) = response.chunk().await.map_err(unfetched)? {
            if answer.bytes.len() as u64 + chunk.len() as u64 > ask.limit {
                return Err(failed(format!("it has more than {} bytes", ask.limit)));
            }
            answer.bytes.extend_from_slice(&chunk);
        }
        Ok(answer)
    }
}

impl Answer {
    /// The answer to who asked with these credentials, where it is one.
    pub(crate) fn accepted(
        self,
        url: &str,
        credentials: Option<&Credentials>,
    ) -> Result<Self, Error> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(answered(url, self.status.as_u16(), credentials))
    }
}

/// Credentials as the value of a header.
pub(crate) fn authorization(credentials: Option<&Credentials>) -> Option<String> {
    match credentials? {
        Credentials::Basic { username, password } => {
            let pair = base64::encode(format!("{username}:{password}").as_bytes());
            Some(format!("Basic {pair}"))
        }
        Credentials::Bearer { token } => Some(format!("Bearer {token}")),
        Credentials::Ssh { .. } => None,
    }
}
