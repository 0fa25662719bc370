//! The columns of a view's table.

use super::form::{Form, Leaf, Unread};
use super::value::SqlValue;
use midgard::projection::{FieldsDefinition, TableDefinition};
use midgard::view::ViewError;

/// How long a name may be, in bytes.
const NAME_BYTES: usize = 63;

/// The columns of a table, and those of its key and of each index.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) view: &'static str,
    pub(super) all: Vec<Column>,
    /// Places in `all`.
    pub(super) key: Vec<usize>,
    pub(super) indexes: Vec<IndexColumns>,
    /// The name of the column with the row.
    pub(super) data: &'static str,
}

#[derive(Debug)]
pub(super) struct IndexColumns {
    /// Places in the columns of the table.
    pub(super) columns: Vec<usize>,
    /// Whether the server can see to it that values are unique.
    pub(super) is_unique: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: ColumnKind,
    pub(super) is_nullable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ColumnKind {
    Value(Leaf),
    /// The bytes of a key, which sort as the value does: of a value with this form, or of all that follows.
    Ordered(Form),
}

impl Column {
    pub(super) const fn sql_type(&self) -> &'static str {
        match self.kind {
            ColumnKind::Value(leaf) => leaf.sql_type(),
            ColumnKind::Ordered(_) => "bytea",
        }
    }

    /// Returns whether its bytes may end anywhere.
    pub(super) const fn is_opaque(&self) -> bool {
        matches!(self.kind, ColumnKind::Ordered(Form::Unknown))
    }

    /// Reads the value of one column.
    pub(super) fn read<'a>(&self, bytes: &mut &'a [u8]) -> Result<SqlValue, Unread<'a>> {
        match &self.kind {
            ColumnKind::Ordered(form) => {
                if self.is_nullable && bytes.first() == Some(&0) {
                    *bytes = &bytes[1..];
                    return Ok(SqlValue::Null);
                }
                let all = *bytes;
                form.skip(bytes)?;
                Ok(SqlValue::Bytes(all[..all.len() - bytes.len()].to_vec()))
            }
            ColumnKind::Value(leaf) if self.is_nullable => match bytes.split_off_first() {
                None => Err(Unread::Short(None)),
                Some(0) => Ok(SqlValue::Null),
                Some(_) => leaf.read(bytes),
            },
            ColumnKind::Value(leaf) => leaf.read(bytes),
        }
    }
}

impl Columns {
    pub(super) fn of(definition: &TableDefinition) -> Result<Self, ViewError> {
        let mut columns = Columns {
            view: definition.view,
            all: Vec::new(),
            key: Vec::new(),
            indexes: Vec::new(),
            data: "data",
        };
        columns.key = columns.add(&definition.key, true)?;
        for index in &definition.indexes {
            let form = Form::parse(&index.value.form);
            let places = columns.add(&index.value, false)?;
            columns.indexes.push(IndexColumns {
                columns: places,
                is_unique: index.unique && form.has_plain_options(),
            });
        }
        if columns.all.iter().any(|column| column.name == "data") {
            columns.data = "row_data";
        }
        let names = columns.all.iter().map(|column| column.name.as_str());
        for name in names.clone() {
            check_name(columns.view, "column", name)?;
            if name == columns.data || names.clone().filter(|other| *other == name).count() > 1 {
                return Err(ViewError::NoTable {
                    view: columns.view.to_owned(),
                    reason: format!(
                        "two of its columns would be called \"{name}\"; rename the field"
                    ),
                });
            }
        }
        Ok(columns)
    }

