//! Random traffic over a cache, written down as a history: readers, writers and invalidations of every kind
//! at once. What it means that the history is sound is the business of `larder::testing`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder::testing::{History, Invalidation, Load};
use larder::{Cache, Pattern, Scope, Tag, cache_invalidate, cache_put, cached};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::task::{JoinSet, yield_now};

use crate::random::Random;
use crate::until;
use crate::yielding::for_polls;

/// How much traffic, and on how many keys.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Decides what each task does; how the tasks interleave is up to the machine.
    pub seed: u64,
    /// Operations, of all tasks together. A nested call counts with the one around it.
    pub operations: u64,
    /// Tasks at a time.
    pub tasks: u64,
    /// Teams, in each of which there are `users`.
    pub teams: u64,
    /// Users of a team.
    pub users: u64,
    /// The longest rest within a load and after an operation, in milliseconds; 0 for none. Tokio's clock says how long.
    pub rest: u64,
}

impl Plan {
    /// Few keys and many tasks: whatever can collide does.
    #[must_use]
    pub fn crowded(operations: u64) -> Self {
        Self { seed: crate::random::seed(), operations, tasks: 16, teams: 3, users: 4, rest: 0 }
    }

    /// More keys than the near cache of the tests has room for.
    #[must_use]
    pub fn spread(operations: u64) -> Self {
        Self { users: 2_000, ..Self::crowded(operations) }
    }
}

/// A value that names its load, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made(u64);

/// What a load fails with. Cannot be copied, as most such errors.
#[derive(Debug)]
pub struct Failed;

/// An application over one cache, that writes down what it sees.
#[derive(Clone, Debug)]
pub struct Traffic {
    cache: Cache,
    history: History,
    plan: Plan,
    loads: Arc<AtomicU64>,
}

const TTL: Duration = Duration::from_secs(300);
/// The time to live of what is stale from the start.
const AT_ONCE: Duration = Duration::from_nanos(1);
/// Authors of posts: a tag that only the loaded post tells.
const AUTHORS: u64 = 5;
const POSTS: u64 = 4;
const PAGES: u64 = 3;

impl Traffic {
    /// Traffic over `cache`, as one process of `history` sees it.
    #[must_use]
    pub fn new(cache: Cache, history: History, plan: Plan) -> Self {
        for (tag, dependents) in
            [("company", &["team:0", "staff"][..]), ("staff", &["team:1"]), ("team:1", &["company"])]
        {
            cache.depends(tag, dependents);
            history.depends(tag, dependents);
        }
        Self { cache, history, plan, loads: Arc::default() }
    }

    /// Runs it, and the traffic of `others` beside it, each in full.
    ///
    /// # Panics
    ///
    /// If a task panics.
    pub async fn run(self, others: impl IntoIterator<Item = Self>) {
        let mut tasks = JoinSet::new();
        let all: Vec<Self> = [self].into_iter().chain(others).collect();
        for (process, traffic) in (0..).zip(&all) {
            traffic.begin(process, &mut tasks);
        }
        while let Some(ended) = tasks.join_next().await {
            ended.expect("no operation panics");
        }
        for traffic in all {
            // Refreshes go on when everybody has gone.
            until(|| traffic.is_over()).await;
        }
    }

    /// Begins its tasks, as those of this process.
    pub fn begin(&self, process: u64, tasks: &mut JoinSet<()>) {
        for task in 0..self.plan.tasks {
            let random = Random::new(self.plan.seed, process << 32 | task);
            tasks.spawn(self.clone().operate(random));
        }
    }

    /// Whether no load is under way.
    #[must_use]
    pub fn is_over(&self) -> bool {
        format!("{:?}", self.cache).contains("aloft: 0")
    }

    async fn operate(self, mut random: Random) {
        for number in 0..self.plan.operations / self.plan.tasks {
            self.operation(&mut random).await;
            if number % 16 == 0 {
                yield_now().await;
            }
            self.rest(&mut random).await;
        }
    }

