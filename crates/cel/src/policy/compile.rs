//! The expressions of a policy: read, typed, and refused in the words of the real server. It must not
//! know requests.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use kube_cel::cel::common::ast::IdedExpr as Expression;

use crate::evaluate::COMPOSED;
use crate::expression::{joined, read};
use crate::places::shown;
use crate::typing::{BOOL, INT, STRING, Type, check};

/// The longest expression (`ExpressionSizeLimit` of cel-go's parser).
const MAX_EXPRESSION: usize = 100_000;
/// The variable that is the resource of the request.
pub(super) const REQUESTED: &str = "authorizer.requestResource";

/// An expression, or what is wrong with it.
pub struct Compiled {
    /// As it is written.
    pub(super) text: String,
    pub(super) expression: Result<Expression, String>,
}

impl Compiled {
    /// What is wrong with it.
    pub fn problem(&self) -> Option<&str> {
        self.expression.as_ref().err().map(String::as_str)
    }
}

/// Compiles the expressions of one policy, which know its variables as far as they have come.
pub struct Compiler {
    has_params: bool,
    variables: Option<BTreeMap<String, Type<'static>>>,
}

/// What an expression may result in.
enum Wanted {
    Anything,
    Truth,
    Text,
    TextOrNothing,
}

impl Compiler {
    /// For a policy without variables so far, with parameters or without.
    pub fn new(has_params: bool) -> Self {
        Self {
            has_params,
            variables: None,
        }
    }

    /// An expression that has a name, by which those that follow know it.
    pub fn variable(&mut self, name: &str, text: &str) -> Compiled {
        self.variables.get_or_insert_default();
        let (compiled, found) = self.compiled(text, true, &Wanted::Anything);
        // One that cannot be compiled may be anything.
        let found = found.map_or(Type::Dyn, declared);
        let variables = self.variables.get_or_insert_default();
        variables.insert(name.to_owned(), found);
        compiled
    }

    /// An expression that is true or false.
    pub fn condition(&self, text: &str) -> Compiled {
        self.compiled(text, true, &Wanted::Truth).0
    }

    /// An expression that makes a message, for which nobody is asked who may do what.
    pub fn message(&self, text: &str) -> Compiled {
        self.compiled(text, false, &Wanted::Text).0
    }

    /// An expression that makes an annotation for an audit log, or nothing.
    pub fn annotation(&self, text: &str) -> Compiled {
        self.compiled(text, true, &Wanted::TextOrNothing).0
    }

    fn compiled(
        &self,
        text: &str,
        has_authorizer: bool,
        wanted: &Wanted,
    ) -> (Compiled, Option<Type<'static>>) {
        let found = self.typed(text, has_authorizer);
        let found = found.and_then(|(expression, found)| match refused(wanted, &found) {
            Some(problem) => Err(problem),
            None => Ok((expression, found)),
        });
        let (expression, found) = match found {
            Ok((expression, found)) => (Ok(expression), Some(found)),
            Err(problem) => (Err(problem), None),
        };
        let text = text.to_owned();
        (Compiled { text, expression }, found)
    }

    fn typed(
        &self,
        text: &str,
        has_authorizer: bool,
    ) -> Result<(Expression, Type<'static>), String> {
        let failed = |problem: String| format!("compilation failed: {problem}");
        let size = text.chars().count();
        if size > MAX_EXPRESSION {
            return Err(failed(format!(
                "ERROR: <input>:-1:0: expression code point size exceeds limit: size: {size}, limit \
                 {MAX_EXPRESSION}"
            )));
        }
        let mut expression = read(text).map_err(failed)?;
        if has_authorizer {
            expression = joined(expression, REQUESTED);
        }
        let variables = self.declarations(has_authorizer);
        let typed = check(&expression, variables);
        let typed = typed.map_err(|problems| failed(shown(text, &problems)))?;
        let found = typed.result.clone();
        Ok((expression, found))
    }

    fn declarations(&self, has_authorizer: bool) -> Vec<(String, Type<'static>)> {
        let mut declared = vec![
            ("object", Type::Dyn),
            ("oldObject", Type::Dyn),
            ("request", REQUEST.clone()),
            ("namespaceObject", NAMESPACE.clone()),
        ];
        if self.has_params {
            declared.push(("params", Type::Dyn));
        }
        if has_authorizer {
            let of = |name| Type::Opaque(name, [].into());
            declared.push(("authorizer", of("kubernetes.authorization.Authorizer")));
            declared.push((REQUESTED, of("kubernetes.authorization.ResourceCheck")));
        }
        if let Some(variables) = &self.variables {
            let found = Type::object("kubernetes.variables", variables.clone());
            declared.push((COMPOSED, found));
        }
        let declared = declared.into_iter();
        declared
            .map(|(name, found)| (name.to_owned(), found))
            .collect()
    }
}

