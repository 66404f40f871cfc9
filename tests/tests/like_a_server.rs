//! The store that the simulated worlds stand on answers as a real server does, whatever it is asked: both are asked the
//! same, by chance, and told apart by nothing but the numbers that they draw.
//!
//! What time does to values is in the conformance suite, which both pass; here nothing expires.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use larder::store::{Append, Expect, Fence, Fetched, Generation, News, Position, Reader, RemoteStore, Token};
use larder::{Error, Result};
use tests::map_store::MapStore;
use tests::owned::{Hope, Parcel, Wish};
use tests::random::{Random, seed};
use tests::redis::{Server, patient};

/// A time to live, of which none ends here; they are told apart by their hundreds of seconds.
fn ttl(random: &mut Random) -> Duration {
    Duration::from_secs(100 * (1 + random.below(9)))
}

const LOG: &str = "shop";

/// Something to ask of a store, the same of each. Generations are named by when they were first seen.
#[derive(Clone, Debug)]
enum Step {
    Fetch { name: String, scopes: Vec<String>, claim: Option<Wish> },
    FetchMany(Vec<(String, Vec<String>)>),
    Publish(Parcel, When),
    PutMany(Vec<Parcel>),
    Invalidate { names: Vec<String>, scopes: Vec<String>, records: Option<Vec<Vec<u8>>> },
    Fence { names: Vec<String>, scopes: Vec<String>, fence: Fence },
    Abandon(String, Token),
    Expire(String, Duration),
    News { from: From, reader: Reader },
    IsHeard { trusted: Duration },
    ForgetEverything,
}

/// What a value is stored under.
#[derive(Clone, Debug)]
enum When {
    This(Hope),
    /// The scope still has the generation that it had so many generations ago.
    Unmoved(String, usize),
}

/// Where news are asked from.
#[derive(Clone, Copy, Debug)]
enum From {
    Nowhere,
    WhereTheLastEnded,
    Before(u64),
}

/// Draws what is asked: few names, so that much of it collides.
struct Asker(Random);

impl Asker {
    fn pick(&mut self, what: &str, of: u64) -> String {
        format!("{what}:{}", self.0.below(of))
    }

    fn name(&mut self) -> String {
        self.pick("name", 3)
    }

    fn scopes(&mut self) -> Vec<String> {
        (0..self.0.below(3)).map(|scope| format!("scope:{}", scope + self.0.below(2))).collect()
    }

    fn token(&mut self) -> Token {
        Token([u8::try_from(self.0.below(3)).unwrap_or_default(); 16])
    }

    fn bytes(&mut self) -> Vec<u8> {
        format!("{}{}", self.0.below(2), self.0.below(3)).into_bytes()
    }

    fn beginning(&mut self) -> Vec<u8> {
        let mut bytes = self.bytes();
        bytes.truncate(usize::try_from(1 + self.0.below(2)).unwrap_or(1));
        bytes
    }

    fn reject(&mut self) -> Option<Vec<u8>> {
        (self.0.below(2) == 0).then(|| self.beginning())
    }

    fn parcel(&mut self) -> Parcel {
        Parcel { name: self.name(), scopes: self.scopes(), value: self.bytes(), ttl: ttl(&mut self.0) }
    }

    fn step(&mut self) -> Step {
        match self.0.below(100) {
            0..30 => {
                let claim = (self.0.below(3) > 0).then(|| Wish {
                    token: self.token(),
                    lease: Duration::from_secs(600),
                    reject: self.reject(),
                    yields: self.0.below(2) == 0,
                });
                Step::Fetch { name: self.name(), scopes: self.scopes(), claim }
            }
            30..40 => Step::FetchMany((0..3).map(|_| (self.name(), self.scopes())).collect()),
            40..65 => {
                let when = match self.0.below(8) {
                    0..3 => When::This(Hope::Lease(self.token())),
                    3 => When::This(Hope::Nothing(self.reject())),
                    4 => When::This(Hope::Value(self.beginning())),
                    5 => When::This(Hope::Same(self.beginning())),
                    _ => When::Unmoved(self.pick("scope", 3), usize::try_from(self.0.below(3)).unwrap_or(0)),
                };
                Step::Publish(self.parcel(), when)
            }
            65..70 => Step::PutMany((0..2).map(|_| self.parcel()).collect()),
            70..77 => {
                let lasts = if self.0.below(4) == 0 { ttl(&mut self.0) } else { Duration::ZERO };
                let fence = Fence { token: self.token(), lasts };
                let names = (0..self.0.below(3)).map(|_| self.name()).collect();
                Step::Fence { names, scopes: self.scopes(), fence }
            }
            77..82 => {
                let names = (0..self.0.below(3)).map(|_| self.name()).collect();
                let count = self.0.below(4);
                let records = (count > 0).then(|| (0..count).map(|_| self.bytes()).collect());
                Step::Invalidate { names, scopes: self.scopes(), records }
            }
            82..86 => Step::Abandon(self.name(), self.token()),
            86..89 => Step::Expire(self.name(), ttl(&mut self.0)),
            89..96 => {
                let from = match self.0.below(4) {
                    0 => From::Nowhere,
                    1 => From::Before(1 + self.0.below(3)),
                    _ => From::WhereTheLastEnded,
                };
                let reader = Reader { name: self.token(), trusts_for: Duration::from_secs(600) };
                Step::News { from, reader }
            }
            96..99 => Step::IsHeard { trusted: ttl(&mut self.0) * u32::from(self.0.below(3) == 0) },
            _ => Step::ForgetEverything,
        }
    }
}