    async fn operation(&self, random: &mut Random) {
        match random.below(1000) {
            0..250 => self.read_user(random).await,
            250..300 => self.read_aging(random).await,
            300..420 => self.read_post(random).await.map_or((), drop),
            420..520 => Box::pin(self.read_page(random)).await,
            520..600 => self.read_by_hand(random).await,
            600..610 => self.read_many(random).await,
            610..620 => self.read_each(random).await,
            620..650 => self.read_untagged(random).await,
            650..670 => self.refresh(random).await,
            670..720 => self.abandon(random).await,
            720..750 => self.set(random).await,
            750..770 => self.set_if_absent(random).await,
            770..800 => self.put(random).await,
            800..820 => self.mutate(random).await,
            820..840 => self.delete(random).await,
            840..850 => self.expire(random).await,
            850..860 => self.batch(random).await,
            _ => self.invalidate(random).await,
        }
    }

    fn team_and_id(&self, random: &mut Random) -> (u64, u64) {
        (random.below(self.plan.teams), random.below(self.plan.users))
    }

    async fn read_user(&self, random: &mut Random) {
        let (team, id) = self.team_and_id(random);
        self.user_of(team, id).await;
    }

    async fn user_of(&self, team: u64, id: u64) -> Option<u64> {
        let read = self.history.read(user_key(team, id));
        let Made(number) = self.user(team, id).await.ok()?;
        read.returned(number);
        Some(number)
    }

