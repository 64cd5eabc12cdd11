//! Evaluates pipelines, commands and operands, and calls functions.
//!
//! It must not write output.

use std::rc::Rc;

use super::{Frame, Outcome, Run, call_failed, place, set_slot, source};
use crate::ast::{Command, Fields, Number, Operand, Pipe, Slot, Span, Term};
use crate::error::Error;
use crate::functions::{Body, Function, Param};
use crate::methods;
use crate::value::Value;

impl Run<'_> {
    pub(super) fn pipe(&mut self, frame: &mut Frame<'_>, dot: &Value, pipe: &Pipe) -> Outcome {
        let mut value = None;
        for command in &*pipe.commands {
            let result = self.command(frame, dot, command, value)?;
            value = Some(match result {
                Value::Nil => Value::Invalid,
                result => result,
            });
        }
        let value = value.unwrap_or(Value::Invalid);
        for slot in &*pipe.targets {
            set_slot(frame, *slot, value.clone())
                .map_err(|error| place(frame, pipe.span, error))?;
        }
        Ok(value)
    }

    fn command(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        command: &Command,
        last: Option<Value>,
    ) -> Outcome {
        let Some((first, rest)) = command.operands.split_first() else {
            return Ok(Value::Invalid);
        };
        let arguments = Arguments { rest, last };
        match &first.term {
            Term::Function(function) => {
                return self.function(frame, dot, (command.span, function), arguments);
            }
            Term::Field(fields) => {
                return self.fields(frame, dot, (first.span, dot.clone(), *fields), arguments);
            }
            Term::Variable(slot, fields) if !fields.is_empty() => {
                let receiver = variable(frame, first.span, *slot)?;
                return self.fields(frame, dot, (first.span, receiver, *fields), arguments);
            }
            Term::Chain(inner, fields) => {
                let receiver = self.receiver(frame, dot, inner)?;
                return self.fields(frame, dot, (first.span, receiver, *fields), arguments);
            }
            _ => {}
        }
        if !arguments.is_empty() {
            let what = source(frame, first.span);
            let message = format!("can't give argument to non-function {what}");
            return Err(place(frame, first.span, Error::execute(message)));
        }
        match &first.term {
            Term::Nil => {
                let error = Error::execute("nil is not a command");
                Err(place(frame, first.span, error))
            }
            _ => self.operand(frame, dot, first),
        }
    }

    /// The value of an operand whose type nobody prescribes.
    fn operand(&mut self, frame: &mut Frame<'_>, dot: &Value, operand: &Operand) -> Outcome {
        let none = Arguments {
            rest: &[],
            last: None,
        };
        match &operand.term {
            Term::Dot => Ok(dot.clone()),
            Term::Nil => Ok(Value::Nil),
            Term::Bool(flag) => Ok(Value::Bool(*flag)),
            Term::Number(number) => {
                ideal(number).map_err(|error| place(frame, operand.span, error))
            }
            Term::Text(text) => Ok(Value::Text(Rc::from(&**text))),
            Term::Raw(bytes) => Ok(Value::Raw(Rc::from(&**bytes))),
            Term::Field(fields) => {
                self.fields(frame, dot, (operand.span, dot.clone(), *fields), none)
            }
            Term::Variable(slot, fields) => {
                let receiver = variable(frame, operand.span, *slot)?;
                if fields.is_empty() {
                    return Ok(receiver);
                }
                self.fields(frame, dot, (operand.span, receiver, *fields), none)
            }
            Term::Chain(inner, fields) => {
                let receiver = self.receiver(frame, dot, inner)?;
                self.fields(frame, dot, (operand.span, receiver, *fields), none)
            }
            Term::Pipe(pipe) => self.pipe(frame, dot, pipe),
            Term::Function(function) => self.function(frame, dot, (operand.span, function), none),
        }
    }

    /// What stands before the fields of a chain.
    fn receiver(&mut self, frame: &mut Frame<'_>, dot: &Value, operand: &Operand) -> Outcome {
        self.operand(frame, dot, operand)
    }

    fn fields(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        (span, receiver, fields): (Span, Value, Fields),
        arguments: Arguments<'_>,
    ) -> Outcome {
        let Some((path, last)) = fields.split(&frame.template.source) else {
            return Ok(receiver);
        };
        let mut value = receiver;
        for name in path.split('.').skip(1) {
            value = self
                .field(&value, name, &[])
                .map_err(|error| place(frame, span, error))?;
        }
        if arguments.is_empty() {
            return self
                .field(&value, last, &[])
                .map_err(|error| place(frame, span, error));
        }
        let mut given = Vec::with_capacity(arguments.rest.len() + 1);
        for operand in arguments.rest {
            let argument = self.operand(frame, dot, operand)?;
            given.push(argument);
        }
        given.extend(arguments.last);
        self.field(&value, last, &given)
            .map_err(|error| place(frame, span, error))
    }

    /// A field, entry or method of a value.
    fn field(&mut self, receiver: &Value, name: &str, arguments: &[Value]) -> Outcome {
        match receiver {
            Value::Invalid if self.inputs.strict => Err(Error::execute(format!(
                "nil data; no entry for key {name:?}"
            ))),
            Value::Invalid => Ok(Value::Invalid),
            Value::Nil => Err(Error::execute(format!(
                "nil pointer evaluating interface {{}}.{name}"
            ))),
            _ => methods::field(receiver, name, arguments, self.inputs.strict),
        }
    }

    fn function(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        (span, function): (Span, &'static Function),
        arguments: Arguments<'_>,
    ) -> Outcome {
        self.step().map_err(|error| place(frame, span, error))?;
        let count = arguments.rest.len() + usize::from(arguments.last.is_some());
        function
            .check_count(count)
            .map_err(|message| place(frame, span, Error::execute(message)))?;
        if let Body::Until(stop) = function.body {
            return self.short_circuit(frame, dot, stop, arguments);
        }
        let mut given: Vec<Value> = Vec::with_capacity(count);
        for (index, operand) in arguments.rest.iter().enumerate() {
            let param = function.param(index);
            given.push(self.argument(frame, dot, operand, param)?);
        }
        if let Some(last) = arguments.last {
            let param = function.param(given.len());
            let last = param
                .accept(last)
                .map_err(|message| place(frame, span, Error::execute(message)))?;
            given.push(last);
        }
        let outcome = match function.body {
            Body::Plain(body) => body(&given),
            Body::Run(body) => body(self, &given),
            Body::Until(_) => Ok(Value::Invalid),
        };
        match outcome {
            Ok(value) => {
                if let Some(bytes) = value.as_bytes() {
                    let size = bytes.len();
                    self.charge(size)
                        .map_err(|error| place(frame, span, error))?;
                }
                Ok(value)
            }
            Err(error) => Err(call_failed(frame, span, function.name, error)),
        }
    }

    /// `and` and `or`: the first operand whose truth is `stop`, or the last one.
    fn short_circuit(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        stop: bool,
        arguments: Arguments<'_>,
    ) -> Outcome {
        let mut value = Value::Invalid;
        for operand in arguments.rest {
            value = self.argument(frame, dot, operand, Param::Reflect)?;
            if value.truth() == stop {
                return Ok(value);
            }
        }
        Ok(arguments.last.unwrap_or(value))
    }

    fn argument(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        operand: &Operand,
        param: Param,
    ) -> Outcome {
        let outcome = match &operand.term {
            Term::Bool(_) | Term::Number(_) | Term::Text(_) | Term::Raw(_) => {
                match (&operand.term, param) {
                    (_, Param::Any | Param::Reflect)
                    | (Term::Bool(_), Param::Bool)
                    | (Term::Text(_) | Term::Raw(_), Param::Text) => {
                        return self.operand(frame, dot, operand);
                    }
                    (Term::Number(number), Param::Int) => number.integer.map(Value::int),
                    (Term::Number(number), Param::Float) => number.float.map(Value::Float),
                    _ => None,
                }
                .ok_or_else(|| {
                    let found = source(frame, operand.span);
                    format!("expected {}; found {found}", param.literal_name())
                })
            }
            Term::Nil if param.can_be_nil() => Ok(Value::Nil),
            Term::Nil => Err(format!("cannot assign nil to {}", param.type_name())),
            _ => {
                let value = self.operand(frame, dot, operand)?;
                param.accept(value)
            }
        };
        outcome.map_err(|message| place(frame, operand.span, Error::execute(message)))
    }
}

/// What a command gives to what it calls.
struct Arguments<'t> {
    rest: &'t [Operand],
    last: Option<Value>,
}

impl Arguments<'_> {
    fn is_empty(&self) -> bool {
        self.rest.is_empty() && self.last.is_none()
    }
}

fn variable(frame: &Frame<'_>, span: Span, slot: Slot) -> Outcome {
    match frame.slots.get(slot.0 as usize) {
        Some(value) => Ok(value.clone()),
        None => Err(place(frame, span, Error::execute("undefined variable"))),
    }
}

/// A number literal where nothing prescribes its type.
fn ideal(number: &Number) -> Outcome {
    match number {
        Number {
            reads_as_float: true,
            float: Some(float),
            ..
        } => Ok(Value::Float(*float)),
        Number {
            integer: Some(integer),
            ..
        } => Ok(Value::int(*integer)),
        Number { unsigned, .. } => Err(Error::execute(match unsigned {
            Some(number) => format!("{number} overflows int"),
            None => "the number overflows int".to_owned(),
        })),
    }
}
