//! The support for PostgreSQL itself: a server answers while its test holds it, and leaves nothing.

use std::net::TcpStream;

use tests::postgres::Server;

#[test]
fn a_server_answers_while_it_is_held_and_leaves_nothing() {
    let (address, folder) = {
        let server = Server::start();
        assert_eq!(server.tell("SELECT 1, 'two'"), "1|two");
        let url = server.url();
        let address = url.trim_start_matches("postgres://postgres@").trim_end_matches("/postgres").to_owned();
        TcpStream::connect(&address).unwrap();
        (address, server.tell("SHOW unix_socket_directories"))
    };
    let refused = TcpStream::connect(&address).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(!std::path::Path::new(&folder).exists(), "{folder}");
}

#[test]
fn databases_of_one_server_share_nothing() {
    let server = Server::start();
    let url = server.database("shop");
    assert!(url.ends_with("/shop"), "{url}");
    server.tell("CREATE TABLE user_of_postgres (id INT)");
    let databases = server.tell("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1");
    assert_eq!(databases, "postgres\nshop");
}

#[test]
#[should_panic(expected = "syntax error")]
fn what_the_server_refuses_fails_the_test() {
    Server::start().tell("SELEKT 1");
}