/// The type of a variable that other expressions may use: lists, maps and what has no parts keep
/// theirs.
fn declared(found: Type<'static>) -> Type<'static> {
    match found {
        Type::Plain(_) | Type::Null => found,
        Type::List(item) => declared((*item).clone()).list(),
        Type::Map(parts) => Type::map(declared(parts.0.clone()), declared(parts.1.clone())),
        _ => Type::Dyn,
    }
}

/// Why a type is none that is wanted.
fn refused(wanted: &Wanted, found: &Type<'_>) -> Option<String> {
    let named = named(found);
    let one = |name: &str| Some(format!("must evaluate to {name} but got {named}"));
    match wanted {
        Wanted::Truth if !found.is(&BOOL) => one("bool"),
        Wanted::Text if !found.is(&STRING) => one("string"),
        Wanted::TextOrNothing if !found.is(&STRING) && !matches!(found, Type::Null) => Some(
            format!("must evaluate to one of [string null_type] but got {named}"),
        ),
        _ => None,
    }
}

/// A type by its own name, which is not always that by which messages about parts call it.
fn named(found: &Type<'_>) -> String {
    match found {
        Type::Null => "null_type".to_owned(),
        Type::Plain("duration") => "google.protobuf.Duration".to_owned(),
        Type::Plain("timestamp") => "google.protobuf.Timestamp".to_owned(),
        Type::List(item) => format!("list({})", named(item)),
        Type::Map(parts) => format!("map({}, {})", named(&parts.0), named(&parts.1)),
        other => other.to_string(),
    }
}

/// The fields of an object, by their types.
type Fields<'f> = &'f [(&'f str, Type<'static>)];

fn object(name: &str, fields: Fields<'_>) -> Type<'static> {
    let fields = fields.iter();
    let fields = fields.map(|(name, found)| ((*name).to_owned(), found.clone()));
    Type::object(name, fields.collect())
}

/// A request, as far as policies may see it.
static REQUEST: LazyLock<Type<'static>> = LazyLock::new(|| {
    let kind = [("group", STRING), ("version", STRING), ("kind", STRING)];
    let kind = object("kubernetes.GroupVersionKind", &kind);
    let resource = [("group", STRING), ("version", STRING), ("resource", STRING)];
    let resource = object("kubernetes.GroupVersionResource", &resource);
    let user = [
        ("username", STRING),
        ("uid", STRING),
        ("groups", STRING.list()),
        ("extra", Type::map(STRING, STRING.list())),
    ];
    let fields = [
        ("kind", kind.clone()),
        ("resource", resource.clone()),
        ("subResource", STRING),
        ("requestKind", kind),
        ("requestResource", resource),
        ("requestSubResource", STRING),
        ("name", STRING),
        ("namespace", STRING),
        ("operation", STRING),
        ("userInfo", object("kubernetes.UserInfo", &user)),
        ("dryRun", BOOL),
        ("options", Type::Dyn),
    ];
    object("kubernetes.AdmissionRequest", &fields)
});

/// A namespace, as far as policies may see it.
static NAMESPACE: LazyLock<Type<'static>> = LazyLock::new(|| {
    let time = || Type::Plain("timestamp");
    let words = || Type::map(STRING, STRING);
    let spec = [("finalizers", STRING.list())];
    let condition = [
        ("status", STRING),
        ("type", STRING),
        ("lastTransitionTime", time()),
        ("message", STRING),
        ("reason", STRING),
    ];
    let condition = object("kubernetes.NamespaceCondition", &condition);
    let status = [("conditions", condition.list()), ("phase", STRING)];
    let metadata = [
        ("name", STRING),
        ("generateName", STRING),
        ("namespace", STRING),
        ("labels", words()),
        ("annotations", words()),
        ("UID", STRING),
        ("creationTimestamp", time()),
        ("deletionGracePeriodSeconds", INT),
        ("deletionTimestamp", time()),
        ("generation", INT),
        ("resourceVersion", STRING),
        ("finalizers", STRING.list()),
    ];
    let fields = [
        (
            "metadata",
            object("kubernetes.NamespaceMetadata", &metadata),
        ),
        ("spec", object("kubernetes.NamespaceSpec", &spec)),
        ("status", object("kubernetes.NamespaceStatus", &status)),
    ];
    object("kubernetes.Namespace", &fields)
});
