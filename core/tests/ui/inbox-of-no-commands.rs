use midgard::Inbox;

struct ReserveCredit {}

#[derive(Inbox)]
#[inbox(name = "customers", commands(ReserveCredit))]
struct Customers;

fn main() {}
