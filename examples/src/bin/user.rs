//! The smallest whole program: a user is created, renamed twice, and loaded back.
#![allow(clippy::print_stdout)]

use midgard::{Aggregate, Apply, Command, Event, Events, Repository, events};
use midgard_store_lmdb::LmdbStore;
use serde::{Deserialize, Serialize};
use std::error::Error;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created")]
struct UserCreated {
    name: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.renamed")]
struct UserRenamed {
    name: String,
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "user", id = String, events(UserCreated, UserRenamed))]
struct User {
    name: Option<String>,
}

impl Apply<UserCreated> for User {
    fn apply(&mut self, event: UserCreated) {
        self.name = Some(event.name);
    }
}

impl Apply<UserRenamed> for User {
    fn apply(&mut self, event: UserRenamed) {
        self.name = Some(event.name);
    }
}

#[derive(Debug, PartialEq, thiserror::Error)]
enum UserError {
    #[error("the user exists already")]
    Exists,
    #[error("there is no such user")]
    Missing,
}

struct Create {
    name: String,
}

impl Command<User> for Create {
    type Error = UserError;

    fn decide(&self, user: &User) -> Result<Events<User>, UserError> {
        match user.name {
            Some(_) => Err(UserError::Exists),
            None => Ok(events![UserCreated {
                name: self.name.clone()
            }]),
        }
    }
}

struct Rename {
    name: String,
}

impl Command<User> for Rename {
    type Error = UserError;

    fn decide(&self, user: &User) -> Result<Events<User>, UserError> {
        match &user.name {
            None => Err(UserError::Missing),
            Some(name) if *name == self.name => Ok(Events::none()),
            Some(_) => Ok(events![UserRenamed {
                name: self.name.clone()
            }]),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    midgard::block_on(async {
        let users = Repository::<User, _>::new(LmdbStore::open("user-data")?);
        let id = midgard::EventId::new().to_string();

        let create = Create { name: "bob".into() };
        users.execute(&id, &create).await?;
        for name in ["jun", "jun2"] {
            users.execute(&id, &Rename { name: name.into() }).await?;
        }

        let user = users.load(&id).await?;
        println!("{}", user.state().name.as_deref().unwrap_or_default());
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use midgard::testing::given;

    fn created() -> UserCreated {
        UserCreated { name: "bob".into() }
    }

    fn rename(name: &str) -> Rename {
        Rename { name: name.into() }
    }

    #[test]
    fn a_user_is_created_once() {
        let create = || Create { name: "bob".into() };
        given(events![]).when(create()).then([created()]);
        given([created()])
            .when(create())
            .then_error(UserError::Exists);
    }

    #[test]
    fn a_user_is_renamed() {
        let renamed = UserRenamed { name: "jun".into() };
        given([created()])
            .when(rename("jun"))
            .then([renamed.clone()])
            .then_state(|user| assert_eq!(user.name.as_deref(), Some("jun")));
        given(events![created(), renamed])
            .when(rename("jun"))
            .then_nothing();
    }

    #[test]
    fn nobody_cannot_be_renamed() {
        given(events![])
            .when(rename("jun"))
            .then_error(UserError::Missing);
    }
}
