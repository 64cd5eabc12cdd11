//! create and update: from a document to a stored object. It must not know how patches are made.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, MutexGuard};

use holdfast_admit::{ApiError, ObjectName, ResourceId, Result, Setting, Subject};
use holdfast_kinds::amounts::{Written, rewritten};
use holdfast_kinds::{canonical_custom, decode, drop_nulls};
use holdfast_merge::apply::{Context, Versions, update as track};
use holdfast_merge::fields::FieldSet;
use holdfast_merge::managers::Managers;
use holdfast_merge::typed::same;
use holdfast_model::time::Time;
use holdfast_model::{FieldError, Value};
use holdfast_schema::TypeRef;
use serde_json::json;

use super::admitted::{Change, admitted};
use super::target::{Target, in_version, name_of};
use super::{finish, metadata, read, review};
use crate::around::Around;
use crate::body::Reply;
use crate::call::{Call, text_at};
use crate::negotiate::Form;
use crate::policies::Operation;
use crate::state::State;
use crate::store::{Expected, Refused, Stored};
use crate::wire::Parsed;

/// What unknown and doubled fields lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validation {
    Ignore,
    Warn,
    Strict,
}

/// A write in progress.
pub(crate) struct Write<'a> {
    pub(crate) state: &'a State,
    pub(crate) call: &'a Call,
    pub(crate) target: &'a Target,
    pub(crate) manager: String,
    pub(crate) dry_run: bool,
    pub(crate) validation: Validation,
    pub(crate) now: Time,
    /// How answers are shaped.
    pub(crate) form: Form,
    /// What the new state is warned of.
    noted: RefCell<Vec<String>>,
}

/// An object on its way in.
pub(crate) struct Incoming {
    pub(crate) value: Value,
    pub(crate) warnings: Vec<String>,
    /// What is wrong with its kind, where that is told after what is wrong with its version.
    pub(crate) kind_problem: Option<ApiError>,
    /// Amounts that were written in another way than they are kept.
    pub(crate) rewritten: Vec<Written>,
}

impl fmt::Debug for Write<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Write")
    }
}

impl Versions for Write<'_> {
    fn read(&self, value: &Value, api_version: &str) -> Option<(Value, TypeRef)> {
        let served = &self.target.served;
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let registry = self.state.registry();
        let other = registry.find(group, version, &served.kind.plural)?;
        if other.storage != served.storage {
            return None;
        }
        let mut value = value.clone();
        holdfast_admit::to_storage(&mut value, served);
        holdfast_admit::convert(&mut value, &other);
        Some((value, other.kind.type_ref.clone()))
    }
}

impl<'a> Write<'a> {
    pub(crate) fn new(state: &'a State, call: &'a Call, target: &'a Target) -> Result<Self> {
        let options = if call.method == http::Method::POST {
            "CreateOptions"
        } else if call.method == http::Method::PUT {
            "UpdateOptions"
        } else {
            "PatchOptions"
        };
        let refuse = |error: FieldError| {
            let subject = Subject {
                group: "meta.k8s.io",
                name: options,
            };
            Err(ApiError::invalid(&subject, "", &[error]))
        };
        let dry_run = match call.query.text("dryRun") {
            None => false,
            Some("All") => true,
            Some(other) => {
                return refuse(FieldError::unsupported("dryRun", &json!([other]), &["All"]));
            }
        };
        let validation = match call.query.text("fieldValidation") {
            None | Some("Warn") => Validation::Warn,
            Some("Strict") => Validation::Strict,
            Some("Ignore") => Validation::Ignore,
            Some(other) => {
                return refuse(FieldError::unsupported(
                    "fieldValidation",
                    &json!(other),
                    &["", "Ignore", "Strict", "Warn"],
                ));
            }
        };
        if let Some(manager) = call.query.text("fieldManager")
            && manager.len() > 128
        {
            return refuse(FieldError::too_long("fieldManager", 128));
        }
        Ok(Self {
            state,
            call,
            target,
            manager: call.manager(),
            dry_run,
            validation,
            now: state.now(),
            form: call.form(),
            noted: RefCell::default(),
        })
    }

