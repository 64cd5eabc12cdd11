//! The objects of a Stack as a picture: in columns, each object right of what leads to it, and in each
//! column beside what it belongs to. How an object is doing is said by shape, word and colour.

use holdfast_model::view::{Health, Link, StackView};

use crate::state::Tone;

/// The most objects in a picture; the list has all.
const MOST: usize = 80;
/// What leads nowhere and comes from nowhere stands in blocks of so many rows.
const TALL: usize = 8;

const WIDTH: usize = 208;
const HEIGHT: usize = 46;
const GAP: (usize, usize) = (64, 14);
const MARGIN: usize = 8;

/// A picture.
pub(crate) struct Graph {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) nodes: Vec<Node>,
    pub(crate) edges: Vec<String>,
    /// How many objects are not in it.
    pub(crate) more: usize,
}

/// An object in the picture.
pub(crate) struct Node {
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) class: &'static str,
    pub(crate) shape: &'static str,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) href: String,
}

/// The picture of a Stack's objects; nothing where it has none.
pub(crate) fn draw(view: &StackView) -> Option<Graph> {
    if view.objects.is_empty() {
        return None;
    }
    let links = view.objects.links();
    let chosen = choose(view, &links);
    let place = |object: usize| chosen.iter().position(|chosen| *chosen == object);
    let edges: Vec<(usize, usize)> = links
        .iter()
        .filter_map(|link| Some((place(link.from)?, place(link.to)?)))
        .collect();
    let cells = arrange(chosen.len(), &edges);
    let objects: Vec<_> = view.objects.iter().collect();
    let at = |cell: (usize, usize)| {
        let x = MARGIN + cell.0 * (WIDTH + GAP.0);
        (x, MARGIN + cell.1 * (HEIGHT + GAP.1))
    };
    let nodes = chosen.iter().zip(&cells).map(|(object, cell)| {
        let (key, _) = objects[*object];
        let (health, message) = view.health_of(key);
        let tone = Tone::of_health(health);
        let (x, y) = at(*cell);
        let state = match message {
            "" => health.word().to_owned(),
            message => format!("{}: {message}", health.word()),
        };
        Node {
            x,
            y,
            class: tone.class(),
            shape: tone.shape(),
            kind: label(&key.kind.kind, health),
            name: short(&key.name, 24),
            title: format!("{key}: {state}"),
            href: format!("#o-{object}"),
        }
    });
    let lines = edges.iter().map(|(from, to)| {
        let ((x, y), (to_x, to_y)) = (at(cells[*from]), at(cells[*to]));
        let (x, y, to_y) = (x + WIDTH, y + HEIGHT / 2, to_y + HEIGHT / 2);
        let middle = x + GAP.0 / 2;
        format!(
            "M{x} {y}C{middle} {y} {} {to_y} {to_x} {to_y}",
            to_x.saturating_sub(GAP.0 / 2)
        )
    });
    let span = |of: fn(&(usize, usize)) -> usize| cells.iter().map(of).max().unwrap_or(0) + 1;
    let (columns, rows) = (span(|cell| cell.0), span(|cell| cell.1));
    Some(Graph {
        width: 2 * MARGIN + columns * (WIDTH + GAP.0) - GAP.0,
        height: 2 * MARGIN + rows * (HEIGHT + GAP.1) - GAP.1,
        nodes: nodes.collect(),
        edges: lines.collect(),
        more: view.objects.len() - chosen.len(),
    })
}

fn label(kind: &str, health: Health) -> String {
    match health {
        Health::Healthy => short(kind, 28),
        health => format!("{}, {}", short(kind, 18), health.word()),
    }
}

/// The beginning of a text.
fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Which objects are in the picture: those that are not well, those that belong together, and others.
fn choose(view: &StackView, links: &[Link]) -> Vec<usize> {
    let mut ranked: Vec<(u8, usize)> = view
        .objects
        .iter()
        .enumerate()
        .map(|(at, (key, _))| {
            let is_linked = links.iter().any(|link| link.from == at || link.to == at);
            let rank = match (view.health_of(key).0, is_linked) {
                (Health::Degraded | Health::Missing | Health::Progressing, _) => 0,
                (_, true) => 1,
                (_, false) => 2,
            };
            (rank, at)
        })
        .collect();
    ranked.sort_unstable();
    ranked.truncate(MOST);
    let mut chosen: Vec<usize> = ranked.into_iter().map(|(_, at)| at).collect();
    chosen.sort_unstable();
    chosen
}

/// The column and the row of each node.
pub(crate) fn arrange(count: usize, edges: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let columns = columns(count, edges);
    let is_alone = |node: usize| !edges.iter().any(|(from, to)| *from == node || *to == node);
    let mut cells = vec![(0, 0); count];
    let widest = columns.iter().copied().max().unwrap_or(0);
    let mut tallest = 0;
    let mut placed: Vec<Option<usize>> = vec![None; count];
    for column in 0..=widest {
        let mut nodes: Vec<usize> = (0..count)
            .filter(|node| columns[*node] == column && !is_alone(*node))
            .collect();
        // Beside what leads to it: the middle of the rows of those, times two to stay whole.
        let middle = |node: &usize| {
            let rows = edges.iter().filter(|(_, to)| to == node);
            let rows: Vec<usize> = rows.filter_map(|(from, _)| placed[*from]).collect();
            (2 * rows.iter().sum::<usize>())
                .checked_div(rows.len())
                .unwrap_or(usize::MAX)
        };
        nodes.sort_by_cached_key(|node| (middle(node), *node));
        for (row, node) in nodes.iter().enumerate() {
            cells[*node] = (column, row);
        }
        for (row, node) in nodes.iter().enumerate() {
            placed[*node] = Some(row);
        }
        tallest = tallest.max(nodes.len());
    }
    // Those that belong to nothing come last, in blocks right of the others.
    let first = if tallest == 0 { 0 } else { widest + 1 };
    let alone = (0..count).filter(|node| is_alone(*node));
    let height = tallest.max(TALL);
    for (number, node) in alone.enumerate() {
        cells[node] = (first + number / height, number % height);
    }
    cells
}

/// How far each node is from those to which nothing leads. What leads in a circle stays where it is.
fn columns(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut columns = vec![0_usize; count];
    for _ in 0..count.min(16) {
        let mut has_moved = false;
        for (from, to) in edges {
            let least = (columns[*from] + 1).min(15);
            if columns[*to] < least {
                columns[*to] = least;
                has_moved = true;
            }
        }
        if !has_moved {
            break;
        }
    }
    // A column that circles have left empty is none.
    let mut used: Vec<usize> = columns.clone();
    used.sort_unstable();
    used.dedup();
    for column in &mut columns {
        *column = used.binary_search(column).unwrap_or(0);
    }
    columns
}
