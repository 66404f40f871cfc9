//! §1: the shortest program needs no set-up call, with whatever backend the features give it.

use contract::{User, db, get_user, import_users};

fn ada(name: &str) -> [User; 1] {
    [User { id: 42, name: name.to_owned() }]
}

#[tokio::test]
async fn the_card_works_as_written() {
    import_users(&ada("Ada")).await.unwrap();
    let before = db::queries();
    for _ in 0..3 {
        assert_eq!(get_user(42).await.unwrap().name, "Ada");
    }
    // Redis alone, without a server: the body runs each time, and no call fails.
    let expected = if cfg!(feature = "memory") { 1 } else { 3 };
    assert_eq!(db::queries() - before, expected);

    import_users(&ada("Countess")).await.unwrap();
    assert_eq!(get_user(42).await.unwrap().name, "Countess");

    assert!(get_user(7).await.is_err());
    assert!(get_user(7).await.is_err(), "an error is not stored");
}