    /// Reads a document into the form in which objects are kept.
    pub(crate) fn read(&self, parsed: Parsed) -> Result<Incoming> {
        let served = &self.target.served;
        let kind = &served.kind;
        let mut value = parsed.value;
        if !value.is_object() {
            let problem = "the object provided is unrecognized: it is no object";
            return Err(ApiError::bad_request(problem));
        }
        self.check_kind(&value)?;
        let kind_problem = self.kind_problem(&value);
        value["apiVersion"] = json!(kind.api_version());
        value["kind"] = json!(kind.kind);
        let mut strict: Vec<String> = parsed
            .duplicates
            .iter()
            .map(|path| format!("duplicate field {path:?}"))
            .collect();
        if let Some(problem) = parsed.twice {
            strict.push(match self.validation {
                Validation::Strict => format!("yaml: unmarshal errors:\n  {problem}"),
                _ => problem,
            });
        }
        // An empty list asks for a new start; it has to outlive the canonical form, in which
        // empty lists are left out.
        let managers = value["metadata"]
            .get("managedFields")
            .and_then(Value::as_array);
        if managers.is_some_and(Vec::is_empty) && served.custom.is_none() {
            value["metadata"]["managedFields"] = json!([{}]);
        }
        let rewritten = rewritten(&value, &kind.type_ref);
        let (mut value, unknown) = self.canonical(value)?;
        strict.extend(unknown.iter().map(|path| format!("unknown field {path:?}")));
        holdfast_admit::default(served, &mut value);
        let schema = served.custom.as_ref();
        if let Some(schema) = schema.and_then(|custom| custom.schema.as_ref()) {
            drop_nulls(&mut value, schema);
        }
        let warnings = match self.validation {
            Validation::Strict if !strict.is_empty() => {
                return Err(ApiError::bad_request(format!(
                    "{} in version {:?} cannot be handled as a {}: strict decoding error: {}",
                    kind.kind,
                    kind.version,
                    kind.kind,
                    strict.join(", ")
                )));
            }
            Validation::Warn => strict,
            _ => Vec::new(),
        };
        Ok(Incoming {
            value,
            warnings,
            kind_problem,
            rewritten,
        })
    }

    /// The canonical form, and the paths of unknown fields.
    pub(crate) fn canonical(&self, value: Value) -> Result<(Value, Vec<String>)> {
        let served = &self.target.served;
        let kind = &served.kind;
        let refuse = |problem: String| {
            ApiError::bad_request(format!(
                "{} in version {:?} cannot be handled as a {}: {problem}",
                kind.kind, kind.version, kind.kind
            ))
        };
        let Some(_) = &served.custom else {
            let decoded = decode(value, &kind.type_ref).map_err(refuse)?;
            return Ok((decoded.value, decoded.unknown));
        };
        let decoded = canonical_custom(&kind.type_ref, value).map_err(refuse)?;
        Ok((decoded.value, decoded.unknown))
    }

