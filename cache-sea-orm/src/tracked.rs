//! A connection that is watched.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cache_core::private::{AsCache as _, Global, Invalidation, invalidation};
use cache_core::{Cache, observe};
use sea_orm::{
    AccessMode, ConnectionTrait, DbBackend, DbErr, ExecResult, IsolationLevel, QueryResult, SqlErr,
    Statement, StatementBuilder, StreamTrait, TransactionError, TransactionOptions, TransactionSession,
    TransactionTrait,
};

use crate::change::{Access, Part};
use crate::pending::Pending;
use crate::scoped::Scoped;
use crate::sql;
use crate::statement;
use crate::stream::TrackedStream;
use crate::tables::Tables;

/// A connection, or a transaction that [began](TransactionTrait::begin) on one, that sees what is read and written through
/// it.
pub struct Tracked<C> {
    inner: C,
    tables: Arc<Tables>,
    /// Nothing: the global one, whichever that is when it is needed.
    cache: Option<Cache>,
    told: Arc<Said>,
    /// Of a transaction, what it has changed.
    pending: Option<Arc<Pending>>,
}

/// What was said already.
#[derive(Debug, Default)]
struct Said {
    read: AtomicBool,
    write: AtomicBool,
}

impl<C> Tracked<C> {
    /// Watches `connection`. What is written through it is invalidated in the global cache.
    ///
    /// `tables` are what is known of keys and relations.
    #[must_use]
    pub fn new(connection: C, tables: Tables) -> Self {
        Self { inner: connection, tables: Arc::new(tables), cache: None, told: Arc::default(), pending: None }
    }

    /// For another cache than the global one.
    #[must_use]
    pub fn cache(self, cache: Cache) -> Self {
        Self { cache: Some(cache), ..self }
    }

    /// The connection itself. What is written through it goes unseen.
    pub fn inner(&self) -> &C {
        &self.inner
    }

    /// This connection for statements whose text says nothing to it: they read `tables`.
    pub fn reads<T: Into<String>>(&self, tables: impl IntoIterator<Item = T>) -> Scoped<'_, C> {
        Scoped::of(self).reads(tables)
    }

    /// This connection for statements whose text says nothing to it: they change `tables`, whatever rows of them.
    pub fn writes<T: Into<String>>(&self, tables: impl IntoIterator<Item = T>) -> Scoped<'_, C> {
        Scoped::of(self).writes(tables)
    }

    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// A transaction of this connection.
    fn transaction_of<T>(&self, inner: T) -> Tracked<T> {
        Tracked {
            inner,
            tables: Arc::clone(&self.tables),
            cache: self.cache.clone(),
            told: Arc::clone(&self.told),
            pending: Some(Pending::begin(self.pending.as_ref())),
        }
    }

    fn invalidation(&self, parts: &[Part]) -> Invalidation {
        let mut invalidation = match &self.cache {
            Some(cache) => invalidation(cache),
            None => invalidation(&Global),
        };
        self.with_cache(|cache| parts.iter().for_each(|part| observe::table(cache, &part.table)));
        for part in parts {
            part.invalidate_by(&mut invalidation);
        }
        invalidation
    }

    fn with_cache<R>(&self, ask: impl FnOnce(&Cache) -> R) -> R {
        match &self.cache {
            Some(cache) => ask(cache),
            None => Global.with(ask),
        }
    }

    /// Whether a load of this task wants to know what is read.
    pub(crate) fn is_observed(&self) -> bool {
        observe::running().is_some() && self.with_cache(observe::is_wanted)
    }

    /// What a statement reads that does not tell: what its user says, or nothing.
    pub(crate) fn opaque(&self, named: Option<&Access>, writes: bool) -> Access {
        let untold = if writes { &self.told.write } else { &self.told.read };
        if let Some(named) = named {
            return named.clone();
        }
        if writes {
            if !untold.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    target: "larder",
                    "a statement of raw SQL may have changed tables that are not known, and nothing is invalidated: \
                     name them, as in `db.writes([\"user\"])`"
                );
            }
        } else if self.is_observed() && !untold.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: "larder",
                "a cached function with `tags = auto` reads tables by raw SQL, and is not invalidated with them: name \
                 them, as in `db.reads([\"user\"])`"
            );
        }
        Access::default()
    }

    /// What `statement` touches, if it tells.
    pub(crate) fn access<S: StatementBuilder>(&self, statement: &S) -> Option<Access>
    where
        C: ConnectionTrait,
    {
        statement::access(statement, &self.tables, self.inner.get_database_backend(), self.is_observed())
    }

    /// Tells the loads of this task what is about to be read.
    pub(crate) fn observe(&self, access: &Access) {
        if observe::running().is_none() {
            return;
        }
        if let Some(pending) = &self.pending {
            pending.is_read();
        }
        self.with_cache(|cache| access.observe(cache));
    }
}

