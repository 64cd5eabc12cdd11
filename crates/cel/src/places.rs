//! Where the parts of an expression stand in its text. The parser numbers what it makes and tells
//! nobody where that was; here its numbering is followed through the text once more, when a
//! problem is to be shown. It must not know what expressions mean.

/// What is wrong with an expression, and with which part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The number of the part.
    pub(crate) id: u64,
    pub(crate) message: String,
}

/// Problems as the real server shows them, in the order in which they stand in the text.
pub(crate) fn shown(text: &str, problems: &[Problem]) -> String {
    let places = Places::of(&readable(text).unwrap_or_default());
    let found = problems.iter().map(|problem| {
        let before = text.get(..places.offset(problem.id)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let column = before.get(start..).unwrap_or_default().chars().count();
        (line, column, problem.message.as_str())
    });
    shown_at(text, found.collect())
}

/// Messages with their lines, the first of which is one, and columns, the first of which is none.
pub(crate) fn shown_at(text: &str, mut found: Vec<(usize, usize, &str)>) -> String {
    found.sort_by_key(|(line, column, _)| (*line, *column));
    let shown = found.iter().map(|(line, column, message)| {
        let head = format!("ERROR: <input>:{line}:{}: {message}", column + 1);
        let Some(source) = text.split('\n').nth(line.saturating_sub(1)) else {
            return head;
        };
        let source = source.replace('\t', " ");
        // Letters that take more than a byte are as wide as two.
        let sign = |letter: Option<char>, narrow: char, wide: char| match letter {
            Some(letter) if !letter.is_ascii() => wide,
            _ => narrow,
        };
        let before = source.chars().take(*column);
        let before: String = before
            .map(|letter| sign(Some(letter), '.', '\u{ff0e}'))
            .collect();
        let caret = sign(source.chars().nth(*column), '^', '\u{ff3e}');
        format!("{head}\n | {source}\n | {before}{caret}")
    });
    shown.collect::<Vec<_>>().join("\n")
}

/// How many operators and steps of an expression may lie one in another: the real parser's limit.
const MAX_HEIGHT: usize = 250;
/// How many expressions may. The real parser takes more, and ours needs more room for each.
const MAX_DEPTH: usize = 96;

/// The text of an expression with blanks for signs that are written twice in a row, which mean
/// nothing: the parser takes two for one, and goes through what follows twice.
///
/// # Errors
/// When it is so deep that it must not be read.
pub(crate) fn readable(text: &str) -> Result<String, String> {
    let found = Places::of(text);
    if let Some(problem) = found.problem {
        return Err(format!("ERROR: <input>:-1:0: {problem}"));
    }
    let mut bytes = text.as_bytes().to_vec();
    for at in found.doubled {
        if let Some(byte) = bytes.get_mut(at) {
            *byte = b' ';
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Where each part stands, by its number: bytes from the beginning.
struct Places {
    starts: Vec<usize>,
    /// Where signs stand that mean nothing.
    doubled: Vec<usize>,
    /// Why it is too deep.
    problem: Option<String>,
}

impl Places {
    /// The places of all parts of an expression.
    fn of(text: &str) -> Self {
        let mut reader = Reader {
            tokens: tokens(text),
            text,
            at: 0,
            depth: 0,
            places: Vec::new(),
            doubled: Vec::new(),
        };
        let height = reader.expression();
        let problem = if reader.depth > MAX_DEPTH {
            Some(format!("expression recursion limit exceeded: {MAX_DEPTH}"))
        } else {
            (height > MAX_HEIGHT).then(|| "max recursion depth exceeded".to_owned())
        };
        Self {
            starts: reader.places,
            doubled: reader.doubled,
            problem,
        }
    }

    /// Where a part stands; the beginning where that is not known.
    fn offset(&self, id: u64) -> usize {
        let index = usize::try_from(id).unwrap_or(0).checked_sub(1);
        let found = index.and_then(|index| self.starts.get(index));
        found.copied().unwrap_or(0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Name,
    Number,
    Text,
    Sign,
}

#[derive(Clone, Copy, Debug)]
struct Token {
    sort: Sort,
    start: usize,
    end: usize,
}

/// The signs of two characters.
const PAIRS: [&str; 6] = ["==", "!=", "<=", ">=", "&&", "||"];

/// What a text is made of, without blanks and comments.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut start = 0;
    while let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
        let first = rest.chars().next().unwrap_or(' ');
        if first.is_whitespace() {
            start += first.len_utf8();
            continue;
        }
        if rest.starts_with("//") {
            start += rest.find('\n').unwrap_or(rest.len());
            continue;
        }
        let (sort, length) = token(rest, first);
        let end = start + length.max(first.len_utf8());
        tokens.push(Token { sort, start, end });
        start = end;
    }
    tokens
}

fn token(rest: &str, first: char) -> (Sort, usize) {
    let prefix = rest
        .bytes()
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    let is_raw = rest[..prefix].contains(['r', 'R']);
    let is_prefix = rest[..prefix].chars().all(|letter| "rRbB".contains(letter));
    let after = rest.as_bytes().get(prefix).copied();
    if prefix <= 2 && is_prefix && matches!(after, Some(b'"' | b'\'')) {
        return (Sort::Text, prefix + quoted(&rest[prefix..], is_raw));
    }
    if first == '`' {
        let end = rest[1..].find('`').map_or(rest.len(), |end| end + 2);
        return (Sort::Name, end);
    }
    let digit_after_dot = rest[1.min(rest.len())..].starts_with(|next: char| next.is_ascii_digit());
    if first.is_ascii_digit() || (first == '.' && first.is_ascii() && digit_after_dot) {
        return (Sort::Number, number(rest));
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        return (Sort::Name, rest.bytes().take_while(is_part).count());
    }
    let is_pair = PAIRS.iter().any(|pair| rest.starts_with(pair));
    (Sort::Sign, if is_pair { 2 } else { first.len_utf8() })
}

/// How long a text in quotes is.
fn quoted(rest: &str, is_raw: bool) -> usize {
    let bytes = rest.as_bytes();
    let quote = &rest[..1];
    let triple = quote.repeat(3);
    let end: &str = if rest.starts_with(&triple) {
        &triple
    } else {
        quote
    };
    let mut at = end.len();
    while at < bytes.len() {
        if bytes[at] == b'\\' && !is_raw {
            at += 2;
        } else if bytes[at..].starts_with(end.as_bytes()) {
            return at + end.len();
        } else {
            at += 1;
        }
    }
    // Only where the text cannot be read, and then nobody asks.
    rest.len()
}

fn number(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut end = if rest.starts_with("0x") {
        let rest = bytes.get(2..).unwrap_or_default();
        2 + rest
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count()
    } else {
        digits(0)
    };
    if bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let power = digits(end + 1 + sign);
        end += if power > 0 { 1 + sign + power } else { 0 };
    }
    end + usize::from(matches!(bytes.get(end), Some(b'u' | b'U')))
}

/// Goes through a text. What reads a part says how many operators and steps lie one in another.
struct Reader<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    /// How many expressions this one is in; more than there may be once that has happened.
    depth: usize,
    places: Vec<usize>,
    doubled: Vec<usize>,
}

const RELATIONS: [&str; 7] = ["<", "<=", ">=", ">", "==", "!=", "in"];
const SUMS: [&str; 2] = ["+", "-"];
const PRODUCTS: [&str; 3] = ["*", "/", "%"];

impl<'a> Reader<'a> {
    /// The text of a token so many ahead; empty at the end and for texts in quotes.
    fn ahead(&self, count: usize) -> &'a str {
        match self.tokens.get(self.at + count) {
            Some(token) if token.sort != Sort::Text => &self.text[token.start..token.end],
            _ => "",
        }
    }

    fn sort(&self) -> Option<Sort> {
        self.tokens.get(self.at).map(|token| token.sort)
    }

    fn start(&self) -> usize {
        let token = self.tokens.get(self.at);
        token.map_or(self.text.len(), |token| token.start)
    }

    /// Numbers what begins here.
    fn place(&mut self) {
        self.places.push(self.start());
    }

    fn take(&mut self, wanted: &str) -> bool {
        let is_next = self.ahead(0) == wanted;
        self.at += usize::from(is_next);
        is_next
    }

    fn expression(&mut self) -> usize {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.at = self.tokens.len();
            return 0;
        }
        let mut height = self.logic(&["||", "&&"]);
        if self.ahead(0) == "?" {
            self.place();
            self.at += 1;
            height = height.max(self.logic(&["||", "&&"]));
            self.take(":");
            height = height.max(self.expression()) + 1;
        }
        self.depth -= usize::from(self.depth <= MAX_DEPTH);
        height
    }

    /// Operators that are numbered after what is on their right.
    fn logic(&mut self, signs: &[&str]) -> usize {
        let [sign, inner @ ..] = signs else {
            return self.binary(&[&RELATIONS, &SUMS, &PRODUCTS]);
        };
        let mut height = self.logic(inner);
        while self.ahead(0) == *sign {
            let start = self.start();
            self.at += 1;
            height = height.max(self.logic(inner));
            self.places.push(start);
        }
        height
    }

    /// Operators of several levels, those that bind closer last.
    fn binary(&mut self, levels: &[&[&str]]) -> usize {
        let [signs, inner @ ..] = levels else {
            return self.unary();
        };
        let mut height = self.binary(inner);
        while signs.contains(&self.ahead(0)) {
            self.place();
            self.at += 1;
            height = height.max(self.binary(inner)) + 1;
        }
        height
    }

    fn unary(&mut self) -> usize {
        let sign = self.ahead(0);
        if !matches!(sign, "!" | "-") {
            return self.member();
        }
        let first = self.at;
        while self.take(sign) {}
        let count = self.at - first;
        // The first one stays where their number is odd.
        let meaningless = &self.tokens[first + count % 2..self.at];
        self.doubled
            .extend(meaningless.iter().map(|token| token.start));
        if count.is_multiple_of(2) {
            return self.member();
        }
        self.places.push(self.tokens[first].start);
        let is_number = self.sort() == Some(Sort::Number) && !self.ahead(0).ends_with(['u', 'U']);
        if sign == "-" && is_number {
            // The sign of a number is part of it.
            self.at += 1;
            return self.after(0);
        }
        self.member()
    }

    fn member(&mut self) -> usize {
        let height = self.primary();
        self.after(height)
    }

    /// Fields, calls and indices of what has been read.
    fn after(&mut self, mut height: usize) -> usize {
        loop {
            let mut inner = 0;
            if self.ahead(0) == "[" {
                self.place();
                self.at += 1;
                self.take("?");
                inner = self.expression();
                self.take("]");
            } else if self.ahead(0) == "." && self.ahead(1) == "?" {
                let dot = self.start();
                self.at += 2;
                self.place();
                self.places.push(dot);
                self.at += 1;
            } else if self.ahead(0) == "." && self.ahead(2) == "(" {
                let name = self.ahead(1);
                self.at += 2;
                inner = self.call(name, true);
            } else if self.ahead(0) == "." {
                self.place();
                self.at += 2;
            } else {
                return height;
            }
            height = height.max(inner) + 1;
        }
    }

    fn primary(&mut self) -> usize {
        match self.ahead(0) {
            "(" => {
                self.at += 1;
                let height = self.expression();
                self.take(")");
                return height;
            }
            "[" => {
                self.place();
                self.at += 1;
                return self.elements("]").0;
            }
            "{" => {
                self.place();
                self.at += 1;
                return self.entries(true);
            }
            "." => self.at += 1,
            _ => {}
        }
        if self.sort() == Some(Sort::Name) && self.ahead(1) == "(" {
            let name = self.ahead(0);
            self.at += 1;
            return self.call(name, false);
        }
        let mut names = 1;
        while self.ahead(names) == "." {
            names += 2;
        }
        if self.sort() == Some(Sort::Name) && self.ahead(names) == "{" {
            self.at += names;
            self.place();
            self.at += 1;
            return self.entries(false);
        }
        self.place();
        self.at += 1;
        0
    }

    /// A call, whose place is that of its parenthesis, and so are those of what a macro makes.
    fn call(&mut self, name: &str, has_target: bool) -> usize {
        let start = self.start();
        self.place();
        self.at += 1;
        let (height, count) = self.elements(")");
        let made = made_by_macro(name, has_target, count);
        self.places.extend(std::iter::repeat_n(start, made));
        height
    }

    /// Expressions up to a sign, and how many there are.
    fn elements(&mut self, end: &str) -> (usize, usize) {
        let (mut height, mut count) = (0, 0);
        while self.at < self.tokens.len() && !self.take(end) {
            self.take("?");
            height = height.max(self.expression());
            count += 1;
            if !self.take(",") && self.ahead(0) != end {
                break;
            }
        }
        (height, count)
    }

    /// The entries of a map or the fields of a struct, whose places are those of their colons.
    fn entries(&mut self, keys_are_expressions: bool) -> usize {
        let mut height = 0;
        while self.at < self.tokens.len() && !self.take("}") {
            self.take("?");
            let own = self.places.len();
            self.places.push(self.start());
            if keys_are_expressions {
                height = height.max(self.expression());
            } else {
                self.at += 1;
            }
            self.places[own] = self.start();
            self.take(":");
            height = height.max(self.expression());
            if !self.take(",") && self.ahead(0) != "}" {
                break;
            }
        }
        height
    }
}

/// How many parts the parser makes itself for a macro.
fn made_by_macro(name: &str, has_target: bool, count: usize) -> usize {
    match (name, has_target, count) {
        ("has", false, 1) => 1,
        ("all" | "map", true, 2) => 7,
        ("exists", true, 2) => 8,
        ("filter", true, 2) | ("map", true, 3) => 9,
        ("exists_one" | "existsOne", true, 2) => 11,
        _ => 0,
    }
}