    /// What ownership is judged by.
    pub(crate) fn context<'b>(
        &'b self,
        ignored: &'b FieldSet,
        now: &'b str,
        version: &'b str,
    ) -> Context<'b> {
        Context {
            type_ref: &self.target.served.kind.type_ref,
            api_version: version,
            subresource: &self.target.subresource,
            ignored,
            empty: &self.target.served.empty,
            versions: self,
            now,
        }
    }

    /// Puts into `new` who owns its fields now. Both values may have `managedFields`.
    pub(crate) fn own(&self, old: &Value, new: &mut Value) {
        self.own_as_written(old, new, &[]);
    }

    /// The same, where amounts were written in another way than they are kept: those who own them
    /// are told from how they are kept.
    pub(crate) fn own_as_written(&self, old: &Value, new: &mut Value, rewritten: &[Written]) {
        let given = metadata::take_managers(new);
        let mut old = old.clone();
        let before = metadata::take_managers(&mut old);
        let managers = match given.as_ref().and_then(Value::as_array) {
            Some(entries) if self.target.subresource.is_empty() => {
                // An empty list of a custom kind says nothing, unlike one of a built-in kind.
                let empty = entries.is_empty() && self.target.served.custom.is_none();
                let reset = empty || entries.as_slice() == [json!({})];
                match Managers::read(given.as_ref()) {
                    _ if reset => Managers::default(),
                    Ok(managers) if !managers.0.is_empty() => managers,
                    _ => Managers::read(before.as_ref()).unwrap_or_default(),
                }
            }
            _ => Managers::read(before.as_ref()).unwrap_or_default(),
        };
        let existed = text_at(&old, &["metadata", "uid"]).is_some();
        if existed && managers.0.is_empty() {
            // Nobody's fields are tracked until somebody applies.
            return;
        }
        let ignored = self.target.served.ignored(&self.target.subresource);
        let now = self.now.to_string();
        let version = self.target.served.kind.api_version();
        let context = self.context(&ignored, &now, &version);
        let managers = if rewritten.is_empty() {
            track(&context, &old, new, managers, &self.manager)
        } else {
            let mut written = new.clone();
            for (pointer, text) in rewritten {
                if let Some(amount) = written.pointer_mut(pointer) {
                    *amount = json!(text);
                }
            }
            track(&context, &old, &written, managers, &self.manager)
        };
        metadata::put_managers(new, &managers);
    }

    fn setting<'b>(&'b self, around: &'b Around<'b>) -> Setting<'b> {
        Setting {
            server: around,
            served: &self.target.served,
            subresource: &self.target.subresource,
            dry_run: self.dry_run,
        }
    }

    fn around(&self) -> Around<'_> {
        Around {
            store: self.state.store(),
            now: self.now,
        }
    }

    /// Stores a new object.
    pub(crate) fn create(&self, mut value: Value) -> Result<Value> {
        let served = &self.target.served;
        let _allocating = self.allocating();
        let name = name_of(&value).to_owned();
        self.admit_namespace(&name)?;
        let around = self.around();
        holdfast_admit::admit_create(&self.setting(&around), &mut value)?;
        metadata::prepare_create(self.target, self.now, &mut value)?;
        holdfast_admit::prepare_create(&self.setting(&around), &mut value)?;
        let errors = holdfast_admit::validate(served, &value, None);
        if !errors.is_empty() {
            return Err(ApiError::invalid(
                &served.subject(),
                name_of(&value),
                &errors,
            ));
        }
        self.noted
            .replace(holdfast_admit::warnings(served, &value, None));
        self.ask_policies(Operation::Create, &value, None)?;
        let object_name = ObjectName {
            namespace: self.target.namespace.clone().unwrap_or_default(),
            name: name_of(&value).to_owned(),
        };
        if self.dry_run {
            return match self.state.store().get(&served.storage, &object_name) {
                Some(_) => Err(ApiError::already_exists(
                    &served.resource(),
                    &object_name.name,
                )),
                None => Ok(value),
            };
        }
        let mut stored = value;
        holdfast_admit::to_storage(&mut stored, served);
        let put =
            self.state
                .store()
                .put(&served.storage, &object_name, Expected::Absent, &mut stored);
        put.map_err(|_| ApiError::already_exists(&served.resource(), &object_name.name))?;
        finish::written(self.state, served, &stored);
        Ok(in_version(stored, served))
    }

    /// Has the admission policies judge a change to the object.
    fn ask_policies(&self, operation: Operation, new: &Value, old: Option<&Value>) -> Result<()> {
        self.ask_policies_of(&Change {
            operation,
            sent: None,
            object: Some(new),
            old,
            dry_run: self.dry_run,
        })
    }

    /// Has them judge a change of any kind.
    pub(crate) fn ask_policies_of(&self, change: &Change<'_>) -> Result<()> {
        let warnings = admitted(self.state, self.call, self.target, change);
        let warnings = warnings.map_err(|error| error.warned(&self.noted.take()))?;
        self.noted.borrow_mut().extend(warnings);
        Ok(())
    }

    /// Of two Services at once one is given addresses and ports first, and is stored with them.
    fn allocating(&self) -> Option<MutexGuard<'_, ()>> {
        let is_service = self.target.served.is("", "Service");
        is_service.then(|| self.state.allocating())
    }

    fn admit_namespace(&self, name: &str) -> Result<()> {
        let Some(namespace) = &self.target.namespace else {
            return Ok(());
        };
        let home = ObjectName {
            namespace: String::new(),
            name: namespace.clone(),
        };
        let found = self
            .state
            .store()
            .get(&ResourceId::new("", "namespaces"), &home);
        let subject = Subject {
            group: "",
            name: "namespaces",
        };
        let found = found.ok_or_else(|| ApiError::not_found(&subject, namespace))?;
        let found = found.value();
        if found["metadata"].get("deletionTimestamp").is_none() {
            return Ok(());
        }
        let message = format!(
            "unable to create new content in namespace {namespace} because it is being terminated"
        );
        let mut error = ApiError::forbidden(&self.target.served.resource(), name, &message);
        if let Some(details) = &mut error.details {
            details["causes"] = json!([{
                "reason": "NamespaceTerminating",
                "message": format!("namespace {namespace} is being terminated"),
                "field": "metadata.namespace",
            }]);
        }
        Err(error)
    }

    /// Stores a new state of an object; `old` and `new` are in the version of the request.
    pub(crate) fn replace(
        &self,
        stored: &Arc<Stored>,
        old: &Value,
        mut new: Value,
    ) -> Result<Outcome> {
        let served = &self.target.served;
        let _allocating = self.allocating();
        let name = &stored.name.name;
        let around = self.around();
        holdfast_admit::admit_update(&self.setting(&around), old, &mut new)?;
        metadata::prepare_update(self.target, old, &mut new)?;
        holdfast_admit::prepare_update(&self.setting(&around), old, &mut new)?;
        let errors = holdfast_admit::validate(served, &new, Some(old));
        if !errors.is_empty() {
            return Err(ApiError::invalid(&served.subject(), name, &errors));
        }
        if self.target.subresource.is_empty() {
            self.noted
                .replace(holdfast_admit::warnings(served, &new, Some(old)));
        } else if self.target.subresource == "status" {
            self.noted
                .replace(holdfast_admit::status_warnings(served, &new));
        }
        // Of a scale has been asked already, as that is what was written.
        if self.target.subresource != "scale" {
            self.ask_policies(Operation::Update, &new, Some(old))?;
        }
        if self.unchanged(old, &mut new) {
            return Ok(Outcome::Done(old.clone()));
        }
        self.put(stored, new)
    }

    /// Stores a new state as it is.
    pub(crate) fn put(&self, stored: &Arc<Stored>, new: Value) -> Result<Outcome> {
        if self.dry_run {
            return Ok(Outcome::Done(new));
        }
        let served = &self.target.served;
        let mut value = new;
        holdfast_admit::to_storage(&mut value, served);
        let store = self.state.store();
        let revision = stored.revision;
        if metadata::is_finished(&value) {
            return match store.remove(&served.storage, &stored.name, revision) {
                Ok(_) => {
                    finish::removed(self.state, served, &value);
                    Ok(Outcome::Done(in_version(value, served)))
                }
                Err(_) => Ok(Outcome::Again),
            };
        }
        let put = store.put(
            &served.storage,
            &stored.name,
            Expected::Revision(revision),
            &mut value,
        );
        match put {
            Ok(_) => {
                finish::written(self.state, served, &value);
                Ok(Outcome::Done(in_version(value, served)))
            }
            Err(Refused::Gone) => Err(self.target.not_found()),
            Err(_) => Ok(Outcome::Again),
        }
    }

    /// Whether nothing but times of ownership differs; then the old times are kept.
    fn unchanged(&self, old: &Value, new: &mut Value) -> bool {
        let (mut old_bare, mut new_bare) = (old.clone(), new.clone());
        let old_managers = metadata::take_managers(&mut old_bare);
        let new_managers = metadata::take_managers(&mut new_bare);
        if !same(&old_bare, &new_bare) {
            return false;
        }
        let timeless = |managers: Option<Value>| {
            let mut managers = Managers::read(managers.as_ref()).unwrap_or_default();
            managers.0.values_mut().for_each(|owned| owned.time = None);
            managers
        };
        timeless(old_managers) == timeless(new_managers)
    }

    /// The answer with an object.
    pub(crate) fn reply(&self, code: u16, value: Value, mut warnings: Vec<String>) -> Reply {
        for warning in self.noted.take() {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        let value = read::shaped(
            self.call,
            &self.target.served,
            value,
            self.form,
            self.state.now(),
        );
        let mut reply = Reply::json(code, &value);
        reply.warnings = warnings;
        reply
    }
}