/// What a statement says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// What it reads and changes.
    All,
    /// Nothing, and it changes nothing.
    Reads,
    /// Nothing, and it may change anything.
    Writes,
}

/// For how long a write whose answer was not waited for, or was lost, may still be on its way: what is loaded meanwhile is
/// returned and not stored. Longer than a statement usually waits for a lock.
pub(crate) const LATE: Duration = Duration::from_secs(30);

impl<C: ConnectionTrait> Tracked<C> {
    /// Carries out a statement, and invalidates what it changes once that counts.
    ///
    /// `learn` says what was changed, where only the answer tells.
    pub(crate) async fn carry_out<T>(
        &self,
        access: Access,
        told: Told,
        statement: impl Future<Output = Result<T, DbErr>>,
        learn: impl FnOnce(&T) -> Option<Vec<Part>>,
    ) -> Result<T, DbErr> {
        self.observe(&access);
        if access.changes.is_empty() && told != Told::Writes {
            return statement.await;
        }
        let Some(pending) = &self.pending else {
            let mut owed = self.invalidation(&access.changes);
            owed.settle(LATE);
            let result = owed.run(statement).await;
            if result.as_ref().err().is_none_or(is_answer) {
                owed.settle(Duration::ZERO);
            }
            match &result {
                // One of several statements in a raw text may have succeeded before.
                Err(error) if told == Told::All && self.is_refused(error) => owed.forget(),
                Ok(answer) if let Some(changes) = learn(answer) => {
                    owed.forget();
                    self.invalidation(&changes).finish(true).await;
                }
                _ => owed.finish(true).await,
            }
            return result;
        };
        // Before it is carried out: it may be, although this future is dropped.
        let noted = pending.add(access.changes);
        let result = statement.await;
        if let Ok(answer) = &result
            && let Some(changes) = learn(answer)
        {
            pending.set(noted, changes);
        }
        result
    }

    /// The rows of a statement one by one. What it changes is invalidated when they end.
    pub(crate) async fn stream_of<S>(
        &self,
        access: Access,
        rows: impl Future<Output = Result<S, DbErr>>,
    ) -> Result<TrackedStream<S>, DbErr> {
        self.observe(&access);
        let mut owed = None;
        if !access.changes.is_empty() {
            if let Some(pending) = &self.pending {
                pending.add(access.changes);
            } else {
                let mut invalidation = self.invalidation(&access.changes);
                invalidation.settle(LATE);
                invalidation.begun();
                owed = Some(invalidation);
            }
        }
        Ok(TrackedStream::new(rows.await?, owed))
    }

    /// Whether nothing can have happened.
    fn is_refused(&self, error: &DbErr) -> bool {
        match error {
            DbErr::ConnectionAcquire(_) => true,
            // Some engines of that one keep what a statement did before it failed.
            _ if self.inner.get_database_backend() == DbBackend::MySql => false,
            error => matches!(
                error.sql_err(),
                Some(SqlErr::UniqueConstraintViolation(_) | SqlErr::ForeignKeyConstraintViolation(_))
            ),
        }
    }
}

/// Whether the database has said so, and is done with the statement. By its text: the kind is known only with the features of
/// some driver. Whatever else it says is taken for a connection in trouble.
fn is_answer(error: &DbErr) -> bool {
    error.to_string().contains("error returned from database")
}

#[async_trait]
impl<C: ConnectionTrait> ConnectionTrait for Tracked<C> {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        Scoped::of(self).execute_raw(statement).await
    }

    async fn execute<S: StatementBuilder>(&self, statement: &S) -> Result<ExecResult, DbErr> {
        Scoped::of(self).execute(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        Scoped::of(self).execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Scoped::of(self).query_one_raw(statement).await
    }

    async fn query_one<S: StatementBuilder>(&self, statement: &S) -> Result<Option<QueryResult>, DbErr> {
        Scoped::of(self).query_one(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        Scoped::of(self).query_all_raw(statement).await
    }

    async fn query_all<S: StatementBuilder>(&self, statement: &S) -> Result<Vec<QueryResult>, DbErr> {
        Scoped::of(self).query_all(statement).await
    }

    fn support_returning(&self) -> bool {
        self.inner.support_returning()
    }

    fn is_mock_connection(&self) -> bool {
        self.inner.is_mock_connection()
    }
}

impl<C: ConnectionTrait + StreamTrait> StreamTrait for Tracked<C> {
    type Stream<'a>
        = TrackedStream<C::Stream<'a>>
    where
        Self: 'a;

    fn get_database_backend(&self) -> DbBackend {
        StreamTrait::get_database_backend(&self.inner)
    }

    fn stream_raw<'a>(
        &'a self,
        statement: Statement,
    ) -> Pin<Box<dyn Future<Output = Result<Self::Stream<'a>, DbErr>> + 'a + Send>> {
        let access = self.opaque(None, sql::may_write(&statement.sql));
        Box::pin(self.stream_of(access, self.inner.stream_raw(statement)))
    }

    fn stream<'a, S: StatementBuilder + Sync>(
        &'a self,
        statement: &S,
    ) -> Pin<Box<dyn Future<Output = Result<Self::Stream<'a>, DbErr>> + 'a + Send>> {
        let access = self.access(statement).unwrap_or_else(|| self.opaque(None, true));
        Box::pin(self.stream_of(access, self.inner.stream(statement)))
    }
}

