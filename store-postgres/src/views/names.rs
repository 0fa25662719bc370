//! The names of schemas and tables.

use super::columns::{check_name, quoted};
use midgard::view::ViewError;

/// The table of notes, and that of the format: no view may have these names.
pub(super) const NOTES: &str = "midgard_notes";
pub(super) const FORMAT: &str = "midgard_format";

/// The schema in which the views are.
#[derive(Debug, Clone)]
pub(super) struct Schema {
    /// As it is written in SQL.
    quoted: String,
}

impl Schema {
    pub(super) fn new(name: &str) -> Self {
        Schema {
            quoted: quoted(name),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.quoted
    }

    /// Returns the name of something in it, as it is written in SQL.
    pub(super) fn of(&self, name: &str) -> String {
        format!("{}.{}", self.quoted, quoted(name))
    }

    /// Returns the table of a generation.
    pub(super) fn table(&self, view: &str, number: u32) -> String {
        self.of(&table_name(view, number))
    }
}

/// Returns the name of a generation's table. The number is no one else's.
pub(super) fn table_name(view: &str, number: u32) -> String {
    format!("{view}__{number}")
}

/// Refuses a view whose name is not its own.
pub(super) fn check_view(view: &str, number: u32) -> Result<(), ViewError> {
    check_name(view, "table", &table_name(view, number))?;
    let is_table = view
        .rsplit_once("__")
        .is_some_and(|(_, number)| number.parse::<u32>().is_ok());
    if is_table || view == NOTES || view == FORMAT {
        return Err(ViewError::NoTable {
            view: view.to_owned(),
            reason: "midgard has tables with such names itself; give the view another name, with `#[view(name = \"..\")]`".to_owned(),
        });
    }
    Ok(())
}
