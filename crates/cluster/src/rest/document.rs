//! The document that a write brings: whether it can be read, and whether it says that it is what
//! the path names. It must not know what is in it.

use holdfast_admit::{ApiError, Result, Subject};
use holdfast_go::json;
use holdfast_model::{FieldError, Value};
use serde_json::json;

use super::target::name_of;
use super::write::Write;
use crate::call::text_at;
use crate::wire::Parsed;

/// How many bytes of a document that cannot be read are shown.
const SHOWN_BYTES: usize = 30;
/// How much of a document that does not say what it is is repeated, where the real one repeats all.
const MAX_REPEATED: usize = 16 * 1024;
/// What the real one reads a document into, to find out what it is.
const GO_TYPE: &str = r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;

impl Write<'_> {
    /// The document of the request.
    pub(crate) fn document(&self) -> Result<Parsed> {
        let mut parsed = match self.call.document() {
            Err(error) if error.code == 400 => return Err(self.unreadable(error)),
            parsed => parsed?,
        };
        let served = &self.target.served;
        let is_custom = served.custom.is_some();
        if parsed.value.is_null() && !is_custom {
            parsed.value = json!({});
        }
        let value = &parsed.value;
        let parse =
            |problem: &str| format!("couldn't get version/kind; json parse error: {problem}");
        let version = value.get("apiVersion").unwrap_or(&Value::Null);
        let problem = if !value.is_object() && !value.is_null() {
            let kind = go_kind(value);
            parse(&format!(
                "json: cannot unmarshal {kind} into Go value of type {GO_TYPE}"
            ))
        } else if !version.is_string() && !version.is_null() {
            let kind = go_kind(version);
            parse(&format!(
                "json: cannot unmarshal {kind} into Go struct field .apiVersion of type string"
            ))
        } else if version.as_str().unwrap_or("").matches('/').count() > 1 {
            format!(
                "unexpected GroupVersion string: {}",
                version.as_str().unwrap_or("")
            )
        } else if is_custom && text_at(value, &["kind"]).is_none() {
            let body = String::from_utf8_lossy(&self.call.body);
            let body = if self.call.is_json() {
                body.into_owned()
            } else {
                value.to_string()
            };
            let body: String = body.chars().take(MAX_REPEATED).collect();
            format!("Object 'Kind' is missing in '{body}'")
        } else {
            return Ok(parsed);
        };
        Err(self.unrecognized(&problem))
    }

    /// What is said of a body that is no document.
    fn unreadable(&self, error: ApiError) -> ApiError {
        if !self.call.is_json() {
            return match error.message.strip_prefix("yaml: ") {
                Some(_) => self.unrecognized(&error.message),
                None => error,
            };
        }
        match json::problem(&self.call.body) {
            Some(problem) => {
                let problem = format!("couldn't get version/kind; json parse error: {problem}");
                self.unrecognized(&problem)
            }
            None => error,
        }
    }

    fn unrecognized(&self, problem: &str) -> ApiError {
        let served = &self.target.served;
        let kind = &served.kind.kind;
        let body = &self.call.body;
        let end = if body.len() > SHOWN_BYTES { " ..." } else { "" };
        let start = &body[..body.len().min(SHOWN_BYTES)];
        let shown = match start.first() {
            // What was sent is shown, so that a Secret is not.
            _ if served.is("", "Secret") => "...".to_owned(),
            None => "<empty>".to_owned(),
            Some(b'{') => format!("{}{end}", String::from_utf8_lossy(start)),
            Some(_) => {
                let bytes = start.iter().map(|byte| format!("{byte:02x}"));
                format!("{}{end}", bytes.collect::<String>())
            }
        };
        let problem = match served.is("", "Secret") {
            true => "couldn't get version/kind",
            false => problem,
        };
        ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): {problem} ({shown})"
        ))
    }

    /// A document has to be what the path names.
    pub(crate) fn check_kind(&self, value: &Value) -> Result<()> {
        if self.target.served.custom.is_some() {
            return self.check_custom(value);
        }
        let kind = &self.target.served.kind;
        let found = text_at(value, &["kind"]).unwrap_or(&kind.kind);
        let named = text_at(value, &["apiVersion"]);
        let version_differs = named.is_some_and(|named| named != kind.api_version());
        let named = named.unwrap_or_default();
        let short = named.rsplit('/').next().unwrap_or_default();
        let problem = if version_differs {
            format!("no kind {found:?} is registered for version {named:?}")
        } else if found != kind.kind {
            format!("it is no {}", kind.kind)
        } else {
            return Ok(());
        };
        Err(ApiError::bad_request(format!(
            "{found} in version {short:?} cannot be handled as a {}: {problem}",
            kind.kind
        )))
    }

    fn check_custom(&self, value: &Value) -> Result<()> {
        let kind = &self.target.served.kind;
        let (expected, is_patch) = (kind.api_version(), self.call.method == http::Method::PATCH);
        let version = text_at(value, &["apiVersion"]).unwrap_or_default();
        if text_at(value, &["kind"]).is_none() {
            return Err(ApiError::bad_request(
                "error decoding the request body: Object 'Kind' is missing",
            ));
        };
        if version == expected {
            return match self.kind_problem(value) {
                Some(problem) if self.call.method != http::Method::PUT => Err(problem),
                _ => Ok(()),
            };
        }
        if is_patch && version.is_empty() {
            let problem = "Object 'apiVersion' is missing in 'object has no apiVersion field'";
            return Err(ApiError::internal(problem));
        }
        if is_patch {
            return Err(self.wrong(value, "apiVersion", (version, &expected)));
        }
        Err(ApiError::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version \
             ({expected})"
        )))
    }

    /// What is wrong with the kind of a custom object. Of an update it is told after what is wrong
    /// with its version.
    pub(crate) fn kind_problem(&self, value: &Value) -> Option<ApiError> {
        let served = &self.target.served;
        let expected = &served.kind.kind;
        let found = text_at(value, &["kind"]).unwrap_or_default();
        let is_wrong = served.custom.is_some() && found != expected;
        is_wrong.then(|| self.wrong(value, "kind", (found, expected)))
    }

    /// A custom object says that it is something else.
    fn wrong(&self, value: &Value, field: &str, (found, expected): (&str, &str)) -> ApiError {
        let version = text_at(value, &["apiVersion"]).unwrap_or_default();
        let (group, _) = version.split_once('/').unwrap_or(("", version));
        let name = text_at(value, &["kind"]).unwrap_or_default();
        let subject = Subject { group, name };
        let error = FieldError::invalid(field, &json!(found), &format!("must be {expected}"));
        let name = self.target.name.as_deref();
        let name = name.unwrap_or_else(|| name_of(value));
        ApiError::invalid(&subject, name, &[error])
    }
}

/// What Go calls a value of JSON.
fn go_kind(value: &Value) -> &'static str {
    json::kind(value.to_string().as_bytes())
}
