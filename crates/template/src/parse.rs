//! Reads template text into the tree that is executed.
//!
//! Functions are looked up and variables are given their places here, so that an unknown name is
//! an error of the chart before anything is rendered.

mod pipeline;

use std::sync::Arc;

use crate::ast::{Branch, Call, Node, Pipe, Slot, Source, Span, Template, is_blank};
use crate::error::{Class, Error, Place};
use crate::lex::{Keyword, Lexeme, Token, lex};
use crate::literal;

/// How deep actions and parentheses may nest.
const MAX_DEPTH: usize = 200;

/// Every template of a text: those it defines, in order, and last the text itself.
///
/// # Errors
/// The first thing that is no template, with its line.
pub fn parse(name: &str, text: impl Into<Arc<str>>) -> Result<Vec<Template>, Error> {
    let source = Arc::new(Source {
        name: name.into(),
        text: text.into(),
    });
    let text = &*source.text;
    if u32::try_from(text.len()).is_err() {
        return Err(Error::limit(format!("{name} is too large for a template")));
    }
    let lexemes = lex(text).map_err(|error| failure(&source, error.at, error.message))?;
    let mut parser = Parser {
        source: &source,
        lexemes: &lexemes,
        next: 0,
        scope: Scope::new(),
        templates: Vec::new(),
        depth: 0,
    };
    parser.file()?;
    Ok(parser.templates)
}

fn failure(source: &Source, at: usize, message: String) -> Error {
    let (line, column) = position(&source.text, at);
    let mut error = Error::new(Class::Parse, message);
    error.trace.push(Place {
        file: source.name.to_string(),
        line,
        column,
        template: source.name.to_string(),
        expression: String::new(),
    });
    error
}

/// The line, from 1, and the byte in it, from 0.
pub(crate) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let column = match before.iter().rposition(|byte| *byte == b'\n') {
        Some(newline) => before.len() - newline - 1,
        None => before.len(),
    };
    (line, column)
}

struct Parser<'t> {
    source: &'t Arc<Source>,
    lexemes: &'t [Lexeme],
    next: usize,
    scope: Scope,
    templates: Vec<Template>,
    depth: usize,
}

/// The variables that can be named, and how many loops are open.
struct Scope {
    variables: Vec<(Box<str>, Slot)>,
    slots: u32,
    loops: usize,
}

impl Scope {
    fn new() -> Self {
        Self {
            variables: vec![("$".into(), Slot::ROOT)],
            slots: 1,
            loops: 0,
        }
    }

    fn find(&self, name: &str) -> Option<Slot> {
        let found = self
            .variables
            .iter()
            .rev()
            .find(|(known, _)| **known == *name);
        found.map(|(_, slot)| *slot)
    }
}

/// The variables that a pipeline sets.
struct Targets {
    names: Vec<String>,
    declares: bool,
}

/// What ends a list of nodes.
enum Ending {
    End,
    Else,
    Eof,
}

type Parsed<T> = Result<T, Error>;

