//! Charts in OCI registries: tags, manifests and blobs by the distribution specification 1.1, as far
//! as pulling a chart needs it. It must not choose versions.

use holdfast_model::Value;
use holdfast_model::digest::Digest;
use reqwest::{StatusCode, Url};

use crate::index::ChartVersion;
use crate::repository::{Credentials, Error};
use crate::web::{self, Answer, Ask, Web};

/// The layer of an artifact that holds a chart.
const CHART_LAYER: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
/// What charts before Helm 3.7 were pushed as.
const OLD_CHART_LAYER: &str = "application/tar+gzip";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The largest manifest that a registry has to take (4 MiB by the specification), and a page of tags.
const TEXT_LIMIT: u64 = 4 << 20;
/// How many pages of tags are read.
const PAGES: usize = 100;

/// One chart in a registry, and who asks.
pub(crate) struct Registry<'a> {
    web: &'a Web,
    /// `https://host[:port]`, or `http://` for this machine.
    base: String,
    /// The path below the host, chart included.
    path: String,
    credentials: Option<&'a Credentials>,
    /// What `Authorization` has to be, once the registry has said how it wants to be asked.
    authorization: Option<String>,
}

impl<'a> Registry<'a> {
    /// The chart `name` below an address such as `oci://registry.example/charts`.
    pub(crate) fn of(
        web: &'a Web,
        repository: &str,
        name: &str,
        credentials: Option<&'a Credentials>,
    ) -> Result<Self, Error> {
        let refused = |message: &str| Error::Fetch {
            url: repository.to_owned(),
            message: message.to_owned(),
        };
        let rest = repository.strip_prefix("oci://").unwrap_or(repository);
        let (host, folder) = rest.split_once('/').unwrap_or((rest, ""));
        if host.is_empty() || host.contains('@') {
            return Err(refused("an address is oci://HOST/PATH"));
        }
        let folder = folder.trim_matches('/');
        let path = match folder {
            "" => name.to_owned(),
            folder => format!("{folder}/{name}"),
        };
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
        if !path.bytes().all(allowed) || path.split('/').any(|part| part.is_empty() || part == "..")
        {
            return Err(refused(
                "a path has lower-case letters, digits, `.`, `_`, `-`",
            ));
        }
        let scheme = if is_this_machine(host) {
            "http"
        } else {
            "https"
        };
        Ok(Self {
            web,
            base: format!("{scheme}://{host}"),
            path,
            credentials,
            authorization: None,
        })
    }

    /// All its versions. A tag cannot hold a `+`; Helm writes `_` for it.
    pub(crate) async fn versions(&mut self) -> Result<Vec<ChartVersion>, Error> {
        let mut tags: Vec<String> = Vec::new();
        let mut next = format!("{}/v2/{}/tags/list?n=1000", self.base, self.path);
        for _ in 0..PAGES {
            let answer = self.ask(&next, "application/json", TEXT_LIMIT).await?;
            let value = self.json(&next, &answer)?;
            let page = value.get("tags").and_then(Value::as_array);
            let page = page.map(Vec::as_slice).unwrap_or_default();
            tags.extend(
                page.iter()
                    .filter_map(|tag| tag.as_str().map(str::to_owned)),
            );
            match answer.link.as_deref().and_then(linked) {
                Some(link) => next = self.same_host(&next, link)?,
                None => break,
            }
        }
        let version = |tag: &String| ChartVersion::tag(&tag.replace('_', "+"));
        Ok(tags.iter().map(version).collect())
    }

    /// The digest of a version's archive.
    pub(crate) async fn archive_digest(&mut self, version: &str) -> Result<Digest, Error> {
        let tag = version.replace('+', "_");
        let url = format!("{}/v2/{}/manifests/{tag}", self.base, self.path);
        let answer = self.ask(&url, MANIFEST, TEXT_LIMIT).await?;
        let manifest = self.json(&url, &answer)?;
        let layers = manifest.get("layers").and_then(Value::as_array);
        let chart = layers.and_then(|layers| {
            layers.iter().find(|layer| {
                let kind = layer.get("mediaType").and_then(Value::as_str);
                matches!(kind, Some(CHART_LAYER | OLD_CHART_LAYER))
            })
        });
        let digest = chart.and_then(|layer| layer.get("digest")?.as_str());
        let digest = digest.and_then(|digest| digest.parse().ok());
        digest.ok_or_else(|| self.failed(&url, "it is no chart: no layer holds one"))
    }

    /// The archive with a digest.
    pub(crate) async fn blob(&mut self, digest: &Digest, limit: u64) -> Result<Vec<u8>, Error> {
        let url = format!(
            "{}/v2/{}/blobs/sha256:{}",
            self.base,
            self.path,
            digest.hex()
        );
        let bytes = self.ask(&url, "*/*", limit).await?.bytes;
        if Digest::of_bytes(&bytes) != *digest {
            return Err(self.failed(
                &url,
                "what came does not have the digest that was asked for",
            ));
        }
        Ok(bytes)
    }

    fn failed(&self, url: &str, message: &str) -> Error {
        Error::Fetch {
            url: url.to_owned(),
            message: message.to_owned(),
        }
    }