    /// Adds the columns of some fields; returns their places.
    fn add(&mut self, value: &FieldsDefinition, is_key: bool) -> Result<Vec<usize>, ViewError> {
        let mut columns = Vec::new();
        match (Form::parse(&value.form), value.fields) {
            (Form::Tuple(forms), fields) if forms.len() == fields.len() && fields.len() > 1 => {
                for (field, form) in fields.iter().zip(forms) {
                    push(&mut columns, field, form, is_key);
                }
            }
            (form, [field]) => push(&mut columns, field, form, is_key),
            (_, fields) => columns.push(Column {
                name: format!("{}_bytes", fields.join("_")),
                kind: ColumnKind::Ordered(Form::Unknown),
                is_nullable: false,
            }),
        }
        let places = columns.into_iter().map(|column| {
            let same = self.all.iter().position(|one| *one == column);
            same.unwrap_or_else(|| {
                self.all.push(column);
                self.all.len() - 1
            })
        });
        Ok(places.collect())
    }

    pub(super) fn at(&self, places: &[usize]) -> impl Iterator<Item = &Column> {
        places.iter().filter_map(|place| self.all.get(*place))
    }

    /// Returns the columns in whose order an index is read: its own, and those of the key.
    pub(super) fn order(&self, index: Option<usize>) -> Vec<usize> {
        let index = index.and_then(|index| self.indexes.get(index));
        let mut order: Vec<_> = index.map_or_else(Vec::new, |index| index.columns.clone());
        for place in &self.key {
            if !order.contains(place) {
                order.push(*place);
            }
        }
        order
    }

    /// Reads the values of all these columns.
    pub(super) fn read(
        &self,
        places: &[usize],
        mut bytes: &[u8],
    ) -> Result<Vec<SqlValue>, ViewError> {
        let values = self.at(places).map(|column| column.read(&mut bytes));
        let values: Result<Vec<_>, _> = values.collect();
        match values {
            Ok(values) if bytes.is_empty() => Ok(values),
            _ => Err(self.misdescribed()),
        }
    }

    /// The bytes of a key that was implemented by hand are not of the form that it describes.
    fn misdescribed(&self) -> ViewError {
        ViewError::NoTable {
            view: self.view.to_owned(),
            reason: "a key or an index has other bytes than the form that its `ViewKey` describes; let `describe` and `encode` agree, or describe the form with a word of your own".to_owned(),
        }
    }
}

impl Form {
    /// Returns whether an option in it is one of a single column.
    fn has_plain_options(&self) -> bool {
        match self {
            Form::Leaf(_) => true,
            Form::Optional(form) => matches!(**form, Form::Leaf(_)),
            Form::Tuple(forms) => forms.iter().all(Form::has_plain_options),
            Form::Unknown => false,
        }
    }
}

/// Adds the columns of one field.
fn push(columns: &mut Vec<Column>, name: &str, form: Form, is_key: bool) {
    match form {
        Form::Leaf(leaf) => columns.push(Column {
            name: name.to_owned(),
            kind: ColumnKind::Value(leaf),
            is_nullable: false,
        }),
        Form::Tuple(forms) => {
            for (number, form) in (1..).zip(forms) {
                push(columns, &format!("{name}_{number}"), form, is_key);
            }
        }
        // No column of a primary key may be null.
        Form::Optional(form) => match *form {
            Form::Leaf(leaf) if !is_key => columns.push(Column {
                name: name.to_owned(),
                kind: ColumnKind::Value(leaf),
                is_nullable: true,
            }),
            form => columns.push(Column {
                name: format!("{name}_bytes"),
                kind: ColumnKind::Ordered(Form::Optional(Box::new(form))),
                is_nullable: !is_key,
            }),
        },
        Form::Unknown => columns.push(Column {
            name: format!("{name}_bytes"),
            kind: ColumnKind::Ordered(Form::Unknown),
            is_nullable: false,
        }),
    }
}

/// Refuses a name that the server would cut off.
pub(super) fn check_name(view: &str, what: &str, name: &str) -> Result<(), ViewError> {
    if name.len() <= NAME_BYTES && !name.contains('\0') {
        return Ok(());
    }
    Err(ViewError::NoTable {
        view: view.to_owned(),
        reason: format!(
            "the name of the {what} \"{name}\" has {} bytes; PostgreSQL has at most {NAME_BYTES}: give it a shorter name",
            name.len()
        ),
    })
}

/// Returns a name as it is written in SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
