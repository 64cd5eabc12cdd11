//! What `holdfast top` shows, and what keys do to it. It must not know a terminal, nor where Stacks are
//! from.

use std::collections::BTreeMap;

use holdfast_model::Value;

use super::keys::Key;
use super::rows::Row;
use crate::cli::api::text;
use crate::cli::show::{Tone, paint};

const HEADING: [&str; 6] = ["NAMESPACE", "NAME", "STATE", "FOR", "REVISION", "WAITS FOR"];
/// A column is cut there, but for the last one.
const WIDEST: usize = 40;

/// Namespace and name.
type Name = (String, String);

/// What is shown.
pub(super) struct View {
    /// Which Stacks they are.
    place: String,
    has_namespaces: bool,
    only_failing: bool,
    rows: BTreeMap<Name, Row>,
    /// What is chosen, and in which line it was last.
    chosen: (Option<Name>, usize),
    filter: String,
    is_typing: bool,
    detail: Option<Detail>,
    trouble: String,
}

/// One Stack.
struct Detail {
    of: Name,
    lines: Vec<String>,
    /// The first line that is shown.
    top: usize,
}

/// What a key asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Does {
    Nothing,
    End,
    Describe(Value),
}

impl View {
    pub(super) fn new(place: &str, has_namespaces: bool, only_failing: bool) -> Self {
        Self {
            place: place.to_owned(),
            has_namespaces,
            only_failing,
            rows: BTreeMap::new(),
            chosen: (None, 0),
            filter: String::new(),
            is_typing: false,
            detail: None,
            trouble: String::new(),
        }
    }

    pub(super) fn set_all(&mut self, stacks: Vec<Value>) {
        self.trouble.clear();
        self.rows.clear();
        for stack in stacks {
            self.set(stack);
        }
    }

    pub(super) fn set(&mut self, stack: Value) {
        self.trouble.clear();
        self.rows.insert(name_of(&stack), Row::of(&stack));
    }

    pub(super) fn remove(&mut self, stack: &Value) {
        self.rows.remove(&name_of(stack));
    }

    pub(super) fn set_trouble(&mut self, words: String) {
        self.trouble = words;
    }

    /// Shows one Stack until somebody goes back.
    pub(super) fn open(&mut self, of: Name, words: &str) {
        let lines = words.lines().map(str::to_owned).collect();
        self.detail = Some(Detail { of, lines, top: 0 });
    }

    /// Adds what a Stack owns, if it is still the one that is shown.
    pub(super) fn add_objects(&mut self, of: &Name, words: &str) {
        if let Some(detail) = self.detail.as_mut().filter(|detail| detail.of == *of) {
            detail.lines.extend(words.lines().map(str::to_owned));
        }
    }

    /// What is shown, what is not ready first.
    pub(super) fn visible(&self) -> impl Iterator<Item = &Row> {
        let is_meant = |row: &&Row| {
            !(self.only_failing && row.is_ready)
                && (self.filter.is_empty() || row.has(&self.filter))
        };
        let failing = self.rows.values().filter(|row| !row.is_ready);
        let ready = self.rows.values().filter(|row| row.is_ready);
        failing.chain(ready).filter(is_meant)
    }

    /// The line that is chosen among those that are shown.
    fn line(&self) -> usize {
        let (name, last) = &self.chosen;
        let found = name
            .as_ref()
            .and_then(|name| self.visible().position(|row| row.is_of(name)));
        let count = self.visible().count();
        found.unwrap_or_else(|| (*last).min(count.saturating_sub(1)))
    }

    fn choose(&mut self, line: usize) {
        let line = line.min(self.visible().count().saturating_sub(1));
        let row = self.visible().nth(line);
        self.chosen = (
            row.map(|row| (row.namespace.clone(), row.name.clone())),
            line,
        );
    }

    /// What a key does.
    pub(super) fn press(&mut self, key: Key) -> Does {
        if key == Key::Interrupt {
            return Does::End;
        }
        if self.detail.is_some() {
            self.press_in_detail(key);
            return Does::Nothing;
        }
        if self.is_typing {
            self.type_filter(key);
            return Does::Nothing;
        }
        let line = self.line();
        match key {
            Key::Letter('q') => return Does::End,
            Key::Up | Key::Letter('k') => self.choose(line.saturating_sub(1)),
            Key::Down | Key::Letter('j') => self.choose(line + 1),
            Key::PageUp => self.choose(line.saturating_sub(10)),
            Key::PageDown => self.choose(line + 10),
            Key::Letter('/') => self.is_typing = true,
            Key::Escape => self.filter.clear(),
            Key::Enter => {
                self.choose(line);
                let row = self.visible().nth(line);
                return row.map_or(Does::Nothing, |row| Does::Describe(row.stack.clone()));
            }
            _ => {}
        }
        Does::Nothing
    }