#[async_trait]
impl<C> TransactionTrait for Tracked<C>
where
    C: TransactionTrait + Send + Sync,
    C::Transaction: Sync,
{
    type Transaction = Tracked<C::Transaction>;

    async fn begin(&self) -> Result<Self::Transaction, DbErr> {
        Ok(self.transaction_of(self.inner.begin().await?))
    }

    async fn begin_with_config(
        &self,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<Self::Transaction, DbErr> {
        Ok(self.transaction_of(self.inner.begin_with_config(isolation_level, access_mode).await?))
    }

    async fn begin_with_options(&self, options: TransactionOptions) -> Result<Self::Transaction, DbErr> {
        Ok(self.transaction_of(self.inner.begin_with_options(options).await?))
    }

    async fn transaction<F, T, E>(&self, callback: F) -> Result<T, TransactionError<E>>
    where
        F: for<'c> FnOnce(&'c Self::Transaction) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>
            + Send,
        T: Send,
        E: fmt::Display + fmt::Debug + Send,
    {
        let transaction = self.begin().await.map_err(TransactionError::Connection)?;
        run(transaction, callback).await
    }

    async fn transaction_with_config<F, T, E>(
        &self,
        callback: F,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<T, TransactionError<E>>
    where
        F: for<'c> FnOnce(&'c Self::Transaction) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>
            + Send,
        T: Send,
        E: fmt::Display + fmt::Debug + Send,
    {
        let begun = self.begin_with_config(isolation_level, access_mode).await;
        run(begun.map_err(TransactionError::Connection)?, callback).await
    }
}

/// Runs `callback` in `transaction`, and commits it if that succeeds.
async fn run<X, F, T, E>(transaction: Tracked<X>, callback: F) -> Result<T, TransactionError<E>>
where
    X: TransactionSession + Send,
    F: for<'c> FnOnce(&'c Tracked<X>) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>,
    E: fmt::Display + fmt::Debug,
{
    let result = callback(&transaction).await;
    let ended = if result.is_ok() { transaction.commit().await } else { transaction.rollback().await };
    ended.map_err(TransactionError::Connection)?;
    result.map_err(TransactionError::Transaction)
}

impl<X: TransactionSession + Send> Tracked<X> {
    /// Commits the transaction, and invalidates what it has changed. A savepoint hands that to the transaction around it.
    pub async fn commit(self) -> Result<(), DbErr> {
        let Some(pending) = &self.pending else { return self.inner.commit().await };
        if let Some(outer) = pending.outer() {
            pending.hand_up(outer);
            return self.inner.commit().await;
        }
        let changes = pending.taken();
        if changes.is_empty() {
            return self.inner.commit().await;
        }
        let mut owed = self.invalidation(&changes);
        owed.settle(LATE);
        let result = owed.run(self.inner.commit()).await;
        if result.is_ok() {
            owed.settle(Duration::ZERO);
        }
        // Also if the answer says otherwise, or there is none: it may have been committed.
        owed.finish(true).await;
        result
    }

    /// Undoes the transaction. Nothing is invalidated.
    pub async fn rollback(self) -> Result<(), DbErr> {
        self.inner.rollback().await
    }
}

#[async_trait]
impl<X: TransactionSession + Send + Sync> TransactionSession for Tracked<X> {
    async fn commit(self) -> Result<(), DbErr> {
        self.commit().await
    }

    async fn rollback(self) -> Result<(), DbErr> {
        self.rollback().await
    }
}

impl<C: Clone> Clone for Tracked<C> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            tables: Arc::clone(&self.tables),
            cache: self.cache.clone(),
            told: Arc::clone(&self.told),
            pending: self.pending.clone(),
        }
    }
}

impl<C: fmt::Debug> fmt::Debug for Tracked<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracked").field("inner", &self.inner).finish_non_exhaustive()
    }
}
