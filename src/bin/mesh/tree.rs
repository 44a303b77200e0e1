//! A tree as a person reads it: lines with the place that each comes from.

use std::fmt::Write as _;

use mesh_core::config::Origin;

/// A line, where it comes from, and what belongs to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    text: String,
    place: String,
    branches: Vec<Tree>,
}

impl Tree {
    /// A line.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// Adds where it comes from.
    pub(crate) fn at(mut self, origin: &Origin) -> Self {
        self.place = place(origin);
        self
    }

    /// Adds where it comes from, in words.
    pub(crate) fn from(mut self, place: impl Into<String>) -> Self {
        self.place = place.into();
        self
    }

    /// Adds what belongs to it.
    pub(crate) fn with(mut self, branch: Tree) -> Self {
        self.branches.push(branch);
        self
    }

    /// Adds what belongs to it.
    pub(crate) fn push(&mut self, branch: Tree) {
        self.branches.push(branch);
    }

    /// Puts something before the text.
    pub(crate) fn marked(mut self, mark: &str) -> Self {
        self.text.insert_str(0, mark);
        self
    }

    /// The whole tree, one line each, the places in a column of their own.
    pub(crate) fn render(&self, colour: bool) -> String {
        let mut lines = Vec::new();
        self.lines("", "", &mut lines);
        let long = |(text, place): &(String, String)| {
            // A line that is far longer than the others must not push all places away.
            let width = text.chars().count();
            (!place.is_empty() && width <= 78).then_some(width)
        };
        let width = lines.iter().filter_map(long).max().unwrap_or(0);
        let mut out = String::new();
        for (text, place) in lines {
            let padding = if place.is_empty() {
                0
            } else {
                width.saturating_sub(text.chars().count()) + 2
            };
            let (dim, plain) = match (colour, place.is_empty()) {
                (true, false) => ("\u{1b}[2m", "\u{1b}[0m"),
                _ => ("", ""),
            };
            let _ = writeln!(out, "{text}{:padding$}{dim}{place}{plain}", "");
        }
        out
    }

    fn lines(&self, first: &str, rest: &str, lines: &mut Vec<(String, String)>) {
        lines.push((format!("{first}{}", self.text), self.place.clone()));
        for (index, branch) in self.branches.iter().enumerate() {
            let (corner, below) = if index + 1 == self.branches.len() {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            branch.lines(&format!("{rest}{corner}"), &format!("{rest}{below}"), lines);
        }
    }
}

/// `path:line`, or nothing for what nobody wrote.
pub(crate) fn place(origin: &Origin) -> String {
    match origin.source() {
        Some(source) => format!("{}:{}", source.path, origin.line()),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_stand_in_one_column() {
        let tree = Tree::new("root")
            .from("a:1")
            .with(
                Tree::new("one")
                    .from("b:2")
                    .with(Tree::new("leaf").from("c:3")),
            )
            .with(Tree::new("two"));
        let expected = "root           a:1\n├─ one         b:2\n│  └─ leaf     c:3\n└─ two\n";
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed(&tree.render(false)), squeezed(expected));
        let columns: Vec<_> = tree
            .render(false)
            .lines()
            .filter_map(|line| line.find(':'))
            .collect();
        assert_eq!(columns.len(), 3);
        assert!(tree.render(true).contains("\u{1b}[2ma:1\u{1b}[0m"));
    }
}