    fn press_in_detail(&mut self, key: Key) {
        let Some(detail) = &mut self.detail else {
            return;
        };
        let last = detail.lines.len().saturating_sub(1);
        let top = match key {
            Key::Letter('q') | Key::Escape => {
                self.detail = None;
                return;
            }
            Key::Up | Key::Letter('k') => detail.top.saturating_sub(1),
            Key::Down | Key::Letter('j') => detail.top + 1,
            Key::PageUp => detail.top.saturating_sub(10),
            Key::PageDown | Key::Letter(' ') => detail.top + 10,
            _ => return,
        };
        detail.top = top.min(last);
    }

    fn type_filter(&mut self, key: Key) {
        match key {
            Key::Letter(letter) => self.filter.push(letter),
            Key::Backspace => {
                self.filter.pop();
            }
            Key::Enter => self.is_typing = false,
            Key::Escape => {
                self.filter.clear();
                self.is_typing = false;
            }
            _ => {}
        }
    }

    /// One table, for who reads it once.
    pub(super) fn table(&self) -> String {
        let lines = self.lines_of_table(usize::MAX);
        match lines.len() {
            0 | 1 => {
                let which = if self.only_failing {
                    " that are not ready"
                } else {
                    ""
                };
                format!("there are no Stacks{which} in {}\n", self.place)
            }
            _ => lines
                .iter()
                .map(|line| format!("{}\n", line.trim_end()))
                .collect(),
        }
    }

    /// The lines of a screen of so many columns and lines.
    pub(super) fn draw(&self, (width, height): (usize, usize)) -> Vec<String> {
        let room = height.saturating_sub(2).max(1);
        let mut lines = vec![self.title(width)];
        match &self.detail {
            Some(detail) => {
                let all = detail.lines.iter().skip(detail.top);
                lines.extend(all.flat_map(|line| wrapped(line, width)).take(room));
            }
            None => {
                let mut table = self.lines_of_table(width.saturating_sub(2)).into_iter();
                lines.extend(table.next().map(|heading| format!("  {heading}")));
                // The chosen line is always on the screen.
                let rows = room.saturating_sub(1).max(1);
                let chosen = self.line();
                let from = (chosen + 1).saturating_sub(rows);
                for (line, text) in table.enumerate().skip(from).take(rows) {
                    lines.push(match line == chosen {
                        true => format!("{} {text}", paint(Tone::Bold, ">")),
                        false => format!("  {text}"),
                    });
                }
            }
        }
        lines.resize(room + 1, String::new());
        lines.push(self.foot(width));
        lines.truncate(height.max(1));
        lines
    }

    fn title(&self, width: usize) -> String {
        let all = self.rows.len();
        let ready = self.rows.values().filter(|row| row.is_ready).count();
        let stacks = if all == 1 { "Stack" } else { "Stacks" };
        let words = format!("{all} {stacks} in {}, {ready} ready", self.place);
        let cut_words = cut(&words, width);
        match self.trouble.as_str() {
            "" => paint(Tone::Bold, &cut_words),
            trouble => {
                let words = format!("{words}; as last seen, since {trouble}");
                paint(Tone::Bad, &cut(&words.replace('\n', " "), width))
            }
        }
    }

    fn foot(&self, width: usize) -> String {
        let words = match (&self.detail, self.is_typing) {
            (Some(_), _) => "q back   up/down scroll".to_owned(),
            (None, true) => format!("/{}_   enter keeps it, escape clears it", self.filter),
            (None, false) if !self.filter.is_empty() => {
                format!("only /{}   escape shows all   q quit", self.filter)
            }
            (None, false) => "q quit   up/down choose   enter describe   / filter".to_owned(),
        };
        paint(Tone::Faint, &cut(&words, width))
    }

    /// The heading and a line a Stack, each at most so wide.
    fn lines_of_table(&self, width: usize) -> Vec<String> {
        let skipped = usize::from(!self.has_namespaces);
        let heading = HEADING.map(str::to_owned);
        let rows = self.visible().map(|row| (row.cells(), row.tone));
        let rows: Vec<([String; 6], Tone)> = std::iter::once((heading, Tone::Faint))
            .chain(rows)
            .collect();
        let widest = |column: usize| {
            let cells = rows.iter().map(|(cells, _)| cells[column].chars().count());
            cells.max().unwrap_or_default().min(WIDEST)
        };
        let widths: [usize; 6] = std::array::from_fn(widest);
        let last = HEADING.len() - 1;
        let lines = rows.iter().map(|(cells, tone)| {
            let mut line = String::new();
            let mut left = width;
            for column in skipped..=last {
                let most = if column == last {
                    left
                } else {
                    widths[column].min(left)
                };
                let text = cut(cells[column].lines().next().unwrap_or_default(), most);
                let length = text.chars().count();
                let is_told_by_tone = *tone == Tone::Faint || column == 2;
                line.push_str(&paint(
                    if is_told_by_tone { *tone } else { Tone::Plain },
                    &text,
                ));
                if column < last {
                    line.push_str(&" ".repeat((most - length + 2).min(left - length)));
                }
                left = left.saturating_sub(most + 2);
            }
            line
        });
        lines.collect()
    }
}

fn name_of(stack: &Value) -> Name {
    let field = |path: &str| text(stack, path).to_owned();
    (field("/metadata/namespace"), field("/metadata/name"))
}

