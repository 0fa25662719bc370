use midgard::View;

#[derive(View)]
#[view(key = id, index(city, ordered))]
struct Customer {
    id: u64,
    city: String,
}

fn main() {
    let _ = Customer::by_city("Oslo");
}
