//! Finds the type of an expression and what does not fit in it, as cel-go's checker does
//! (`checker/checker.go`). It must not know how expressions are run.

use std::collections::HashMap;

use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr as Expression, ListExpr, LiteralValue,
    MapExpr, operators,
};

use super::bindings::{Bindings, renamed};
use super::kinds::{BOOL, INT, Object, STRING, Type};
use super::literals::Literal;
use super::signatures::{Signature, overloads};
use super::{literals, shape, signatures};
use crate::places::Problem;
use crate::tree::{path, selected};

/// The types of an expression and of its parts.
pub(crate) struct Typed<'a> {
    /// The type of the result; anything where that cannot be told.
    pub(crate) result: Type<'a>,
    types: HashMap<usize, Type<'a>>,
    calls: HashMap<usize, Vec<&'static Signature>>,
}

impl<'a> Typed<'a> {
    /// The type of a part.
    pub(crate) fn of(&self, part: &Expression) -> Option<&Type<'a>> {
        self.types.get(&place(part))
    }

    /// The ways in which a function is called: several where it is not known what it is given.
    pub(crate) fn signatures(&self, call: &Expression) -> &[&'static Signature] {
        self.calls.get(&place(call)).map_or(&[], Vec::as_slice)
    }
}

/// What tells a part from all others: parts that a macro makes share their numbers.
fn place(part: &Expression) -> usize {
    std::ptr::from_ref(part).addr()
}

/// The types of an expression, where these variables are known.
///
/// # Errors
/// All that does not fit.
pub(crate) fn check<'a>(
    expression: &Expression,
    variables: Vec<(String, Type<'a>)>,
) -> Result<Typed<'a>, Vec<Problem>> {
    let mut check = Check {
        types: HashMap::new(),
        calls: HashMap::new(),
        variables,
        bindings: Bindings::new(),
        problems: Vec::new(),
        literals: Vec::new(),
    };
    let found = check.part(expression);
    let result = check.bindings.settled(&found);
    if check.problems.is_empty() {
        let lists = std::mem::take(&mut check.literals);
        check.problems = literals::problems(expression, &lists, &mut check.bindings);
    }
    if check.problems.is_empty() || check.bindings.is_spent() {
        let types = check.types.into_iter();
        let bindings = &mut check.bindings;
        Ok(Typed {
            result,
            types: types
                .map(|(part, found)| (part, bindings.settled(&found)))
                .collect(),
            calls: check.calls,
        })
    } else {
        Err(check.problems)
    }
}

struct Check<'a> {
    types: HashMap<usize, Type<'a>>,
    calls: HashMap<usize, Vec<&'static Signature>>,
    /// Inner ones are later.
    variables: Vec<(String, Type<'a>)>,
    bindings: Bindings<'a>,
    problems: Vec<Problem>,
    /// The parts of lists and maps that have to be of one type.
    literals: Vec<Literal<'a>>,
}

impl<'a> Check<'a> {
    fn refuse(&mut self, id: u64, message: String) {
        // A type that has grown without bounds is told in part, and nobody needs a hundred.
        if self.problems.len() < 100 {
            self.problems.push(Problem { id, message });
        }
    }

    fn mismatch(&mut self, id: u64, wanted: &Type<'a>, found: &Type<'a>) {
        self.refuse(id, format!("expected type '{wanted}' but found '{found}'"));
    }

