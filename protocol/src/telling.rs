//! A trace, told to a person: each step, and what stands where after it.

use std::fmt;

use crate::search::Found;
use crate::server::Slot;
use crate::world::{Age, Course, Envelope, Process, World};

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing { states } => write!(f, "no promise is broken in {states} states"),
            Self::Broken { promise, trace, states } => {
                writeln!(f, "{promise:?} is broken in {} steps ({states} states seen)", trace.len() - 1)?;
                for (number, (step, world)) in trace.iter().enumerate() {
                    let step = step.map_or_else(|| "it begins".to_owned(), |step| step.to_string());
                    writeln!(f, "{number:4}  {step:<66} {world}")?;
                }
                Ok(())
            }
        }
    }
}

/// What stands where, on one line.
impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value.holds {
            Slot::Empty => write!(f, "| nothing     ")?,
            Slot::Lease(_) => write!(f, "| a lease     ")?,
            Slot::Value(Envelope { age, incarnation, .. }) => {
                let lives = if incarnation == self.value.incarnation { "" } else { "dead " };
                write!(f, "| {:<11} ", format!("{lives}{}", told(age)))?;
            }
        }
        match self.control.holds.head {
            Some((position, _)) => write!(f, "| log {} at {} ", position.epoch.0, position.sequence)?,
            None => write!(f, "| no log     ")?,
        }
        for (name, process) in ["p", "q"].iter().zip(&self.processes) {
            write!(f, "| {name}: {:<18}", Told(process).to_string())?;
        }
        Ok(())
    }
}

struct Told<'p>(&'p Process);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.entry.map_or("-", |entry| told(entry.age)))?;
        for flight in self.0.flights.iter().flatten() {
            let has = match flight.course {
                Course::Asking(..) => "asks",
                Course::TakingOver(..) => "claims",
                Course::Loading(_) => "loads",
                Course::Loaded(_, age) | Course::Ready(age) => told(age),
            };
            write!(f, ", {has}{}", if flight.current { "" } else { "!" })?;
        }
        Ok(())
    }
}

fn told(age: Age) -> &'static str {
    match age {
        Age::Old => "old",
        Age::New => "new",
    }
}
