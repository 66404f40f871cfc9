//! Types of other crates that may stand in a key, each behind the feature of its crate's name.
//!
//! Two times are one value if they are the same instant, whatever their offsets; so instants are written in UTC.

use super::{KeyPart, KeyWriter};

#[cfg(feature = "uuid")]
impl KeyPart for uuid::Uuid {
    fn write(&self, key: &mut KeyWriter) {
        key.escaped(self.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()));
    }
}

/// The instant in UTC: `2026-11-21T10:00:00Z`, escaped as all text is.
#[cfg(feature = "chrono")]
impl<Z: chrono::TimeZone> KeyPart for chrono::DateTime<Z> {
    fn write(&self, key: &mut KeyWriter) {
        key.escaped(&format!("{:?}Z", self.naive_utc()));
    }
}

/// The instant in UTC: `2026-11-21T10:00:00.0Z`, escaped as all text is.
#[cfg(feature = "time")]
impl KeyPart for time::OffsetDateTime {
    fn write(&self, key: &mut KeyWriter) {
        match self.checked_to_offset(time::UtcOffset::UTC) {
            Some(utc) => key.escaped(&format!("{}T{}Z", utc.date(), utc.time())),
            // Beyond the years that have a text in UTC.
            None => self.unix_timestamp_nanos().write(key),
        }
    }
}

#[cfg(any(feature = "chrono", feature = "time"))]
macro_rules! printed {
    ($feature:literal $format:literal: $($type:ty)*) => {$(
        #[cfg(feature = $feature)]
        impl KeyPart for $type {
            fn write(&self, key: &mut KeyWriter) {
                key.escaped(&format!($format, self));
            }
        }
    )*};
}

#[cfg(feature = "chrono")]
printed! { "chrono" "{:?}": chrono::NaiveDate chrono::NaiveTime chrono::NaiveDateTime }
#[cfg(feature = "time")]
printed! { "time" "{}": time::Date time::Time time::PrimitiveDateTime }

#[cfg(all(test, feature = "uuid", feature = "chrono", feature = "time"))]
mod tests {
    use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime};
    use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

    use super::*;
    use crate::key::Key;

    fn text(part: &dyn KeyPart) -> String {
        Key::build(|key| part.write(key)).to_string()
    }

    #[test]
    fn they_are_written_as_people_know_them() {
        let id = uuid::Uuid::from_u128(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8);
        assert_eq!(text(&id), "67e55044-10b1-426f-9247-bb680e5fe0c8");
        let day = NaiveDate::from_ymd_opt(2026, 11, 21).unwrap();
        let noon = day.and_time(NaiveTime::from_hms_milli_opt(12, 0, 0, 500).unwrap());
        assert_eq!(text(&day), "2026-11-21");
        assert_eq!(text(&noon), "2026-11-21T12%3A00%3A00.500");
        assert_eq!(text(&noon.and_utc()), "2026-11-21T12%3A00%3A00.500Z");
        let day = Date::from_calendar_date(2026, Month::November, 21).unwrap();
        let noon = PrimitiveDateTime::new(day, Time::from_hms(12, 0, 0).unwrap());
        assert_eq!(text(&day), "2026-11-21");
        assert_eq!(text(&noon), "2026-11-21%2012%3A00%3A00.0");
        assert_eq!(text(&noon.assume_utc()), "2026-11-21T12%3A00%3A00.0Z");
    }

    #[test]
    fn an_instant_is_one_key_wherever_it_is_and_none_panics() {
        let here: DateTime<FixedOffset> = "2026-11-21T13:00:00+01:00".parse().unwrap();
        assert_eq!(text(&here), text(&here.to_utc()));
        let next = here + chrono::TimeDelta::nanoseconds(1);
        assert_ne!(text(&here), text(&next));
        let there = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
        let same = there.to_offset(UtcOffset::from_hms(-3, 30, 0).unwrap());
        assert_eq!(text(&there), text(&same));
        let last = PrimitiveDateTime::MAX.assume_offset(UtcOffset::from_hms(-23, 0, 0).unwrap());
        assert!(text(&last).parse::<i128>().is_ok(), "no text in UTC");
        assert_eq!(text(&DateTime::<chrono::Utc>::MAX_UTC), text(&DateTime::<chrono::Utc>::MAX_UTC.clone()));
    }
}