    fn undeclared(&mut self, id: u64, name: &str) -> Type<'a> {
        let message = format!("undeclared reference to '{name}' (in container '')");
        self.refuse(id, message);
        Type::Error
    }

    fn part(&mut self, expression: &Expression) -> Type<'a> {
        let found = self.found(expression);
        self.types.insert(place(expression), found.clone());
        found
    }

    fn found(&mut self, expression: &Expression) -> Type<'a> {
        let id = expression.id;
        match &expression.expr {
            Expr::Literal(literal) => of_literal(literal),
            Expr::Ident(name) => self.variable(id, name),
            Expr::Select(select) if select.test => {
                self.field(id, &select.operand, (&select.field, false));
                BOOL
            }
            Expr::Select(select) => self.field(id, &select.operand, (&select.field, false)),
            Expr::Call(call) => self.call(expression, call),
            Expr::List(list) => self.list(id, list),
            Expr::Map(map) => self.map(id, map),
            Expr::Comprehension(inner) => self.comprehension(inner),
            Expr::Struct(inner) => self.undeclared(id, &inner.type_name),
            Expr::Unspecified => Type::Dyn,
        }
    }

    fn variable(&mut self, id: u64, name: &str) -> Type<'a> {
        let mut known = self.variables.iter().rev();
        if let Some((_, found)) = known.find(|(known, _)| known == name) {
            return found.clone();
        }
        match signatures::named(name) {
            Some(found) => found,
            None => self.undeclared(id, name),
        }
    }

    /// The type of a field of something; its second word says whether it may be absent.
    fn field(
        &mut self,
        id: u64,
        operand: &Expression,
        (name, is_optional): (&str, bool),
    ) -> Type<'a> {
        let owner = self.part(operand);
        let owner = self.bindings.filled(&owner);
        let (owner, is_held) = match owner.held() {
            Some(held) => (held.clone(), true),
            None => (owner, false),
        };
        let found = match &owner {
            Type::Map(parts) => parts.1.clone(),
            Type::Object(object) => self.field_of(id, object, name),
            Type::Variable(_) => {
                self.bindings.fits(&Type::Dyn, &owner);
                Type::Dyn
            }
            // Some of libraries are objects too, whose fields nobody knows.
            Type::Opaque(library, _) if library.starts_with("kubernetes.") => {
                let message = format!("unexpected failed resolution of '{library}'");
                self.refuse(id, message);
                Type::Error
            }
            Type::Dyn | Type::Error | Type::Plain("any") => Type::Dyn,
            other => {
                let message = format!("type '{other}' does not support field selection");
                self.refuse(id, message);
                Type::Dyn
            }
        };
        let found = self.bindings.filled(&found);
        if is_held || is_optional {
            found.optional()
        } else {
            found
        }
    }

    fn field_of(&mut self, id: u64, object: &Object<'a>, name: &str) -> Type<'a> {
        shape::field(object, name).unwrap_or_else(|| {
            self.refuse(id, format!("undefined field '{name}'"));
            Type::Error
        })
    }

    fn call(&mut self, expression: &Expression, call: &CallExpr) -> Type<'a> {
        if let Some((operand, name)) = selected(call) {
            return self.field(expression.id, operand, (name, true));
        }
        let id = expression.id;
        let mut args: Vec<Type<'a>> = call.args.iter().map(|arg| self.part(arg)).collect();
        let (name, target) = match call.target.as_deref() {
            None => (call.func_name.clone(), None),
            Some(target) => {
                let full_name = path(target).map(|path| format!("{path}.{}", call.func_name));
                match full_name.filter(|name| signatures::is_function(name)) {
                    Some(name) => (name, None),
                    None => (call.func_name.clone(), Some(target)),
                }
            }
        };
        if let Some(target) = target {
            let found = self.part(target);
            args.insert(0, found);
        }
        match overloads(&name) {
            Some(known) => self.result((expression, &name), known, (target.is_some(), call), args),
            None => self.undeclared(id, &name),
        }
    }

    /// What a function results in that is called with operands of these types.
    fn result(
        &mut self,
        (expression, name): (&Expression, &str),
        known: &'static [Signature],
        (is_method, call): (bool, &CallExpr),
        args: Vec<Type<'a>>,
    ) -> Type<'a> {
        let at = place(expression);
        if matches!(name, operators::LOGICAL_AND | operators::LOGICAL_OR) {
            self.calls.insert(at, known.iter().collect());
            return self.logic(call, &args);
        }
        let mut result: Option<Type<'a>> = None;
        for signature in known.iter().filter(|known| known.is_method == is_method) {
            let first = self.bindings.fresh(signature.variables);
            let wanted = signature.args.iter().map(|arg| renamed(arg, first));
            let wanted: Vec<Type<'a>> = wanted.collect();
            let pairs: Vec<(&Type<'a>, &Type<'a>)> = args.iter().zip(&wanted).collect();
            if args.len() != wanted.len() || !self.bindings.all_fit(&pairs) {
                continue;
            }
            self.calls.entry(at).or_default().push(signature);
            let found = self.bindings.filled(&renamed(&signature.result, first));
            result = Some(match result {
                None => found,
                Some(Type::Dyn) => Type::Dyn,
                Some(before) if self.bindings.is_same(&before, &found) => before,
                Some(_) => Type::Dyn,
            });
        }
        result.unwrap_or_else(|| {
            let shown = args.iter().map(|arg| self.bindings.settled(arg));
            let shown: Vec<String> = shown.map(|arg| arg.to_string()).collect();
            let (target, args) = shown.split_at(usize::from(is_method));
            let target: String = target.iter().map(|target| format!("{target}.")).collect();
            let applied = format!("{target}({})", args.join(", "));
            let message = format!("found no matching overload for '{name}' applied to '{applied}'");
            self.refuse(expression.id, message);
            Type::Error
        })
    }

    fn logic(&mut self, call: &CallExpr, args: &[Type<'a>]) -> Type<'a> {
        let mut result = BOOL;
        for (arg, found) in call.args.iter().zip(args) {
            if !self.bindings.fits(found, &BOOL) {
                self.mismatch(arg.id, &BOOL, found);
                result = Type::Error;
            }
        }
        result
    }

    fn list(&mut self, id: u64, list: &ListExpr) -> Type<'a> {
        let mut items = Vec::new();
        let mut joined = None;
        for (index, element) in list.elements.iter().enumerate() {
            let mut found = self.part(element);
            if list.optional_indices.contains(&index) {
                found = self.unwrapped(element.id, found);
            }
            items.push((element.id, found.clone()));
            joined = Some(self.join(joined, found));
        }
        self.literals.push(Literal::List(id, items));
        joined.unwrap_or_else(|| self.open()).list()
    }

    fn map(&mut self, id: u64, map: &MapExpr) -> Type<'a> {
        let mut entries = Vec::new();
        let (mut keys, mut values) = (None, None);
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else {
                continue;
            };
            let key = self.part(&entry.key);
            keys = Some(self.join(keys, key.clone()));
            let mut value = self.part(&entry.value);
            if entry.optional {
                value = self.unwrapped(entry.value.id, value);
            }
            values = Some(self.join(values, value.clone()));
            entries.push(((entry.key.id, key), (entry.value.id, value)));
        }
        self.literals.push(Literal::Map(id, entries));
        let key = keys.unwrap_or_else(|| self.open());
        Type::map(key, values.unwrap_or_else(|| self.open()))
    }

    /// A type that nothing is known of.
    fn open(&mut self) -> Type<'a> {
        Type::Variable(self.bindings.fresh(1))
    }

    /// What a value holds that has to be optional.
    fn unwrapped(&mut self, id: u64, found: Type<'a>) -> Type<'a> {
        match found.held() {
            Some(held) => held.clone(),
            None => {
                if !found.is_dyn() {
                    self.mismatch(id, &found.clone().optional(), &found);
                }
                found
            }
        }
    }

    fn join(&mut self, before: Option<Type<'a>>, found: Type<'a>) -> Type<'a> {
        let Some(before) = before else {
            return found;
        };
        if self.bindings.fits(&before, &found) {
            return self.bindings.more_general(&before, &found);
        }
        // Mixed parts are looked at when everything else fits.
        Type::Dyn
    }

    fn comprehension(&mut self, inner: &ComprehensionExpr) -> Type<'a> {
        let range = self.part(&inner.iter_range);
        let so_far = self.part(&inner.accu_init);
        let range = self.bindings.filled(&range);
        let outer = self.variables.len();
        self.variables
            .push((inner.accu_var.clone(), so_far.clone()));
        let (first, second) = self.looped(inner.iter_range.id, &range, inner.iter_var2.is_some());
        self.variables.push((inner.iter_var.clone(), first));
        if let Some(name) = &inner.iter_var2 {
            self.variables.push((name.clone(), second));
        }
        for (part, wanted) in [(&inner.loop_cond, &BOOL), (&inner.loop_step, &so_far)] {
            let found = self.part(part);
            if !self.bindings.fits(wanted, &found) {
                self.mismatch(part.id, wanted, &found);
            }
        }
        self.variables.truncate(outer + 1);
        let result = self.part(&inner.result);
        self.variables.truncate(outer);
        self.bindings.filled(&result)
    }

    /// The types of the variables of a loop over a range.
    fn looped(&mut self, id: u64, range: &Type<'a>, has_two: bool) -> (Type<'a>, Type<'a>) {
        match range {
            Type::List(item) if has_two => (INT, (**item).clone()),
            Type::List(item) => ((**item).clone(), Type::Dyn),
            Type::Map(parts) => (parts.0.clone(), parts.1.clone()),
            Type::Dyn | Type::Error | Type::Variable(_) => {
                self.bindings.fits(&Type::Dyn, range);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                let message = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be \
                     list, map, or dynamic)"
                );
                self.refuse(id, message);
                (Type::Error, Type::Error)
            }
        }
    }
}

fn of_literal<'a>(literal: &LiteralValue) -> Type<'a> {
    match literal {
        LiteralValue::Boolean(_) => BOOL,
        LiteralValue::Bytes(_) => Type::Plain("bytes"),
        LiteralValue::Double(_) => Type::Plain("double"),
        LiteralValue::Int(_) => INT,
        LiteralValue::Null => Type::Null,
        LiteralValue::String(_) => STRING,
        LiteralValue::UInt(_) => Type::Plain("uint"),
    }
}