/// One of the two, and the numbers that it has drawn.
struct Side {
    store: Arc<dyn RemoteStore>,
    forget: Box<dyn Fn()>,
    /// Each with its scope: two scopes may have been given the same number.
    generations: Vec<(String, Generation)>,
    epochs: Vec<[u8; 16]>,
    end: Option<Position>,
}

impl Side {
    fn new(store: Arc<dyn RemoteStore>, forget: impl Fn() + 'static) -> Self {
        let (generations, epochs) = (Vec::new(), Vec::new());
        Self { store, forget: Box::new(forget), generations, epochs, end: None }
    }

    /// What it answers, in words that are the same for both if the answers are.
    async fn answer(&mut self, step: &Step) -> String {
        match self.ask(step).await {
            Ok(answer) => answer,
            Err(error) => format!("{:?}", Error::kind(&error)),
        }
    }

    async fn ask(&mut self, step: &Step) -> Result<String> {
        let store = Arc::clone(&self.store);
        Ok(match step {
            Step::Fetch { name, scopes, claim } => {
                let claim = claim.as_ref().map(Wish::claim);
                let fetched = store.fetch(name, scopes, claim).await?;
                self.fetched(scopes, fetched)
            }
            Step::FetchMany(names) => {
                let all = store.fetch_many(names).await?;
                names.iter().zip(all).map(|((_, scopes), fetched)| self.fetched(scopes, fetched)).collect()
            }
            Step::Publish(parcel, when) => {
                let expect = match when {
                    When::This(hope) => hope.expect(),
                    When::Unmoved(scope, back) => {
                        let seen = self.generations.iter().rev().filter(|(of, _)| of == scope).nth(*back);
                        Expect::Unmoved(scope, seen.map_or(Generation([0; 8]), |(_, generation)| *generation))
                    }
                };
                store.publish(parcel.put(), expect).await?.to_string()
            }
            Step::PutMany(parcels) => {
                let puts: Vec<_> = parcels.iter().map(Parcel::put).collect();
                format!("{:?}", store.put_many(&puts).await?)
            }
            Step::Invalidate { names, scopes, records } => {
                let append = records.as_ref().map(|records| Append { log: LOG, records, replicas: 0 });
                let position = store.invalidate(names, scopes, append).await?;
                position.map_or_else(String::new, |position| self.position(position))
            }
            Step::Fence { names, scopes, fence } => {
                format!("{:?}", store.fence(names, scopes, *fence, None).await?)
            }
            Step::Abandon(name, token) => format!("{:?}", store.abandon(name, *token).await?),
            Step::Expire(name, ttl) => store.expire(name, *ttl).await?.to_string(),
            Step::News { from, reader } => {
                let after = match from {
                    From::Nowhere => None,
                    From::WhereTheLastEnded => self.end,
                    From::Before(back) => {
                        self.end.map(|end| Position { sequence: end.sequence.saturating_sub(*back), ..end })
                    }
                };
                let News { end, records } = store.news(LOG, after, *reader).await?;
                self.end = Some(end);
                format!("{} {records:?}", self.position(end))
            }
            Step::IsHeard { trusted } => {
                let Some(end) = self.end else { return Ok(String::new()) };
                store.is_heard(LOG, end, *trusted).await?.to_string()
            }
            Step::ForgetEverything => {
                (self.forget)();
                String::new()
            }
        })
    }

    fn fetched(&mut self, scopes: &[String], fetched: Fetched) -> String {
        let Fetched { value, ttl, generations, leased, fenced } = fetched;
        let hundreds = (ttl.as_secs() + 50) / 100;
        let mut words = format!("{value:?} {hundreds} {leased} {fenced}");
        if fenced {
            // Generations of no use.
            return words;
        }
        for (scope, generation) in scopes.iter().zip(generations) {
            let number = place(&mut self.generations, (scope.clone(), generation));
            let _ = write!(words, " g{number}");
        }
        words
    }

    fn position(&mut self, Position { epoch, sequence }: Position) -> String {
        format!("{sequence} of epoch {}", place(&mut self.epochs, epoch))
    }
}

/// Which of `known` it is, by when it was first seen.
fn place<T: PartialEq>(known: &mut Vec<T>, one: T) -> usize {
    let place = known.iter().position(|other| *other == one);
    place.unwrap_or_else(|| {
        known.push(one);
        known.len() - 1
    })
}

#[tokio::test]
async fn the_map_answers_as_the_server_does() {
    let (server, map) = (Arc::new(Server::start()), MapStore::logged());
    let real = Arc::new(patient(server.url()));
    let mut there = Side::new(real, move || server.tell(&["FLUSHALL"]));
    let mut here = Side::new(Arc::new(map.clone()), move || map.forget_everything());
    let mut asker = Asker(Random::new(seed(), 0));
    let mut answers = 0;
    for number in 0..20_000 {
        let step = asker.step();
        let (expected, found) = (there.answer(&step).await, here.answer(&step).await);
        assert_eq!(found, expected, "the map's answer and the server's to step {number}, {step:?}");
        answers += usize::from(expected.starts_with("Some") || expected == "true");
    }
    println!("{answers} answers of substance");
    assert!(answers > 2_000);
}
