//! What calls may cost at most, and how large their results may be: the numbers of k8s.io/apiserver
//! (`pkg/cel/library/cost.go`) and of cel-go (`checker/cost.go`, `ext`). It must not know schemas.

use kube_cel::cel::common::ast::{CallExpr, Expr, LiteralValue, operators};

use super::estimate::{Known, Size};
use super::typing::{Signature, Type};

/// What going through a character costs.
const CHARACTER: f64 = 0.1;
/// What a character of a regular expression costs.
const PATTERN: f64 = 0.25;
/// What a list costs that is made.
const LIST: u64 = 10;
/// The longest pattern of a format, and the longest name of one.
const MAX_FORMAT_PATTERN: f64 = 128.0;
const MAX_FORMAT_NAME: u64 = 64;
/// The most bytes of an address.
const ADDRESS: u64 = 16;

/// A call and what is known of its operands.
pub(crate) struct Call<'a, 'c> {
    pub(crate) name: &'c str,
    pub(crate) call: &'c CallExpr,
    pub(crate) args: &'c [Known<'a>],
    pub(crate) target: Option<&'c Known<'a>>,
    /// Of the target, where there is one, and of the arguments.
    pub(crate) types: Vec<Option<&'c Type<'a>>>,
    /// The way in which it is called.
    pub(crate) signature: Option<&'static Signature>,
}

impl Call<'_, '_> {
    fn arg(&self, index: usize) -> Size {
        self.args.get(index).map_or(Size::UNKNOWN, Known::any_size)
    }

    fn target(&self) -> Size {
        self.target.map_or(Size::UNKNOWN, Known::any_size)
    }

    /// The first operand, be it the target or an argument.
    fn first(&self) -> Size {
        match self.target {
            Some(target) => target.any_size(),
            None => self.arg(0),
        }
    }

    /// Whether an operand is declared to be of a plain type.
    fn takes(&self, index: usize, plain: &str) -> bool {
        let arg = self
            .signature
            .and_then(|signature| signature.args.get(index));
        matches!(arg, Some(Type::Plain(name)) if *name == plain)
    }

    fn takes_list(&self, index: usize) -> bool {
        let arg = self
            .signature
            .and_then(|signature| signature.args.get(index));
        matches!(arg, Some(Type::List(_)))
    }

    /// A number that is written out.
    fn number(&self, index: usize) -> Option<u64> {
        match self.call.args.get(index).map(|arg| &arg.expr) {
            Some(Expr::Literal(LiteralValue::Int(number))) => {
                Some(u64::try_from(*number.inner()).unwrap_or(0))
            }
            _ => None,
        }
    }
}

/// So much for each.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "Go reckons in the same way, and what is too large becomes the largest number"
)]
fn scaled(size: u64, factor: f64) -> u64 {
    (size as f64 * factor).ceil() as u64
}

/// The most that a call may cost without its operands, and the size of its result where that can
/// be told.
pub(crate) fn weigh(call: &Call<'_, '_>) -> (u64, Option<Size>) {
    of_lists(call)
        .or_else(|| of_texts(call))
        .or_else(|| of_libraries(call))
        .or_else(|| of_language(call))
        .unwrap_or((1, None))
}

type Weight = Option<(u64, Option<Size>)>;

/// A list that is made by going through another one.
fn made(factor: f64, size: Size) -> Weight {
    let cost = scaled(size.most, factor).saturating_add(1 + LIST);
    Some((cost, Some(size)))
}

