use midgard::{Aggregate, Apply, Event};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created")]
struct UserCreated {}

#[derive(Debug, Default, Aggregate)]
struct NoAttribute {}

#[derive(Debug, Default, Aggregate)]
#[aggregate]
struct NoList {}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "c", id = "u64", events(UserCreated))]
struct IdIsText {}

impl Apply<UserCreated> for IdIsText {
    fn apply(&mut self, _: UserCreated) {}
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "d", id = u64, events = [UserCreated])]
struct EventsIsNoList {}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "e", id = u64, events(UserCreated, &str))]
struct NoName {}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "f", id = u64, events(UserCreated UserCreated))]
struct NoComma {}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "g", id = u64, events())]
struct NoEvents {}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "h", id = u64, event = UserCreated)]
struct Singular {}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "i", id = u64, stream = "user", events(UserCreated))]
struct UnknownKey {}

impl Apply<UserCreated> for UnknownKey {
    fn apply(&mut self, _: UserCreated) {}
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "j", id = u64, id = u32, events(UserCreated))]
struct IdTwice {}

impl Apply<UserCreated> for IdTwice {
    fn apply(&mut self, _: UserCreated) {}
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "k", id = u64, events(UserCreated), event_enum = "KEvent")]
struct EnumIsText {}

impl Apply<UserCreated> for EnumIsText {
    fn apply(&mut self, _: UserCreated) {}
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "l", id = u64, events(UserCreated))]
struct OnAField {
    #[aggregate(id)]
    id: u64,
}

impl Apply<UserCreated> for OnAField {
    fn apply(&mut self, _: UserCreated) {}
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "m", id = u64, events(UserCreated), crate = "midgard")]
struct CrateIsText {}

impl Apply<UserCreated> for CrateIsText {
    fn apply(&mut self, _: UserCreated) {}
}

fn main() {}
