//! Reads what stands inside an action: pipelines, commands and operands.
//!
//! It must not know what actions there are.

use super::{Parsed, Parser, Targets};
use crate::ast::{Command, Fields, Operand, Pipe, Slot, Span, Term};
use crate::functions;
use crate::lex::{Keyword, Lexeme, Token};
use crate::literal;

impl Parser<'_> {
    pub(super) fn pipe(&mut self, context: &str, end: Token) -> Parsed<Pipe> {
        let start = self.peek_word().start();
        let targets = self.targets(context)?;
        let commands_start = self.scope.variables.len();
        // What is declared here has its new value only behind the pipeline, yet its name may be
        // used in it, for one of the same name that was declared before.
        for name in &targets.names {
            if self.scope.find(name).is_none() {
                let unknown = (name.as_str().into(), Slot::UNKNOWN);
                self.scope.variables.push(unknown);
            }
        }
        // One, as a rule.
        let mut commands: Vec<Command> = Vec::with_capacity(1);
        loop {
            let lexeme = self.peek_word();
            match lexeme.token {
                token if token == end => {
                    self.take();
                    self.check_pipe(lexeme, context, &commands)?;
                    let span = Span::new(start, lexeme.start());
                    let inner = self.scope.variables.split_off(commands_start);
                    let known = inner.into_iter().filter(|(_, slot)| *slot != Slot::UNKNOWN);
                    self.scope.variables.extend(known);
                    let targets = self.bind(targets);
                    return Ok(Pipe {
                        span,
                        targets,
                        commands: commands.into(),
                    });
                }
                Token::Bool
                | Token::Char
                | Token::Keyword(Keyword::Dot | Keyword::Nil)
                | Token::Field
                | Token::Name
                | Token::Number
                | Token::RawQuoted
                | Token::Quoted
                | Token::Variable
                | Token::OpenParen => {
                    let command = self.command()?;
                    commands.push(command);
                }
                _ => return Err(self.unexpected(lexeme, context)),
            }
        }
    }

    fn check_pipe(&self, at: Lexeme, context: &str, commands: &[Command]) -> Parsed<()> {
        if commands.is_empty() {
            return Err(self.error(at, format!("missing value for {context}")));
        }
        for (index, command) in commands.iter().enumerate().skip(1) {
            let first = command.operands.first().map(|operand| &operand.term);
            let is_constant = matches!(
                first,
                Some(
                    Term::Bool(_)
                        | Term::Dot
                        | Term::Nil
                        | Term::Number(_)
                        | Term::Text(_)
                        | Term::Raw(_)
                )
            );
            if is_constant {
                let stage = index + 1;
                let message = format!("non executable command in pipeline stage {stage}");
                return Err(self.error(at, message));
            }
        }
        Ok(())
    }

    /// The variables that a pipeline declares or assigns, before its commands.
    fn targets(&mut self, context: &str) -> Parsed<Targets> {
        let mut names: Vec<String> = Vec::new();
        loop {
            let mark = self.next;
            let lexeme = self.peek_word();
            if lexeme.token != Token::Variable {
                self.next = mark;
                break;
            }
            self.take();
            let name = self.text(lexeme).to_owned();
            match self.peek_word().token {
                token @ (Token::Assign | Token::Declare) => {
                    self.take();
                    names.push(name);
                    let declares = token == Token::Declare;
                    return Ok(Targets { names, declares });
                }
                Token::Comma => {
                    self.take();
                    names.push(name);
                    if context != "range" || names.len() > 1 {
                        let message = format!("too many declarations in {context}");
                        return Err(self.error(lexeme, message));
                    }
                    let next = self.peek_word().token;
                    if !matches!(next, Token::Variable | Token::Close | Token::CloseParen) {
                        return Err(self.error(lexeme, "range can only initialize variables"));
                    }
                }
                _ => {
                    self.next = mark;
                    break;
                }
            }
        }
        // `range $a, $b` without `:=` declares the first and uses the second.
        let declares = true;
        Ok(Targets { names, declares })
    }

    fn bind(&mut self, targets: Targets) -> Box<[Slot]> {
        let mut slots = Vec::with_capacity(targets.names.len());
        for name in targets.names {
            let known = self.scope.find(&name);
            if let (false, Some(slot)) = (targets.declares, known) {
                slots.push(slot);
                continue;
            }
            let slot = if targets.declares {
                let slot = Slot(self.scope.slots);
                self.scope.slots += 1;
                slot
            } else {
                Slot::UNKNOWN
            };
            self.scope.variables.push((name.into(), slot));
            slots.push(slot);
        }
        slots.into()
    }

    fn command(&mut self) -> Parsed<Command> {
        let first = self.peek_word();
        let start = first.start();
        // Functions take something; nothing else does, as a rule.
        let count = if first.token == Token::Name { 2 } else { 1 };
        let mut operands = Vec::with_capacity(count);
        loop {
            self.skip_space();
            let end = self.peek().start();
            if let Some(operand) = self.operand()? {
                operands.push(operand);
            }
            let lexeme = self.peek();
            match lexeme.token {
                Token::Space => {
                    self.take();
                    continue;
                }
                Token::Close | Token::CloseParen => {}
                Token::Pipe => {
                    self.take();
                }
                _ => return Err(self.unexpected(lexeme, "operand")),
            }
            if operands.is_empty() {
                return Err(self.error(lexeme, "empty command"));
            }
            let end = operands
                .last()
                .map_or(end, |operand| operand.span.end as usize);
            let span = Span::new(start, end);
            let operands = operands.into();
            return Ok(Command { span, operands });
        }
    }

    fn operand(&mut self) -> Parsed<Option<Operand>> {
        let start = self.peek();
        let Some(term) = self.term()? else {
            return Ok(None);
        };
        let mut end = self.lexemes[self.next - 1].end();
        let first_end = end;
        while self.peek().token == Token::Field {
            end = self.take().end();
        }
        let span = Span::new(start.start(), end);
        // Each begins where the one before it ends.
        let fields = Fields(Span::new(first_end, end));
        if fields.is_empty() {
            return Ok(Some(Operand { span, term }));
        }
        let term = match term {
            Term::Field(_) => Term::Field(Fields(span)),
            Term::Variable(slot, _) => Term::Variable(slot, fields),
            Term::Bool(_)
            | Term::Text(_)
            | Term::Raw(_)
            | Term::Number(_)
            | Term::Nil
            | Term::Dot => {
                let text = self.text(start).to_owned();
                return Err(self.error(start, format!("unexpected . after term {text:?}")));
            }
            other => {
                let span = Span::new(start.start(), first_end);
                Term::Chain(Box::new(Operand { span, term: other }), fields)
            }
        };
        Ok(Some(Operand { span, term }))
    }

    fn term(&mut self) -> Parsed<Option<Term>> {
        let lexeme = self.peek();
        let text = self.text(lexeme);
        let term = match lexeme.token {
            Token::Name => match functions::find(text) {
                Some(function) => Term::Function(function),
                None => {
                    return Err(self.error(lexeme, format!("function {text:?} not defined")));
                }
            },
            Token::Keyword(Keyword::Dot) => Term::Dot,
            Token::Keyword(Keyword::Nil) => Term::Nil,
            Token::Bool => Term::Bool(text == "true"),
            Token::Field => Term::Field(Fields(Span::new(lexeme.start(), lexeme.end()))),
            Token::Variable => match self.scope.find(text) {
                Some(slot) => Term::Variable(slot, Fields::default()),
                None => return Err(self.error(lexeme, format!("undefined variable {text:?}"))),
            },
            Token::Number => match literal::number(text) {
                Ok(number) => Term::Number(Box::new(number)),
                Err(message) => return Err(self.error(lexeme, message)),
            },
            Token::Char => match literal::character(text) {
                Some(number) => Term::Number(Box::new(number)),
                None => {
                    let message = format!("malformed character constant: {text}");
                    return Err(self.error(lexeme, message));
                }
            },
            Token::Quoted | Token::RawQuoted => match literal::unquote(text) {
                Some(bytes) => match String::from_utf8(bytes) {
                    Ok(text) => Term::Text(text.into()),
                    Err(error) => Term::Raw(error.into_bytes().into()),
                },
                None => return Err(self.error(lexeme, "invalid syntax")),
            },
            Token::OpenParen => {
                self.deeper()?;
                self.take();
                let pipe = self.pipe("parenthesized pipeline", Token::CloseParen)?;
                self.depth -= 1;
                return Ok(Some(Term::Pipe(Box::new(pipe))));
            }
            _ => return Ok(None),
        };
        self.take();
        Ok(Some(term))
    }
}