fn of_lists(call: &Call<'_, '_>) -> Weight {
    let is_of_texts = |index: usize| {
        let arg = call
            .signature
            .and_then(|signature| signature.args.get(index));
        matches!(arg, Some(Type::List(item))
            if matches!(**item, Type::Plain("string" | "bytes")))
    };
    let squared = |size: Size, index: usize| {
        let factor = if is_of_texts(index) {
            2.0 + CHARACTER
        } else {
            2.0
        };
        made(factor, size.times(size))
    };
    match call.name {
        "slice" => {
            let start = call.number(0).unwrap_or(0);
            let end = call.number(1).unwrap_or(call.target().most);
            made(1.0, Size::exactly(end.wrapping_sub(start)))
        }
        "lists.range" => made(1.0, Size::exactly(call.number(0).unwrap_or(u64::MAX))),
        "reverse" if call.takes_list(0) => made(1.0, call.target()),
        "flatten" => {
            let depth = match call.args.len() {
                0 => 1,
                _ => call.number(0).unwrap_or(u64::MAX),
            };
            let size = call.target();
            let cost = size.most.saturating_mul(depth).saturating_add(1 + LIST);
            Some((cost, Some(size)))
        }
        "distinct" => made(2.0, call.target().times(call.target())),
        "sort" => squared(call.target(), 0),
        super::macros::SORT => squared(call.arg(0), 1),
        "sets.contains" | "sets.intersects" | "sets.equivalent" => {
            let factor = if call.name == "sets.equivalent" { 2 } else { 1 };
            let product = call.arg(0).times(call.arg(1)).most;
            Some((product.saturating_mul(factor).saturating_add(1), None))
        }
        "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" if call.target.is_some() => {
            Some((compared(call), None))
        }
        _ => None,
    }
}

/// Each item of a list is compared, or a text is gone through.
fn compared(call: &Call<'_, '_>) -> u64 {
    let size = call.target();
    let item = match call.types.first().copied().flatten() {
        Some(Type::List(item)) => &**item,
        Some(Type::Map(parts)) => &parts.0,
        Some(found) => match found.held() {
            Some(held) => held,
            None => return scaled(size.most, CHARACTER),
        },
        None => return scaled(size.most, CHARACTER),
    };
    let each = match item {
        Type::Plain("string" | "bytes") => {
            let longest = call.target.and_then(Known::item_size);
            let longest = longest.unwrap_or(Size::UNKNOWN);
            scaled(longest.most, CHARACTER).saturating_add(1)
        }
        _ => 1,
    };
    size.most.saturating_mul(each)
}

fn of_texts(call: &Call<'_, '_>) -> Weight {
    let through = |size: Size, factor: f64| scaled(size.most, factor);
    match call.name {
        "url" | "jsonpatch.escapeKey" => {
            let size = call.arg(0);
            Some((through(size, CHARACTER), Some(size)))
        }
        "lowerAscii" | "upperAscii" | "substring" | "trim" => {
            let size = call.target();
            Some((through(size, CHARACTER), Some(size)))
        }
        "replace" => {
            let cost = through(call.target(), 2.0 * CHARACTER);
            Some((
                cost,
                Some(replaced(call.target(), call.arg(0), call.arg(1))),
            ))
        }
        "split" => {
            let size = call.target();
            let most = call.number(1).unwrap_or(size.most);
            Some((through(size, 2.0 * CHARACTER), Some(Size::up_to(most))))
        }
        "join" => {
            let list = call.target();
            let item = call.target.and_then(Known::item_size);
            let mut size = list.times(item.unwrap_or(Size::UNKNOWN));
            if let Some(between) = call.args.first() {
                let count = Size {
                    least: list.least.saturating_sub(1),
                    most: list.most.saturating_sub(1),
                };
                size = size.plus(between.any_size().times(count));
            }
            Some((through(size, CHARACTER), Some(size)))
        }
        "find" | "findAll" => {
            let size = call.target();
            let text = through(size.plus(Size::exactly(1)), CHARACTER);
            let cost = text.saturating_mul(through(call.arg(0), PATTERN));
            Some((cost, Some(Size::up_to(size.most))))
        }
        _ => None,
    }
}

/// The size of a text in which parts are replaced.
fn replaced(size: Size, old: Size, new: Size) -> Size {
    let count = |size: u64, old: u64, new: u64| match old {
        0 => (size.saturating_add(1), size),
        old if new <= old => (0, size),
        old => (size.div_ceil(old), 0),
    };
    let (most, kept_most) = count(size.most, old.least, new.most);
    let (least, kept_least) = match old.most {
        0 => (size.least.saturating_add(1), size.least),
        old if old <= new.least => (0, size.least),
        old => (size.least.div_ceil(old), 0),
    };
    Size { least, most }.times(new).plus(Size {
        least: kept_least,
        most: kept_most,
    })
}