    #[cached(
        ttl = 300,
        key = "user:<team>:<id>",
        skip(self),
        tags = ["team:<team>", "users"],
        cache = self.cache,
        shared
    )]
    async fn user(&self, team: u64, id: u64) -> Result<Made, Failed> {
        self.load_user(team, id).await
    }

    async fn load_user(&self, team: u64, id: u64) -> Result<Made, Failed> {
        let mut load = self.history.load(user_key(team, id));
        load.tag(format!("team:{team}"));
        load.tag("users");
        self.work().await?;
        Ok(Made(load.number()))
    }

    /// Values of the same key that expire all the time, and are answers for a while all the same: the second is
    /// read while the first is still there.
    async fn read_aging(&self, random: &mut Random) {
        let (team, id) = self.team_and_id(random);
        let kind = random.below(3);
        for _ in 0..3 {
            let read = self.history.read(user_key(team, id));
            let answer = match kind {
                0 => self.stale(team, id).await,
                1 => self.patient(team, id).await,
                _ => self.early(team, id).await,
            };
            if let Ok(Made(number)) = answer {
                read.returned(number);
            }
        }
    }

    #[cached(
        ttl = AT_ONCE,
        stale = 300,
        key = "user:<team>:<id>",
        skip(self),
        tags = ["team:<team>", "users"],
        cache = self.cache,
        shared
    )]
    async fn stale(&self, team: u64, id: u64) -> Result<Made, Failed> {
        self.load_user(team, id).await
    }

    #[cached(
        ttl = AT_ONCE,
        stale = 300,
        timeout = "1ms",
        stale_if = |error| { let Failed = error; team > 0 },
        key = "user:<team>:<id>",
        skip(self),
        tags = ["team:<team>", "users"],
        cache = self.cache,
        shared
    )]
    async fn patient(&self, team: u64, id: u64) -> Result<Made, Failed> {
        self.load_user(team, id).await
    }

    #[cached(
        ttl = "10ms",
        early = 100.0,
        key = "user:<team>:<id>",
        skip(self),
        tags = ["team:<team>", "users"],
        cache = self.cache,
        shared
    )]
    async fn early(&self, team: u64, id: u64) -> Result<Made, Failed> {
        self.load_user(team, id).await
    }

    /// A value of the same key from a load that knows nothing of the tags.
    async fn read_untagged(&self, random: &mut Random) {
        let (team, id) = self.team_and_id(random);
        let read = self.history.read(user_key(team, id));
        let loaded = self.cache.get_or_load(user_key(team, id), TTL, || async {
            let load = self.history.load(user_key(team, id));
            self.work().await?;
            Ok::<_, Failed>(Made(load.number()))
        });
        if let Ok(Made(number)) = loaded.await {
            read.returned(number);
        }
    }

    async fn read_post(&self, random: &mut Random) -> Option<u64> {
        self.post_of(random.below(POSTS)).await
    }

    /// A load that learns on its way which tags its value carries.
    async fn post_of(&self, id: u64) -> Option<u64> {
        let key = format!("post:{id}:body");
        let read = self.history.read(key.as_str());
        let loaded = self.cache.get_or_load(key.as_str(), TTL, || async {
            let mut load = self.history.load(key.as_str());
            self.work().await?;
            let author = format!("author:{}", load.number() % AUTHORS);
            larder::tag(author.as_str());
            load.tag(author);
            self.work().await?;
            Ok::<_, Failed>(Made(load.number()))
        });
        let Made(number) = loaded.await.ok()?;
        read.returned(number);
        Some(number)
    }

    async fn read_page(&self, random: &mut Random) {
        let id = random.below(PAGES);
        let read = self.history.read(page_key(id));
        if let Ok(Made(number)) = self.page(id).await {
            read.returned(number);
        }
    }

    /// A load that is made of others, and inherits their tags.
    #[cached(ttl = 300, key = "page:<id>", skip(self), cache = self.cache)]
    async fn page(&self, id: u64) -> Result<Made, Failed> {
        let mut load = self.history.load(page_key(id));
        self.work().await?;
        if let Some(post) = self.post_of(id % POSTS).await {
            load.includes(post);
        }
        if let Some(user) = self.user_of(id % self.plan.teams, 0).await {
            load.includes(user);
        }
        Ok(Made(load.number()))
    }

    async fn read_by_hand(&self, random: &mut Random) {
        let (team, id) = self.team_and_id(random);
        let read = self.history.read(user_key(team, id));
        match self.cache.get::<Made>(user_key(team, id)).await {
            Ok(Some(Made(number))) => read.returned(number),
            Ok(None) => read.found_nothing(),
            Err(_) => {}
        }
    }

    async fn read_many(&self, random: &mut Random) {
        let keys: Vec<_> =
            (0..4).map(|_| self.team_and_id(random)).map(|(team, id)| user_key(team, id)).collect();
        let reads: Vec<_> = keys.iter().map(|key| self.history.read(key)).collect();
        let Ok(values) = self.cache.get_many::<Made>(&keys).await else { return };
        for (read, value) in reads.into_iter().zip(values) {
            match value {
                Some(Made(number)) => read.returned(number),
                None => read.found_nothing(),
            }
        }
    }

    async fn read_each(&self, random: &mut Random) {
        let (team, _) = self.team_and_id(random);
        let ids: Vec<u64> = (0..4).map(|_| self.team_and_id(random).1).collect();
        let reads: Vec<_> = ids.iter().map(|id| self.history.read(user_key(team, *id))).collect();
        let answer = if random.below(4) == 0 {
            self.users_refresh(team, &ids).await
        } else {
            self.users(team, &ids).await
        };
        let Ok(values) = answer else { return };
        for (id, read) in ids.iter().zip(reads) {
            if let Some(Made(number)) = values.get(id) {
                read.returned(*number);
            }
        }
    }

    /// Many of the same keys in one load. Now and then one is not there.
    #[cached(
        ttl = 300,
        key = "user:<team>:<id>",
        each(id in ids),
        skip(self),
        tags = ["team:<team>", "users"],
        cache = self.cache,
        shared
    )]
    async fn users(&self, team: u64, ids: &[u64]) -> Result<HashMap<u64, Made>, Failed> {
        let mut loads: BTreeMap<u64, Load> = BTreeMap::new();
        for id in ids {
            let load = loads.entry(*id).or_insert_with(|| self.history.load(user_key(team, *id)));
            load.tag(format!("team:{team}"));
            load.tag("users");
        }
        self.work().await?;
        Ok(loads
            .iter()
            .map(|(id, load)| (*id, Made(load.number())))
            .filter(|(_, made)| made.0 % 10 > 0)
            .collect())
    }

    async fn refresh(&self, random: &mut Random) {
        let (team, id) = self.team_and_id(random);
        let read = self.history.read(user_key(team, id));
        if let Ok(Made(number)) = self.user_refresh(team, id).await {
            read.returned(number);
        }
    }

    /// A caller that goes away before it is answered.
    async fn abandon(&self, random: &mut Random) {
        let polls = random.below(4);
        let (team, id) = self.team_and_id(random);
        match random.below(3) {
            0 => drop(for_polls(polls, self.user_of(team, id)).await),
            1 => drop(for_polls(polls, self.post_of(id % POSTS)).await),
            _ => drop(for_polls(polls, self.read_untagged(random)).await),
        }
    }

    async fn set(&self, random: &mut Random) {
        let (team, id) = self.team_and_id(random);
        let write = self.history.write(user_key(team, id));
        if self.cache.set(user_key(team, id), &Made(write.number()), TTL).await.is_ok() {
            write.acknowledged();
        }
    }

    async fn set_if_absent(&self, random: &mut Random) {
        let (team, id) = self.team_and_id(random);
        let write = self.history.write(user_key(team, id));
        if let Ok(true) = self.cache.set_if_absent(user_key(team, id), &Made(write.number()), TTL).await {
            write.acknowledged();
        }
    }

    async fn put(&self, random: &mut Random) {
        let (team, id) = self.team_and_id(random);
        let committed = Mutex::default();
        let _ = self.rename(team, id, &committed).await;
        if let Some(invalidation) = committed.into_inner() {
            self.ended(invalidation);
        }
    }

    /// A mutation that stores what it made.
    #[cache_put(
        key = "user:<team>:<id>",
        ttl = 300,
        tags = ["team:<team>", "users"],
        cache = self.cache
    )]
    async fn rename(
        &self,
        team: u64,
        id: u64,
        committed: &Mutex<Option<Invalidation>>,
    ) -> Result<Made, Failed> {
        let mut load = self.history.load(user_key(team, id));
        load.tag(format!("team:{team}"));
        load.tag("users");
        let worked = self.work().await;
        let invalidation = self.history.invalidation(user_key(team, id)).sparing(load.number());
        *committed.lock().await = Some(invalidation);
        worked.map(|()| Made(load.number()))
    }

    async fn mutate(&self, random: &mut Random) {
        let (team, id) = self.team_and_id(random);
        let committed = Mutex::default();
        let polls = random.below(8);
        let ended = if random.below(4) == 0 {
            for_polls(polls, self.change_fenced(team, id, &committed)).await.is_some()
        } else {
            for_polls(polls, self.change(team, id, &committed)).await.is_some()
        };
        for invalidation in committed.into_inner() {
            // Dropped part-way it is acknowledged to nobody, but it holds here.
            if ended { self.ended(invalidation) } else { invalidation.failed() }
        }
    }

    /// A mutation that may fail after it has committed.
    #[cache_invalidate("user:<team>:<id>", tags = ["users"], cache = self.cache)]
    async fn change(&self, team: u64, id: u64, committed: &Mutex<Vec<Invalidation>>) -> Result<(), Failed> {
        let key = self.history.invalidation(user_key(team, id));
        let tag = self.history.invalidation(Tag::from("users"));
        *committed.lock().await = vec![key, tag];
        self.work().await
    }

    /// One behind a fence, which is left standing if it is dropped part-way.
    #[cache_invalidate("user:<team>:<id>", fence = "5ms", settle = "1ms", cache = self.cache)]
    async fn change_fenced(
        &self,
        team: u64,
        id: u64,
        committed: &Mutex<Vec<Invalidation>>,
    ) -> Result<(), Failed> {
        *committed.lock().await = vec![self.history.invalidation(user_key(team, id))];
        self.work().await
    }

    async fn delete(&self, random: &mut Random) {
        let (team, id) = self.team_and_id(random);
        let invalidation = self.history.invalidation(user_key(team, id));
        match self.cache.delete(user_key(team, id)).await {
            Ok(_) => invalidation.acknowledged(),
            Err(_) => invalidation.failed(),
        }
    }

    async fn expire(&self, random: &mut Random) {
        let (team, id) = self.team_and_id(random);
        let ttl = Duration::from_micros(1 + random.below(2_000));
        let _ = self.cache.expire(user_key(team, id), ttl).await;
    }

    async fn batch(&self, random: &mut Random) {
        let batch = self.cache.batch();
        let targets: Vec<_> = (0..3).map(|_| self.target(random)).collect();
        for target in &targets {
            batch.invalidate(target.clone());
        }
        let invalidations: Vec<_> =
            targets.into_iter().map(|target| self.history.invalidation(target)).collect();
        let flushed = batch.flush().await.is_ok();
        for invalidation in invalidations {
            if flushed { invalidation.acknowledged() } else { invalidation.failed() }
        }
    }

    async fn invalidate(&self, random: &mut Random) {
        let target = self.target(random);
        let invalidation = self.history.invalidation(target.clone());
        match self.cache.invalidate(target).await {
            Ok(_) => invalidation.acknowledged(),
            Err(_) => invalidation.failed(),
        }
    }

    fn target(&self, random: &mut Random) -> Scope {
        let (team, id) = self.team_and_id(random);
        match random.below(100) {
            0..32 => user_key(team, id).into(),
            // More patterns and tags than a cache remembers, that cover nothing.
            32..35 => format!("*:nobody:{}:*", random.below(1_000)).into(),
            35..40 => Tag::from(format!("nobody:{}", random.below(50_000))).into(),
            40..50 => format!("post:{}:body", id % POSTS).into(),
            50..55 => page_key(id % PAGES).into(),
            55..63 => format!("user:{team}:*").into(),
            63..66 => "user:*".into(),
            66..70 => format!("*:{id}").into(),
            70..73 => format!("p*:{}*", id % POSTS).into(),
            73..76 => Pattern::from("*body").into(),
            76..82 => Tag::from(format!("team:{team}")).into(),
            82..84 => Tag::from("users").into(),
            84..93 => Tag::from(format!("author:{}", random.below(AUTHORS))).into(),
            93..96 => Tag::from("company").into(),
            96..98 => Tag::from("staff").into(),
            98 => "nothing:like:this:*".into(),
            _ => Scope::Everything,
        }
    }

    /// Notes the end of an invalidation whose outcome the application does not see.
    fn ended(&self, invalidation: Invalidation) {
        if self.cache.owed_invalidations() == 0 { invalidation.acknowledged() } else { invalidation.failed() }
    }

    /// What a load waits for: others run meanwhile, and now and then it fails.
    async fn work(&self) -> Result<(), Failed> {
        let number = self.loads.fetch_add(1, Ordering::Relaxed);
        let mut random = Random::new(self.plan.seed, number);
        for _ in 0..random.below(4) {
            yield_now().await;
        }
        self.rest(&mut random).await;
        if random.below(40) == 0 { Err(Failed) } else { Ok(()) }
    }

    async fn rest(&self, random: &mut Random) {
        if self.plan.rest > 0 {
            tokio::time::sleep(Duration::from_millis(random.below(self.plan.rest + 1))).await;
        }
    }
}

fn user_key(team: u64, id: u64) -> String {
    format!("user:{team}:{id}")
}

fn page_key(id: u64) -> String {
    format!("page:{id}")
}
