//! Queries, as SQL that finds each alternative by an index.
//!
//! An item of a query becomes alternatives with one name each, or without a name. Those of one shape, the number of
//! their tags and whether they have a name, are answered by one statement, whatever they ask for.

use crate::statements::Statements;
use midgard::store::{Direction, Query};
use std::collections::BTreeMap;
use tokio_postgres::types::ToSql;

/// The shape of alternatives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shape {
    tags: usize,
    named: bool,
}

/// Alternatives of one shape, as columns.
#[derive(Debug, Default)]
pub(crate) struct Alternatives<'a> {
    names: Vec<&'a str>,
    /// For each tag of the shape, the tags of all alternatives.
    tags: Vec<Vec<&'a str>>,
}

impl<'a> Alternatives<'a> {
    fn push(&mut self, name: Option<&'a str>, tags: &[&'a str]) {
        self.names.extend(name);
        self.tags.resize_with(tags.len(), Vec::new);
        for (column, tag) in self.tags.iter_mut().zip(tags) {
            column.push(tag);
        }
    }

    /// Returns how many there are.
    pub(crate) fn len(&self) -> usize {
        self.tags.first().map_or(self.names.len(), Vec::len)
    }

    /// Adds others of the same shape.
    pub(crate) fn append(&mut self, others: Self) {
        self.names.extend(others.names);
        self.tags.resize_with(others.tags.len(), Vec::new);
        for (column, more) in self.tags.iter_mut().zip(others.tags) {
            column.extend(more);
        }
    }

    /// Returns the columns, as parameters in the order of the statements.
    pub(crate) fn parameters(&self, named: bool) -> impl Iterator<Item = &(dyn ToSql + Sync)> {
        let names = named.then_some(&self.names as &(dyn ToSql + Sync));
        let tags = self.tags.iter().map(|tags| tags as &(dyn ToSql + Sync));
        names.into_iter().chain(tags)
    }
}

impl Shape {
    pub(crate) const fn is_named(self) -> bool {
        self.named
    }

    /// Returns the number of columns.
    const fn columns(self) -> usize {
        self.tags + self.named as usize
    }

    /// Returns a table of alternatives, of parameters from number `from` on, with `more` columns before.
    fn table(self, from: usize, more: &[(&str, &str)]) -> String {
        let mut names: Vec<String> = more.iter().map(|(name, _)| (*name).to_owned()).collect();
        let mut types: Vec<&str> = more.iter().map(|(_, kind)| *kind).collect();
        names.extend(self.named.then(|| "name".to_owned()));
        names.extend((1..=self.tags).map(|tag| format!("tag{tag}")));
        types.resize(names.len(), "text[]");
        let parameters: Vec<_> = (from..)
            .zip(types)
            .map(|(number, kind)| format!("${number}::{kind}"))
            .collect();
        format!(
            "unnest({}) AS asked({})",
            parameters.join(", "),
            names.join(", ")
        )
    }

    /// Returns a query of the positions that match an alternative and `range`, in which `@` is the position.
    fn positions(self, range: &str, order: &str, limit: &str) -> String {
        let (table, name, mut matches) = if self.tags == 0 {
            ("midgard.events", "e.name = asked.name", Vec::new())
        } else {
            let first = "e.tag = asked.tag1".to_owned();
            ("midgard.tags", "e.name = asked.name", vec![first])
        };
        matches.extend(self.named.then(|| name.to_owned()));
        matches.push(range.replace('@', "e.position"));
        matches.extend((2..=self.tags).map(|tag| {
            format!(
                "EXISTS (SELECT 1 FROM midgard.tags t{tag} \
                 WHERE t{tag}.tag = asked.tag{tag} AND t{tag}.position = e.position)"
            )
        }));
        format!(
            "SELECT e.position FROM {table} e WHERE {} ORDER BY e.position {order} LIMIT {limit}",
            matches.join(" AND ")
        )
    }

    /// Returns the statement that finds, for each of several appends, the first position that one of its alternatives
    /// matches. Its first parameters are the numbers of the appends, and the positions after which they ask.
    pub(crate) fn first_matches(self, statements: &Statements) -> String {
        let table = self.table(1, &[("append", "bigint[]"), ("after", "bigint[]")]);
        let positions = self.positions("@ > asked.after", "ASC", "1");
        statements.in_schema(&format!(
            "SELECT asked.append, found.position FROM {table} CROSS JOIN LATERAL ({positions}) found"
        ))
    }
}

/// What a query asks for.
#[derive(Debug, Default)]
pub(crate) struct Asked<'a> {
    /// Whether it matches all events.
    pub(crate) everything: bool,
    /// Whether it asks for tombstones.
    pub(crate) tombstones: bool,
    /// The alternatives, unless it matches all events.
    pub(crate) alternatives: BTreeMap<Shape, Alternatives<'a>>,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(query: &'a Query) -> Self {
        let items = query.items();
        let is_empty =
            |item: &midgard::store::QueryItem| item.names().is_empty() && item.tags().is_empty();
        let mut asked = Asked {
            everything: items.is_empty() || items.iter().any(is_empty),
            tombstones: query.asks_for_tombstones(),
            alternatives: BTreeMap::new(),
        };
        if asked.everything {
            return asked;
        }
        for item in items {
            let mut tags: Vec<&str> = item.tags().iter().map(String::as_str).collect();
            tags.sort_unstable();
            tags.dedup();
            if tags.iter().any(|tag| has_nul(tag)) {
                continue;
            }
            let (count, named) = (tags.len(), !item.names().is_empty());
            let shape = Shape { tags: count, named };
            if !named {
                asked.add(shape, None, &tags);
            }
            for name in item.names().iter().filter(|name| !has_nul(name)) {
                asked.add(shape, Some(name), &tags);
            }
        }
        asked
    }

    fn add(&mut self, shape: Shape, name: Option<&'a str>, tags: &[&'a str]) {
        let alternatives = self.alternatives.entry(shape).or_default();
        alternatives.push(name, tags);
    }

    /// Returns the statement that reads the matching events. Its first parameters are the lowest and the highest
    /// position and the most events; the columns of the alternatives follow.
    pub(crate) fn read(&self, statements: &Statements, direction: Direction) -> String {
        let order = match direction {
            Direction::Forward => "ASC",
            Direction::Backward => "DESC",
        };
        let mut next = 4;
        let mut found = Vec::new();
        for shape in self.alternatives.keys() {
            let table = shape.table(next, &[]);
            let positions = shape.positions("@ BETWEEN $1 AND $2", order, "$3");
            found.push(format!(
                "SELECT found.position FROM {table} CROSS JOIN LATERAL ({positions}) found"
            ));
            next += shape.columns();
        }
        let columns = crate::statements::COLUMNS;
        statements.in_schema(&format!(
            "SELECT {columns} FROM (SELECT position FROM ({}) every ORDER BY position {order} LIMIT $3) next \
             JOIN midgard.events e ON e.position = next.position ORDER BY e.position {order}",
            distinct(&found)
        ))
    }
}

/// Joins queries of positions, so that each position is there once.
fn distinct(queries: &[String]) -> String {
    match queries {
        [one] => format!("SELECT DISTINCT position FROM ({one}) once"),
        several => several.join(" UNION "),
    }
}

/// No stored text has this character, and PostgreSQL cannot even be asked for it.
fn has_nul(text: &str) -> bool {
    text.contains('\0')
}