fn of_libraries(call: &Call<'_, '_>) -> Weight {
    let through = |size: Size| scaled(size.most, CHARACTER);
    let cost = match call.name {
        "check" => 350_000,
        "ip" if call.target.is_some() => 1,
        "cidr" | "isIP" | "isCIDR" | "ip" | "quantity" | "isQuantity" | "semver" | "isSemver" => {
            through(call.arg(0))
        }
        "ip.isCanonical" => scaled(call.arg(0).most, 2.0 * CHARACTER),
        "containsIP" | "containsCIDR" => {
            let mut cost = scaled(2 * ADDRESS, CHARACTER);
            if call.name == "containsCIDR" {
                cost += scaled(ADDRESS, CHARACTER) + 1;
            }
            if call.takes(1, "string") {
                cost = cost.saturating_add(through(call.arg(0)));
            }
            cost
        }
        "validate" => scaled(through(call.arg(0)), MAX_FORMAT_PATTERN * PATTERN),
        operators::EQUALS => {
            let [Some(left), Some(right)] = call.types.as_slice() else {
                return None;
            };
            match (left, right) {
                (Type::Opaque(left, _), Type::Opaque(right, _)) if left == right => match *left {
                    "kubernetes.URL" => {
                        let size = call.args.get(1).and_then(|arg| arg.size);
                        scaled(size.map_or(1, |size| size.most), CHARACTER)
                    }
                    "kubernetes.NamedFormat" => scaled(MAX_FORMAT_NAME, CHARACTER),
                    "optional_type" => return None,
                    _ => 1,
                },
                _ => return None,
            }
        }
        _ => return None,
    };
    Some((cost, None))
}

fn of_language(call: &Call<'_, '_>) -> Weight {
    let through = |size: Size| scaled(size.most, CHARACTER);
    let only = |cost: u64| Some((cost, None));
    match call.name {
        "format" if call.takes(0, "string") => only(through(call.target())),
        "bytes" if call.takes(0, "string") => {
            let size = call.arg(0);
            let most = size.most.wrapping_mul(4);
            Some((through(size), Some(Size { most, ..size })))
        }
        "string" if call.takes(0, "bytes") => {
            let size = call.arg(0);
            let least = size.least / 4;
            Some((through(size), Some(Size { least, ..size })))
        }
        "strings.quote" => {
            let size = call.arg(0);
            let most = size.most.wrapping_mul(2).wrapping_add(2);
            let least = size.least.wrapping_add(2);
            Some((through(size), Some(Size { least, most })))
        }
        "startsWith" | "endsWith" => only(through(call.arg(0))),
        operators::IN if call.takes_list(1) => only(call.arg(1).most),
        "matches" => {
            let pattern = if call.target.is_some() { 0 } else { 1 };
            let text = through(call.first().plus(Size::exactly(1)));
            only(text.saturating_mul(scaled(call.arg(pattern).most, PATTERN)))
        }
        "contains" => only(through(call.target()).saturating_mul(through(call.arg(0)))),
        operators::ADD if call.takes_list(0) => Some((1, Some(call.arg(0).plus(call.arg(1))))),
        operators::ADD if call.takes(0, "string") || call.takes(0, "bytes") => {
            let size = call.arg(0).plus(call.arg(1));
            Some((through(size), Some(size)))
        }
        operators::EQUALS | operators::NOT_EQUALS => {
            only(scaled(call.arg(0).most.min(call.arg(1).most), CHARACTER))
        }
        operators::LESS
        | operators::LESS_EQUALS
        | operators::GREATER
        | operators::GREATER_EQUALS
            if call.takes(0, "string") || call.takes(0, "bytes") =>
        {
            only(scaled(call.arg(0).most.min(call.arg(1).most), CHARACTER))
        }
        _ => None,
    }
}
