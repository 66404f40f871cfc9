//! A tracked connection for statements whose tables are named by hand.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement, StatementBuilder, StreamTrait,
};

use crate::change::{Access, Part};
use crate::sql;
use crate::statement;
use crate::stream::TrackedStream;
use crate::tracked::{Told, Tracked};

/// A [`Tracked`] connection that was told which tables its statements touch, since raw SQL does not tell.
///
/// What other statements tell by themselves comes in addition.
pub struct Scoped<'t, C> {
    tracked: &'t Tracked<C>,
    named: Option<Access>,
}

impl<'t, C> Scoped<'t, C> {
    /// Without anything that is named.
    pub(crate) fn of(tracked: &'t Tracked<C>) -> Self {
        Self { tracked, named: None }
    }

    /// These tables are read, too.
    #[must_use]
    pub fn reads<T: Into<String>>(mut self, tables: impl IntoIterator<Item = T>) -> Self {
        self.named.get_or_insert_default().reads.extend(tables.into_iter().map(part));
        self
    }

    /// These tables are changed, too: whatever rows of them.
    #[must_use]
    pub fn writes<T: Into<String>>(mut self, tables: impl IntoIterator<Item = T>) -> Self {
        let changes = tables.into_iter().map(part).collect();
        let changes = self.tracked.tables().with_cascades(changes);
        self.named.get_or_insert_default().changes.extend(changes);
        self
    }

    /// What `statement` touches: what it tells, and what was named.
    fn access<S: StatementBuilder>(&self, statement: &S, writes: bool) -> Access
    where
        C: ConnectionTrait,
    {
        let Some(mut access) = self.tracked.access(statement) else { return self.opaque(writes) };
        if let Some(named) = &self.named {
            if !named.changes.is_empty() {
                access.generates = None;
            }
            access.reads.extend_from_slice(&named.reads);
            access.changes.extend_from_slice(&named.changes);
        }
        access
    }

    /// What the rows that a statement returns tell of its changes.
    fn generated(
        &self,
        access: &Access,
    ) -> impl FnOnce(&[QueryResult]) -> Option<Vec<Part>> + Send + use<'_, C>
    where
        C: Sync,
    {
        let known = access.generates.clone().map(|generated| (generated, access.changes.clone()));
        let tables = self.tracked.tables();
        move |rows| {
            let (generated, changes) = known?;
            statement::generated(&generated, &changes, rows, tables)
        }
    }

    fn opaque(&self, writes: bool) -> Access {
        self.tracked.opaque(self.named.as_ref(), writes)
    }
}

/// A table by its name alone, whatever its schema: `public.user` is `user`, as its entity calls it.
fn part(table: impl Into<String>) -> Part {
    let table = table.into();
    Part::any(table.rsplit('.').next().unwrap_or_default())
}

#[async_trait]
impl<C: ConnectionTrait> ConnectionTrait for Scoped<'_, C> {
    fn get_database_backend(&self) -> DbBackend {
        self.tracked.inner().get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let access = self.opaque(true);
        self.tracked
            .carry_out(access, Told::Writes, self.tracked.inner().execute_raw(statement), |_| None)
            .await
    }

    async fn execute<S: StatementBuilder>(&self, statement: &S) -> Result<ExecResult, DbErr> {
        let access = self.access(statement, true);
        self.tracked.carry_out(access, Told::All, self.tracked.inner().execute(statement), |_| None).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let access = self.opaque(true);
        self.tracked
            .carry_out(access, Told::Writes, self.tracked.inner().execute_unprepared(sql), |_| None)
            .await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let writes = sql::may_write(&statement.sql);
        let (access, told) = (self.opaque(writes), if writes { Told::Writes } else { Told::Reads });
        self.tracked.carry_out(access, told, self.tracked.inner().query_one_raw(statement), |_| None).await
    }

    async fn query_one<S: StatementBuilder>(&self, statement: &S) -> Result<Option<QueryResult>, DbErr> {
        let access = self.access(statement, false);
        let learn = self.generated(&access);
        let answer = self.tracked.inner().query_one(statement);
        self.tracked
            .carry_out(access, Told::All, answer, |row: &Option<QueryResult>| learn(row.as_slice()))
            .await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let writes = sql::may_write(&statement.sql);
        let (access, told) = (self.opaque(writes), if writes { Told::Writes } else { Told::Reads });
        self.tracked.carry_out(access, told, self.tracked.inner().query_all_raw(statement), |_| None).await
    }

    async fn query_all<S: StatementBuilder>(&self, statement: &S) -> Result<Vec<QueryResult>, DbErr> {
        let access = self.access(statement, false);
        let learn = self.generated(&access);
        let answer = self.tracked.inner().query_all(statement);
        self.tracked.carry_out(access, Told::All, answer, |rows: &Vec<QueryResult>| learn(rows)).await
    }

    fn support_returning(&self) -> bool {
        self.tracked.inner().support_returning()
    }

    fn is_mock_connection(&self) -> bool {
        self.tracked.inner().is_mock_connection()
    }
}

impl<C: ConnectionTrait + StreamTrait> StreamTrait for Scoped<'_, C> {
    type Stream<'a>
        = TrackedStream<C::Stream<'a>>
    where
        Self: 'a;

    fn get_database_backend(&self) -> DbBackend {
        StreamTrait::get_database_backend(self.tracked.inner())
    }

    fn stream_raw<'a>(
        &'a self,
        statement: Statement,
    ) -> Pin<Box<dyn Future<Output = Result<Self::Stream<'a>, DbErr>> + 'a + Send>> {
        let access = self.opaque(sql::may_write(&statement.sql));
        Box::pin(self.tracked.stream_of(access, self.tracked.inner().stream_raw(statement)))
    }

    fn stream<'a, S: StatementBuilder + Sync>(
        &'a self,
        statement: &S,
    ) -> Pin<Box<dyn Future<Output = Result<Self::Stream<'a>, DbErr>> + 'a + Send>> {
        let access = self.access(statement, false);
        Box::pin(self.tracked.stream_of(access, self.tracked.inner().stream(statement)))
    }
}

impl<C> fmt::Debug for Scoped<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").field("named", &self.named).finish_non_exhaustive()
    }
}