/// What came of writing a new state.
pub(crate) enum Outcome {
    /// The object as it is now.
    Done(Value),
    /// Somebody else was faster.
    Again,
}

/// How often a write that others overtake is tried again.
pub(crate) const ATTEMPTS: usize = 5;

/// Answers POST.
pub(crate) fn create(state: &State, call: &Call, target: &Target) -> Result<Reply> {
    let write = Write::new(state, call, target)?;
    if let Some((mut answer, status)) = review::review(state, call, target)? {
        let is_owned = answer["kind"] != "SelfSubjectRulesReview";
        if is_owned && target.served.kind.group == "authorization.k8s.io" {
            write.own(&target.served.empty, &mut answer);
        }
        answer["status"] = status;
        return Ok(Reply::json(201, &answer));
    }
    let incoming = write.read(write.document()?)?;
    let mut value = incoming.value;
    metadata::check_namespace(target, &mut value)?;
    write.own(&target.served.empty, &mut value);
    let created = write.create(value);
    let created = created.map_err(|error| error.warned(&incoming.warnings))?;
    Ok(write.reply(201, created, incoming.warnings))
}

/// Answers PUT.
pub(crate) fn update(state: &State, call: &Call, target: &Target) -> Result<Reply> {
    let write = Write::new(state, call, target)?;
    let incoming = write.read(write.document()?)?;
    let object_name = target.object_name()?;
    let mut value = incoming.value;
    metadata::check_namespace(target, &mut value)?;
    metadata::check_name(name_of(&value), &object_name.name)?;
    let wanted = text_at(&value, &["metadata", "resourceVersion"]).map(str::to_owned);
    for _ in 0..ATTEMPTS {
        let stored = state.store().get(&target.served.storage, &object_name);
        let Some(stored) = stored else {
            if target.subresource.is_empty() && holdfast_admit::created_by_update(&target.served) {
                metadata::as_new(target, &object_name.name, &mut value)?;
                write.own(&target.served.empty, &mut value);
                let created = write.create(value)?;
                return Ok(write.reply(201, created, incoming.warnings));
            }
            return Err(target.not_found());
        };
        let old = in_version(stored.value(), &target.served);
        if wanted.is_none() && holdfast_admit::needs_version(&target.served) {
            let error = FieldError::invalid(
                "metadata.resourceVersion",
                &json!(0),
                "must be specified for an update",
            );
            return Err(ApiError::invalid(
                &target.served.resource(),
                &object_name.name,
                &[error],
            ));
        }
        if wanted
            .as_ref()
            .is_some_and(|wanted| *wanted != stored.revision.to_string())
        {
            return Err(ApiError::changed(
                &target.served.resource(),
                &object_name.name,
            ));
        }
        if let Some(problem) = &incoming.kind_problem {
            return Err(problem.clone());
        }
        let mut new = value.clone();
        write.own_as_written(&old, &mut new, &incoming.rewritten);
        let replaced = write.replace(&stored, &old, new);
        let replaced = replaced.map_err(|error| error.warned(&incoming.warnings))?;
        if let Outcome::Done(value) = replaced {
            return Ok(write.reply(200, value, incoming.warnings));
        }
    }
    Err(ApiError::changed(
        &target.served.resource(),
        &object_name.name,
    ))
}