    fn json(&self, url: &str, answer: &Answer) -> Result<Value, Error> {
        serde_json::from_slice(&answer.bytes).map_err(|_| self.failed(url, "it answered no JSON"))
    }

    /// A link to a next page may not lead anywhere else: credentials go with it.
    fn same_host(&self, from: &str, link: &str) -> Result<String, Error> {
        let joined = Url::parse(from).and_then(|url| url.join(link));
        let joined = joined.map_err(|error| self.failed(from, &error.to_string()))?;
        if !joined.as_str().starts_with(&format!("{}/", self.base)) {
            return Err(self.failed(from, "its list of tags goes on at another host"));
        }
        Ok(joined.into())
    }

    /// Asks, and asks again with what the registry's challenge wants.
    async fn ask(&mut self, url: &str, accept: &str, limit: u64) -> Result<Answer, Error> {
        let first = self.ask_once(url, accept, limit).await?;
        if first.status != StatusCode::UNAUTHORIZED {
            return first.accepted(url, self.credentials);
        }
        let challenge = first.challenge.as_deref().unwrap_or_default();
        self.authorization = self.answer_to(challenge).await?;
        self.ask_once(url, accept, limit)
            .await?
            .accepted(url, self.credentials)
    }

    async fn ask_once(&self, url: &str, accept: &str, limit: u64) -> Result<Answer, Error> {
        let ask = Ask {
            accept,
            authorization: self.authorization.as_deref(),
            ..Ask::new(url, limit)
        };
        self.web.ask(ask).await
    }

    /// What `Authorization` a challenge asks for: our own name, or a token from where it says.
    async fn answer_to(&self, challenge: &str) -> Result<Option<String>, Error> {
        let Some(parameters) = strip_scheme(challenge, "bearer") else {
            return Ok(web::authorization(self.credentials));
        };
        if let Some(Credentials::Bearer { token }) = self.credentials {
            return Ok(Some(format!("Bearer {token}")));
        }
        let find = |name: &str| parameter(parameters, name);
        let realm = find("realm").unwrap_or_default();
        let scope = find("scope").unwrap_or_else(|| format!("repository:{}:pull", self.path));
        let mut query = vec![("scope", scope)];
        query.extend(find("service").map(|service| ("service", service)));
        let url = Url::parse_with_params(&realm, &query);
        let url = url.map_err(|_| self.failed(&self.base, "its challenge names no address"))?;
        let authorization = web::authorization(self.credentials);
        let ask = Ask {
            authorization: authorization.as_deref(),
            ..Ask::new(url.as_str(), TEXT_LIMIT)
        };
        let answer = self
            .web
            .ask(ask)
            .await?
            .accepted(&realm, self.credentials)?;
        let value = self.json(&realm, &answer)?;
        let token = value.get("token").or_else(|| value.get("access_token"));
        let token = token.and_then(Value::as_str);
        let token = token.ok_or_else(|| self.failed(&realm, "it gave no token"))?;
        Ok(Some(format!("Bearer {token}")))
    }
}

/// Registries on this machine are asked without TLS, as other tools do.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

fn strip_scheme<'a>(challenge: &'a str, scheme: &str) -> Option<&'a str> {
    let (first, rest) = challenge.split_once(' ')?;
    first.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// A parameter of a challenge: `name="text"`, as RFC 9110 has it.
fn parameter(parameters: &str, wanted: &str) -> Option<String> {
    let mut rest = parameters;
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if name.trim_matches([' ', ',']).eq_ignore_ascii_case(wanted) {
            return Some(value.to_owned());
        }
        rest = after;
    }
    None
}

/// The address in a `Link` header.
fn linked(header: &str) -> Option<&str> {
    let (_, rest) = header.split_once('<')?;
    let (address, rest) = rest.split_once('>')?;
    rest.contains("next").then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_read_whatever_its_order() {
        let text = "realm=\"https://auth.example/token\", service=registry,scope=\"a:b,c:pull\"";
        assert_eq!(
            parameter(text, "realm").as_deref(),
            Some("https://auth.example/token")
        );
        assert_eq!(parameter(text, "Service").as_deref(), Some("registry"));
        assert_eq!(parameter(text, "scope").as_deref(), Some("a:b,c:pull"));
        assert_eq!(parameter(text, "error"), None);
    }

    #[test]
    fn an_address_names_a_host_and_a_path() {
        let web = Web::new(std::sync::Arc::default());
        let path = |repository: &str, name: &str| {
            Registry::of(&web, repository, name, None)
                .map(|registry| format!("{}/{}", registry.base, registry.path))
        };
        assert_eq!(
            path("oci://registry.example/charts/", "web")
                .ok()
                .as_deref(),
            Some("https://registry.example/charts/web")
        );
        assert_eq!(
            path("oci://localhost:5000", "web").ok().as_deref(),
            Some("http://localhost:5000/web")
        );
        for wrong in [
            "oci://",
            "oci://user@host/x",
            "oci://host/../x",
            "oci://host/a b",
        ] {
            assert!(path(wrong, "web").is_err(), "{wrong}");
        }
    }
}