impl Parser<'_> {
    fn file(&mut self) -> Parsed<()> {
        let (body, ending) = self.body(true)?;
        match ending {
            Ending::Eof => {}
            Ending::End => return Err(self.error_here("unexpected {{end}}")),
            Ending::Else => return Err(self.error_here("unexpected {{else}}")),
        }
        let scope = std::mem::replace(&mut self.scope, Scope::new());
        self.templates.push(Template {
            name: self.source.name.clone(),
            source: Arc::clone(self.source),
            body,
            slots: scope.slots as usize,
        });
        Ok(())
    }

    fn add(&mut self, name: Box<str>, body: Vec<Node>, scope: &Scope) -> Parsed<()> {
        let template = Template {
            name,
            source: Arc::clone(self.source),
            body,
            slots: scope.slots as usize,
        };
        let text = &self.source.text;
        let same = self
            .templates
            .iter()
            .position(|known| known.name == template.name);
        match same {
            None => self.templates.push(template),
            Some(index) if is_blank(&self.templates[index].body, text) => {
                self.templates[index] = template;
            }
            Some(_) if is_blank(&template.body, text) => {}
            Some(_) => {
                let name = &template.name;
                return Err(self.error_here(format!(
                    "template: multiple definition of template {name:?}"
                )));
            }
        }
        Ok(())
    }

    fn text(&self, lexeme: Lexeme) -> &str {
        &self.source.text[lexeme.start()..lexeme.end()]
    }

    fn peek(&self) -> Lexeme {
        // The last lexeme is always the end, and it is never passed.
        self.lexemes[self.next.min(self.lexemes.len() - 1)]
    }

    fn take(&mut self) -> Lexeme {
        let lexeme = self.peek();
        self.next += 1;
        lexeme
    }

    fn skip_space(&mut self) {
        while self.peek().token == Token::Space {
            self.next += 1;
        }
    }

    fn peek_word(&mut self) -> Lexeme {
        self.skip_space();
        self.peek()
    }

    fn take_word(&mut self) -> Lexeme {
        self.skip_space();
        self.take()
    }

    fn error(&self, at: Lexeme, message: impl Into<String>) -> Error {
        failure(self.source, at.start(), message.into())
    }

    fn error_here(&self, message: impl Into<String>) -> Error {
        let last = self.lexemes[self.next.saturating_sub(1).min(self.lexemes.len() - 1)];
        self.error(last, message)
    }

    fn unexpected(&self, lexeme: Lexeme, context: &str) -> Error {
        let what = match lexeme.token {
            Token::End => "EOF".to_owned(),
            Token::Close => "\"}}\"".to_owned(),
            Token::Keyword(_) => format!("<{}>", self.text(lexeme)),
            _ => format!("{:?}", self.text(lexeme)),
        };
        self.error(lexeme, format!("unexpected {what} in {context}"))
    }

    fn expect_close(&mut self, context: &str) -> Parsed<Lexeme> {
        let lexeme = self.take_word();
        match lexeme.token {
            Token::Close => Ok(lexeme),
            _ => Err(self.unexpected(lexeme, context)),
        }
    }

    fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error_here("actions are nested too deep"));
        }
        Ok(())
    }

    /// Nodes up to `end`, `else` or the end of the text.
    fn body(&mut self, is_top: bool) -> Parsed<(Vec<Node>, Ending)> {
        let mut nodes = Vec::new();
        loop {
            let lexeme = self.take();
            match lexeme.token {
                Token::End => return Ok((nodes, Ending::Eof)),
                Token::Text => nodes.push(Node::Text(Span::new(lexeme.start(), lexeme.end()))),
                Token::Open => match self.peek_word().token {
                    Token::Keyword(Keyword::End) => {
                        self.take();
                        self.expect_close("end")?;
                        return Ok((nodes, Ending::End));
                    }
                    Token::Keyword(Keyword::Else) => {
                        self.take();
                        return Ok((nodes, Ending::Else));
                    }
                    Token::Keyword(Keyword::Define) if is_top => {
                        self.take();
                        self.define()?;
                    }
                    _ => nodes.push(self.action()?),
                },
                _ => return Err(self.unexpected(lexeme, "input")),
            }
        }
    }

    fn define(&mut self) -> Parsed<()> {
        let name = self.template_name("define clause")?;
        self.expect_close("define clause")?;
        let outer = std::mem::replace(&mut self.scope, Scope::new());
        let (body, ending) = self.body(false)?;
        if !matches!(ending, Ending::End) {
            return Err(self.unclosed(&ending, "define clause"));
        }
        let scope = std::mem::replace(&mut self.scope, outer);
        self.add(name, body, &scope)
    }

    fn unclosed(&self, ending: &Ending, context: &str) -> Error {
        match ending {
            Ending::Eof => self.error(self.peek(), "unexpected EOF"),
            _ => self.error_here(format!("unexpected {{{{else}}}} in {context}")),
        }
    }

    fn template_name(&mut self, context: &str) -> Parsed<Box<str>> {
        let lexeme = self.take_word();
        match lexeme.token {
            Token::Quoted | Token::RawQuoted => match literal::unquote(self.text(lexeme)) {
                Some(bytes) => Ok(String::from_utf8_lossy(&bytes).into()),
                None => Err(self.error(lexeme, "invalid syntax")),
            },
            _ => Err(self.unexpected(lexeme, context)),
        }
    }

    fn action(&mut self) -> Parsed<Node> {
        let lexeme = self.peek_word();
        let Token::Keyword(keyword) = lexeme.token else {
            return Ok(Node::Action(self.pipe("command", Token::Close)?));
        };
        match keyword {
            Keyword::Nil | Keyword::Dot => {
                return Ok(Node::Action(self.pipe("command", Token::Close)?));
            }
            Keyword::Define | Keyword::Else | Keyword::End => {
                return Err(self.unexpected(lexeme, "command"));
            }
            _ => {}
        }
        self.take();
        match keyword {
            Keyword::Break | Keyword::Continue => self.leave_loop(keyword),
            Keyword::Block => self.block(lexeme),
            Keyword::Template => self.call(lexeme),
            Keyword::With => Ok(Node::With(self.branch(keyword)?.into())),
            Keyword::Range => Ok(Node::Range(self.branch(keyword)?.into())),
            _ => Ok(Node::If(self.branch(Keyword::If)?.into())),
        }
    }

    fn leave_loop(&mut self, keyword: Keyword) -> Parsed<Node> {
        let (word, node) = match keyword {
            Keyword::Break => ("{{break}}", Node::Break),
            _ => ("{{continue}}", Node::Continue),
        };
        self.expect_close(word)?;
        if self.scope.loops == 0 {
            return Err(self.error_here(format!("{word} outside {{{{range}}}}")));
        }
        Ok(node)
    }

    fn branch(&mut self, keyword: Keyword) -> Parsed<Branch> {
        self.deeper()?;
        let variables = self.scope.variables.len();
        let context = match keyword {
            Keyword::Range => "range",
            Keyword::With => "with",
            _ => "if",
        };
        let pipe = self.pipe(context, Token::Close)?;
        let loops = usize::from(keyword == Keyword::Range);
        self.scope.loops += loops;
        let declared = self.scope.variables.len();
        let (body, ending) = self.body(false)?;
        self.scope.loops -= loops;
        // What the body declares can be named in the other branch, and is not there when that runs.
        for (name, _) in self.scope.variables.split_off(declared) {
            if self.scope.find(&name).is_none() {
                self.scope.variables.push((name, Slot::UNKNOWN));
            }
        }
        let otherwise = match ending {
            Ending::End => Vec::new(),
            Ending::Else => self.otherwise(keyword)?,
            Ending::Eof => return Err(self.unclosed(&ending, context)),
        };
        self.scope.variables.truncate(variables);
        self.depth -= 1;
        Ok(Branch {
            pipe,
            body,
            otherwise,
        })
    }

    fn otherwise(&mut self, keyword: Keyword) -> Parsed<Vec<Node>> {
        let next = self.peek_word();
        match next.token {
            // `{{else if}}` and `{{else with}}` share the `{{end}}` of the outer one.
            Token::Keyword(Keyword::If) if keyword == Keyword::If => {
                self.take();
                Ok(vec![Node::If(self.branch(Keyword::If)?.into())])
            }
            Token::Keyword(Keyword::With) if keyword == Keyword::With => {
                self.take();
                Ok(vec![Node::With(self.branch(Keyword::With)?.into())])
            }
            _ => {
                self.expect_close("else")?;
                let (body, ending) = self.body(false)?;
                match ending {
                    Ending::End => Ok(body),
                    Ending::Else => Err(self.error_here("expected end; found {{else}}")),
                    Ending::Eof => Err(self.unclosed(&ending, "else")),
                }
            }
        }
    }

    fn call(&mut self, start: Lexeme) -> Parsed<Node> {
        let name = self.template_name("template clause")?;
        let pipe = self.argument("template clause")?;
        let end = self.lexemes[self.next - 1].start();
        Ok(Node::Call(Box::new(Call {
            span: Span::new(start.start(), end),
            name,
            pipe,
        })))
    }

    fn argument(&mut self, context: &str) -> Parsed<Option<Pipe>> {
        if self.peek_word().token == Token::Close {
            self.take();
            return Ok(None);
        }
        Ok(Some(self.pipe(context, Token::Close)?))
    }

    fn block(&mut self, start: Lexeme) -> Parsed<Node> {
        self.deeper()?;
        let name = self.template_name("block clause")?;
        let pipe = self.pipe("block clause", Token::Close)?;
        let end = self.lexemes[self.next - 1].start();
        let outer = std::mem::replace(&mut self.scope, Scope::new());
        let (body, ending) = self.body(false)?;
        if !matches!(ending, Ending::End) {
            return Err(self.unclosed(&ending, "block clause"));
        }
        let scope = std::mem::replace(&mut self.scope, outer);
        self.add(name.clone(), body, &scope)?;
        self.depth -= 1;
        Ok(Node::Call(Box::new(Call {
            span: Span::new(start.start(), end),
            name,
            pipe: Some(pipe),
        })))
    }
}
