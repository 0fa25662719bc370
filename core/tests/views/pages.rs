//! Pages of rows, and cursors from one to the next.

use super::kit::{Customer, Tables, customer, with_balance};
use crate::random::Random;
use midgard::View;
use midgard::view::CursorError;
use midgard::view::{Cursor, Page, Select, ViewError};
use serde::{Deserialize, Serialize};

/// 20 customers with four balances.
fn customers() -> Tables {
    let tables = Tables::of::<Customer>();
    let rows = (0..20).map(|id| with_balance(id, (id % 4) as i64 - 2));
    tables.put(rows).unwrap();
    tables
}

fn page(tables: &Tables, select: Select<Customer>) -> Page<Customer> {
    tables.views.page(select).unwrap()
}

fn ids(page: &Page<Customer>) -> Vec<u64> {
    page.rows.iter().map(|row| row.id).collect()
}

/// All pages of a selection, one after another, as a client sees them: it only has the cursor's text.
fn walk(tables: &Tables, size: usize, select: impl Fn() -> Select<Customer>) -> Vec<Vec<u64>> {
    let mut pages = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let mut select = select().limit(size);
        if let Some(next) = &next {
            select = select.after(&next.parse().unwrap());
        }
        let page = page(tables, select);
        pages.push(ids(&page));
        assert!(pages.len() < 100, "it comes to an end");
        match page.next {
            Some(cursor) => next = Some(cursor.to_string()),
            None => return pages,
        }
    }
}

#[test]
fn pages_add_up_to_the_selection_in_every_order_and_size() {
    let tables = customers();
    let selections: [fn() -> Select<Customer>; 8] = [
        Select::all,
        || Select::all().reverse(),
        || Select::keys(3..17),
        Customer::ordered_by_balance,
        || Customer::ordered_by_balance().reverse(),
        || Customer::by_balance_range(-1..=0).reverse(),
        || Customer::by_balance(0),
        || Customer::ordered_by_balance().filter(|row| row.id % 3 == 0),
    ];
    for (number, select) in selections.iter().enumerate() {
        let all = tables.ids(select());
        for size in 1..=21 {
            let pages = walk(&tables, size, select);
            assert_eq!(pages.concat(), all, "selection {number} by {size}");
            let wanted = all.len().div_ceil(size);
            assert_eq!(pages.len(), wanted, "no page is empty: {number} by {size}");
        }
    }
}

#[test]
fn a_page_has_a_hundred_rows_when_nothing_else_is_said() {
    let tables = Tables::of::<Customer>();
    tables
        .put((0..101).map(|id| customer(id, "Norway", "Oslo")))
        .unwrap();
    let first = page(&tables, Select::all());
    assert_eq!(first.rows.len(), 100);
    let second = page(&tables, Select::all().after(&first.next.unwrap()));
    assert_eq!((ids(&second), second.next), (vec![100], None));
}

#[test]
fn an_empty_selection_has_one_empty_page() {
    let tables = customers();
    for select in [Select::keys(100..), Customer::by_city("Rome")] {
        let page = page(&tables, select);
        assert_eq!((page.rows.len(), page.next), (0, None));
    }
}

#[test]
fn the_next_page_goes_on_where_the_last_one_ended_whatever_has_come_and_gone() {
    let tables = customers();
    let select = || Customer::ordered_by_balance().limit(3);
    let first = page(&tables, select());
    assert_eq!(ids(&first), [0, 4, 8]);
    let next = first.next.unwrap();
    tables
        .change(|transaction| {
            // The last row itself, one of this page, one of the next, and new ones on either side.
            for id in [8, 0, 12] {
                transaction.remove::<Customer>(id)?;
            }
            transaction.put(with_balance(7, -2))?;
            transaction.put(with_balance(9, -2))?;
            transaction.put(with_balance(100, -5))
        })
        .unwrap();
    let second = page(&tables, select().after(&next));
    assert_eq!(ids(&second), [9, 16, 1]);
    let back = page(&tables, select().reverse().after(&next));
    assert_eq!(ids(&back), [7, 4, 100], "and back from there");
}

#[test]
fn pages_lose_and_repeat_nothing_that_stays_while_others_come_and_go() {
    for seed in 0..20 {
        let random = &mut Random(seed);
        let tables = Tables::of::<Customer>();
        // The even ones stay, the odd ones come and go.
        tables
            .put((0..50).map(|id| with_balance(id * 2, (id % 5) as i64)))
            .unwrap();
        let (mut seen, mut next) = (Vec::<u64>::new(), None::<Cursor>);
        loop {
            let mut select = Customer::ordered_by_balance().limit(1 + random.below(6) as usize);
            if let Some(next) = &next {
                select = select.after(next);
            }
            let page = page(&tables, select);
            seen.extend(ids(&page).iter().filter(|id| *id % 2 == 0));
            next = page.next;
            if next.is_none() {
                break;
            }
            tables
                .change(|transaction| {
                    for _ in 0..5 {
                        let id = random.below(50) * 2 + 1;
                        transaction.put(with_balance(id, random.below(5) as i64))?;
                        transaction.remove::<Customer>(random.below(50) * 2 + 1)?;
                    }
                    Ok(())
                })
                .unwrap();
        }
        let mut stayed: Vec<u64> = (0..50).map(|id| id * 2).collect();
        stayed.sort_by_key(|id| (id / 2 % 5, *id));
        assert_eq!(seen, stayed, "seed {seed}");
    }
}

