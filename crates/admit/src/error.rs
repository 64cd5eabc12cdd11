//! What the API answers when it refuses: `Status` objects with the reasons, causes and codes of
//! the real one. It must not know which request is refused.

use holdfast_model::{FieldError, Value};
use serde_json::{Map, json};

/// A refusal.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// The HTTP code.
    pub code: u16,
    /// The machine-readable reason; empty where the real one has none.
    pub reason: &'static str,
    /// The message.
    pub message: String,
    /// `details` of the Status.
    pub details: Option<Value>,
    /// What is warned of all the same.
    pub warnings: Vec<String>,
}

/// The outcome of a request.
pub type Result<T, E = ApiError> = std::result::Result<T, E>;

/// A kind as messages name it.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// The API group.
    pub group: &'a str,
    /// Plural resource or kind, whichever the message takes.
    pub name: &'a str,
}

impl Subject<'_> {
    fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.name.to_owned()
        } else {
            format!("{}.{}", self.name, self.group)
        }
    }

    fn details(&self, name: &str) -> Map<String, Value> {
        let mut details = Map::new();
        if !name.is_empty() {
            details.insert("name".to_owned(), json!(name));
        }
        if !self.group.is_empty() {
            details.insert("group".to_owned(), json!(self.group));
        }
        if !self.name.is_empty() {
            details.insert("kind".to_owned(), json!(self.name));
        }
        details
    }
}

impl ApiError {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: None,
            warnings: Vec::new(),
        }
    }

    /// The refusal with warnings beside it.
    pub fn warned(mut self, warnings: &[String]) -> Self {
        self.warnings.splice(0..0, warnings.iter().cloned());
        self
    }

    fn about(mut self, details: Map<String, Value>) -> Self {
        self.details = Some(Value::Object(details));
        self
    }

    /// The request makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// Nobody knows who asks.
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// It is not allowed.
    pub fn forbidden(subject: &Subject<'_>, name: &str, message: &str) -> Self {
        let quoted = if name.is_empty() {
            String::new()
        } else {
            format!(" {name:?}")
        };
        let message = format!("{}{quoted} is forbidden: {message}", subject.qualified());
        Self::new(403, "Forbidden", message).about(subject.details(name))
    }

    /// A policy does not allow it, for this reason.
    pub fn denied(subject: &Subject<'_>, name: &str, reason: &str, message: &str) -> Self {
        let mut error = Self::forbidden(subject, name, message);
        (error.code, error.reason) = match reason {
            "Unauthorized" => (401, "Unauthorized"),
            "Forbidden" => (403, "Forbidden"),
            "RequestEntityTooLarge" => (413, "RequestEntityTooLarge"),
            _ => (422, "Invalid"),
        };
        if let Some(details) = &mut error.details {
            details["causes"] = json!([{"message": message}]);
        }
        error
    }

    /// There is nothing at the path.
    pub fn no_route() -> Self {
        let mut error = Self::new(
            404,
            "NotFound",
            "the server could not find the requested resource",
        );
        error.details = Some(json!({}));
        error
    }

    /// There is no such object.
    pub fn not_found(subject: &Subject<'_>, name: &str) -> Self {
        let message = format!("{} {name:?} not found", subject.qualified());
        Self::new(404, "NotFound", message).about(subject.details(name))
    }

    /// The kind does not know the verb.
    pub fn method_not_allowed(subject: &Subject<'_>, verb: &str) -> Self {
        let message = format!(
            "{verb} is not supported on resources of kind {:?}",
            subject.qualified()
        );
        Self::new(405, "MethodNotAllowed", message).about(subject.details(""))
    }

    /// The path does not know the method.
    pub fn wrong_method() -> Self {
        let mut error = Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        );
        error.details = Some(json!({}));
        error
    }

    /// What is accepted is not to be had.
    pub fn not_acceptable(message: &str) -> Self {
        Self::new(406, "NotAcceptable", message)
    }

    /// No route answers in a media type that is accepted.
    pub fn not_routed(offered: &str) -> Self {
        let message = format!("406: Not Acceptable\n\nAvailable representations: {offered}");
        let mut error = Self::not_acceptable(&message);
        error.details = Some(json!({}));
        error
    }

    /// There is such an object already.
    pub fn already_exists(subject: &Subject<'_>, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", subject.qualified());
        Self::new(409, "AlreadyExists", message).about(subject.details(name))
    }

    /// The object is in another state than the request is for.
    pub fn conflict(subject: &Subject<'_>, name: &str, message: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} {name:?}: {message}",
            subject.qualified()
        );
        Self::new(409, "Conflict", message).about(subject.details(name))
    }

    /// Somebody else was faster.
    pub fn changed(subject: &Subject<'_>, name: &str) -> Self {
        let message = "the object has been modified; please apply your changes to the latest \
                       version and try again";
        Self::conflict(subject, name, message)
    }

    /// Others own fields that are applied.
    pub fn apply_conflict(message: String, causes: Vec<Value>) -> Self {
        let mut error = Self::new(409, "Conflict", message);
        error.details = Some(json!({ "causes": causes }));
        error
    }

    /// The revision is too old.
    pub fn expired(message: &str) -> Self {
        Self::new(410, "Expired", message)
    }

    /// The request is larger than it may be.
    pub fn too_large(limit: usize) -> Self {
        Self::new(
            413,
            "RequestEntityTooLarge",
            format!("Request entity too large: limit is {limit}"),
        )
    }

    /// What is sent cannot be read in that form.
    pub fn unsupported_media(message: impl Into<String>) -> Self {
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// What is asked for cannot be done to the object.
    pub fn unprocessable(message: impl Into<String>) -> Self {
        let mut error = Self::new(422, "Invalid", message);
        error.details = Some(json!({}));
        error
    }

    /// Something went wrong here.
    pub fn internal(message: impl std::fmt::Display) -> Self {
        let text = message.to_string();
        let mut error = Self::new(
            500,
            "InternalError",
            format!("Internal error occurred: {text}"),
        );
        error.details = Some(json!({"causes": [{"message": text}]}));
        error
    }

    /// The same without a reason.
    pub fn server_error(message: impl Into<String>) -> Self {
        Self::new(500, "", message)
    }

    /// The object does not hold together. `subject` names the kind, not the resource.
    pub fn invalid(subject: &Subject<'_>, name: &str, errors: &[FieldError]) -> Self {
        let mut lines: Vec<String> = Vec::with_capacity(errors.len());
        for line in errors.iter().map(FieldError::line) {
            // What is told twice among the causes is told once here.
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        let lines = match lines.as_slice() {
            [line] => line.clone(),
            lines => format!("[{}]", lines.join(", ")),
        };
        let message = format!("{} {name:?} is invalid: {lines}", subject.qualified());
        let causes: Vec<Value> = errors
            .iter()
            .map(|error| {
                json!({
                    "reason": error.reason, "message": error.message, "field": error.field
                })
            })
            .collect();
        let mut details = subject.details(name);
        details.insert("causes".to_owned(), Value::Array(causes));
        Self::new(422, "Invalid", message).about(details)
    }

    /// The options of a list or a watch do not hold together.
    pub fn list_options(errors: &[FieldError]) -> Self {
        let subject = Subject {
            group: "meta.k8s.io",
            name: "ListOptions",
        };
        Self::invalid(&subject, "", errors)
    }

    /// The `Status` object that is sent.
    pub fn to_status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = json!(self.reason);
        }
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status
    }
}
