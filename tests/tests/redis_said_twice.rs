//! What is carried out and not answered is said again, since nobody knows. In between others have moved on, and it must
//! not take anything back to where it stood.

use cache_core::store::{Append, Generation, RemoteStore};
use larder::Redis;
use tests::proxy::{Fault, Proxy};
use tests::redis::{Server, patient};
use tests::until_async;

const SCOPE: &str = "{larder:shop}:g:t:users";

const LOG: &str = "{larder:shop}";

/// Where the scope stands, as `store` sees it.
async fn generation(store: &Redis) -> Generation {
    store.fetch("shop:nobody", &[SCOPE.to_owned()], None).await.unwrap().generations[0]
}

/// Lets `question` be carried out by the server, which `is_done` tells, and then be asked again, after `meanwhile`.
async fn twice<T: Send + 'static>(
    proxy: &Proxy,
    question: impl Future<Output = T> + Send + 'static,
    is_done: impl AsyncFnMut() -> bool,
    meanwhile: impl Future<Output = ()>,
) -> T {
    let connections = proxy.connections();
    proxy.replies(Fault::Swallow);
    let question = tokio::spawn(question);
    until_async(is_done).await;
    meanwhile.await;
    proxy.heal();
    proxy.cut();
    let answer = question.await.unwrap();
    assert_eq!(proxy.connections(), connections + 1, "it was asked again");
    answer
}

#[tokio::test]
async fn a_scope_is_moved_to_a_new_place_each_time() {
    let server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    let (here, there) = (patient(proxy.url()), patient(server.url()));
    let scopes = [SCOPE.to_owned()];
    here.invalidate(&[], &scopes, None).await.unwrap();

    let before = generation(&there).await;
    let mut moved = before;
    let is_done = async || {
        moved = generation(&there).await;
        moved != before
    };
    let question = {
        let (here, scopes) = (here.clone(), scopes.clone());
        async move { here.invalidate(&[], &scopes, None).await }
    };
    // What is stored meanwhile is stored under where the scope stands after the first time.
    let meanwhile = async {
        let _ = there.invalidate(&[], &scopes, None).await.unwrap();
    };
    twice(&proxy, question, is_done, meanwhile).await.unwrap();
    let after = generation(&there).await;
    assert!(after != moved && after != before, "what had been invalidated is current again");
}

#[tokio::test]
async fn an_epoch_begins_under_a_new_name_each_time() {
    let server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    let (here, there) = (patient(proxy.url()), patient(server.url()));
    let append = async |store: &Redis| {
        let append = Append { log: LOG, records: &[b"record".to_vec()], replicas: 0 };
        store.invalidate(&[], &[SCOPE.to_owned()], Some(append)).await.unwrap().unwrap().epoch
    };
    // The server knows the script from now on, and nothing else.
    let _ = append(&here).await;
    server.tell::<()>(&["FLUSHALL"]);

    let begun = async || server.tell::<u64>(&["EXISTS", "{larder:shop}:ctl"]) == 1;
    let mut first = None;
    let forgotten = async {
        first = Some(append(&there).await);
        server.tell::<()>(&["FLUSHALL"]);
    };
    let question = {
        let here = here.clone();
        async move { append(&here).await }
    };
    let second = twice(&proxy, question, begun, forgotten).await;
    assert_ne!(Some(second), first, "two logs pass for one");
}
