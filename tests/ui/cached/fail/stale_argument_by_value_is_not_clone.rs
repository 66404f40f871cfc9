use larder::cached;

struct Ticket;

#[cached(key = "user:<id>", skip(ticket), ttl = 60, early = true)]
async fn get_user(ticket: Ticket, id: u64) -> u64 {
    drop(ticket);
    id
}

fn main() {}