/// The first letters of a text without colours.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let letters = text.chars().take(width.saturating_sub(1));
    letters.chain(['…']).take(width).collect()
}

/// A line, which may have colours, in pieces that are no wider.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let (mut shown, mut is_command) = (0, false);
    for letter in line.chars() {
        is_command |= letter == '\u{1b}';
        if !is_command {
            if shown == width.max(1) {
                pieces.push(String::new());
                shown = 0;
            }
            shown += 1;
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(letter);
        }
        is_command &= letter != 'm';
    }
    pieces
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stack(name: &str, status: &str, reason: &str, message: &str) -> Value {
        json!({
            "metadata": {"namespace": "team", "name": name},
            "status": {
                "applied": {"commit": "0123456789abcdef"},
                "conditions": [{"type": "Ready", "status": status, "reason": reason,
                    "message": message}],
            },
        })
    }

    fn view() -> View {
        let mut view = View::new("namespace team", false, false);
        view.set_all(vec![
            stack("api", "True", "Succeeded", "in place"),
            stack(
                "web",
                "False",
                "Degraded",
                "Pod web-1: \u{1b}[31mcrashes\nand more",
            ),
        ]);
        view
    }

    fn check(view: &View, size: (usize, usize), expected: &[&str]) {
        let lines = view.draw(size);
        let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_is_not_ready_comes_first_and_a_line_is_no_wider_than_the_screen() {
        let view = view();
        let title = "2 Stacks in namespace team, 1 ready";
        check(
            &view,
            (60, 6),
            &[
                title,
                "  NAME  STATE     FOR  REVISION      WAITS FOR",
                "> web   Degraded       0123456789ab  Pod web-1:  [31mcrashes",
                "  api   Ready          0123456789ab",
                "",
                "q quit   up/down choose   enter describe   / filter",
            ],
        );
        for width in 1..70 {
            for height in 1..8 {
                let lines = view.draw((width, height));
                assert!(lines.len() <= height);
                // The mark of the chosen line and the blank after it are always there.
                let is_fit = |line: &String| line.trim_end().chars().count() <= width.max(2);
                assert!(lines.iter().all(is_fit), "{width}: {lines:?}");
            }
        }
    }

    #[test]
    fn the_chosen_stack_stays_chosen_when_others_come_and_go() {
        let mut view = view();
        assert_eq!(view.press(Key::Down), Does::Nothing);
        view.set(stack("cache", "False", "Progressing", "it waits"));
        let Does::Describe(chosen) = view.press(Key::Enter) else {
            panic!("it is described");
        };
        assert_eq!(text(&chosen, "/metadata/name"), "api");
        view.remove(&stack("api", "", "", ""));
        let Does::Describe(chosen) = view.press(Key::Enter) else {
            panic!("it is described");
        };
        assert_eq!(text(&chosen, "/metadata/name"), "web");
    }

    #[test]
    fn a_filter_is_typed_kept_and_cleared() {
        let mut view = view();
        for key in [
            Key::Letter('/'),
            Key::Letter('q'),
            Key::Backspace,
            Key::Letter('C'),
        ] {
            view.press(key);
        }
        view.press(Key::Letter('r'));
        view.press(Key::Enter);
        assert_eq!(
            view.visible().map(|row| &*row.name).collect::<Vec<_>>(),
            ["web"]
        );
        view.press(Key::Escape);
        assert_eq!(view.visible().count(), 2);
        assert_eq!(view.press(Key::Letter('q')), Does::End);
    }

    #[test]
    fn a_stack_is_shown_until_somebody_goes_back() {
        let mut view = view();
        let of = ("team".to_owned(), "web".to_owned());
        view.open(of.clone(), "Stack team/web\na line that is long\n");
        view.add_objects(&of, "Objects");
        view.add_objects(&("team".to_owned(), "api".to_owned()), "of another one");
        let title = "2 Stacks in namespace team, 1 ready";
        let foot = "q back   up/down scroll";
        check(
            &view,
            (40, 5),
            &[
                title,
                "Stack team/web",
                "a line that is long",
                "Objects",
                foot,
            ],
        );
        view.press(Key::Down);
        check(
            &view,
            (40, 4),
            &[title, "a line that is long", "Objects", foot],
        );
        assert_eq!(view.press(Key::Letter('q')), Does::Nothing);
        assert_eq!(view.press(Key::Interrupt), Does::End);
        assert_eq!(
            wrapped("\u{1b}[31mabcd\u{1b}[0m", 3),
            ["\u{1b}[31mabc", "d\u{1b}[0m"]
        );
    }

    #[test]
    fn a_control_plane_that_is_away_is_reported_beside_what_was_last_seen() {
        let mut view = view();
        view.set_trouble("it is away".to_owned());
        let lines = view.draw((100, 5));
        assert!(
            lines[0].contains("as last seen, since it is away"),
            "{lines:?}"
        );
        view.set(stack("api", "True", "Succeeded", "in place"));
        assert!(!view.draw((100, 5))[0].contains("away"));
        view.set_trouble("it is away".to_owned());
        view.set_all(Vec::new());
        assert!(!view.draw((100, 5))[0].contains("away"));
    }
}