#[test]
fn a_cursor_is_a_text_for_a_url_and_is_read_back() {
    let tables = customers();
    for (select, size) in [
        (Select::all(), 1),
        (Customer::ordered_by_balance(), 7),
        (Customer::ordered_by_city(), 19),
    ] {
        let cursor = page(&tables, select.limit(size)).next.unwrap();
        let text = cursor.to_string();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        assert!(text.chars().all(is_plain), "{text}");
        assert_eq!(text.parse::<Cursor>(), Ok(cursor.clone()));
        let json = serde_json::to_string(&cursor).unwrap();
        assert_eq!(json, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<Cursor>(&json).unwrap(), cursor);
    }
}

#[test]
fn a_text_that_is_no_cursor_is_refused() {
    let tables = customers();
    let text = page(&tables, Select::all().limit(1))
        .next
        .unwrap()
        .to_string();
    for wrong in ["", "A", "AA", "====", "Ünï", "AQ", "a b c", "AQ\0", "_____"] {
        assert!(wrong.parse::<Cursor>().is_err(), "{wrong:?}");
    }
    let padded: CursorError = format!("{text}=").parse::<Cursor>().unwrap_err();
    assert!(serde_json::from_str::<Cursor>("7").is_err());
    assert_eq!(
        padded.to_string(),
        "the text is not a cursor of this release; pass a cursor as it was printed, or begin at the first page"
    );
    // Whatever somebody makes of it: an error, or rows of this view.
    let random = &mut Random(1);
    for _ in 0..2_000 {
        let mut changed = text.clone().into_bytes();
        for _ in 0..=random.below(3) {
            let at = random.below(changed.len() as u64) as usize;
            changed[at] =
                *random.pick(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
        }
        changed.truncate(1 + random.below(2 * changed.len() as u64) as usize);
        if let Ok(cursor) = String::from_utf8(changed).unwrap().parse::<Cursor>() {
            let _ = tables.views.page(Select::<Customer>::all().after(&cursor));
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize, View)]
#[view(key = id)]
struct Other {
    id: u64,
}

mod changed {
    use super::{Deserialize, Serialize, View};

    /// The view of the kit, as another release of the program has it.
    #[derive(Debug, Serialize, Deserialize, View)]
    #[view(key = id, index(balance, ordered))]
    pub(super) struct Customer {
        id: u64,
        balance: i64,
    }
}

#[test]
fn a_cursor_of_another_selection_is_refused() {
    let tables = customers();
    let cursor = page(&tables, Customer::ordered_by_balance().limit(6))
        .next
        .unwrap();
    let refused = |select: Select<Customer>| {
        let error = tables.views.page(select.after(&cursor)).unwrap_err();
        assert!(matches!(error, ViewError::OtherCursor { .. }), "{error}");
        error.to_string()
    };
    assert_eq!(
        refused(Select::all()),
        "the cursor does not fit: it is of index \"balance\", and was used with the order of keys; \
         begin again at the first page of view \"customer\""
    );
    assert_eq!(
        refused(Customer::ordered_by_city()),
        "the cursor does not fit: it is of index \"balance\", and was used with index \"city\"; \
         begin again at the first page of view \"customer\""
    );
    assert_eq!(
        refused(Customer::by_balance_range(0..)),
        "the cursor does not fit: it is of a selection of other rows; \
         begin again at the first page of view \"customer\""
    );

    let others = Tables::of::<Other>();
    others.put([Other { id: 1 }]).unwrap();
    let error = others
        .views
        .select(Select::<Other>::all().after(&cursor))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the cursor does not fit: it is of view \"customer\"; begin again at the first page of view \"other\""
    );

    let changed = Tables::of::<changed::Customer>();
    let select = changed::Customer::ordered_by_balance().after(&cursor);
    let error = changed.views.page(select).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the cursor does not fit: the definition of the view has changed since; \
         begin again at the first page of view \"customer\""
    );
}

#[test]
fn every_kind_of_read_goes_on_after_a_cursor() {
    let tables = customers();
    let cursor = page(&tables, Select::all().limit(18)).next.unwrap();
    let rest = || Select::all().after(&cursor);
    assert_eq!(tables.ids(rest()), [18, 19]);
    assert_eq!(tables.views.count::<Customer>(rest()).unwrap(), 2);
    assert_eq!(
        tables.views.first::<Customer>(rest()).unwrap().unwrap().id,
        18
    );
    let mut transaction = tables.begin();
    transaction.put(with_balance(25, 1)).unwrap();
    transaction.put(with_balance(3, 1)).unwrap();
    let rows = transaction.select::<Customer>(rest()).unwrap();
    assert_eq!(
        rows.iter().map(|row| row.id).collect::<Vec<_>>(),
        [18, 19, 25]
    );
}

#[test]
fn a_page_of_no_rows_says_where_the_first_one_begins() {
    let tables = customers();
    let selections: [fn() -> Select<Customer>; 4] = [
        Select::all,
        || Select::keys(3..17).reverse(),
        || Customer::by_balance_range(-1..=0),
        || Customer::ordered_by_balance().filter(|row| row.id % 3 == 0),
    ];
    for select in selections {
        let all = tables.ids(select());
        let none = page(&tables, select().limit(0));
        assert!(none.rows.is_empty());
        let next: Cursor = none.next.unwrap().to_string().parse().unwrap();
        let first = page(&tables, select().limit(2).after(&next));
        assert_eq!(ids(&first), all[..2]);

        // In the middle, and at the end.
        let cursor = first.next.unwrap();
        let none = page(&tables, select().limit(0).after(&cursor));
        assert_eq!(none.next, Some(cursor.clone()));
        let rest = page(&tables, select().after(&cursor));
        assert_eq!(ids(&rest), all[2..]);
    }
    let none = page(&tables, Select::keys(100..).limit(0));
    assert!(none.rows.is_empty() && none.next.is_none());
}
