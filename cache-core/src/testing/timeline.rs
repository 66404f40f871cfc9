//! The invalidations of one scope in the order of their ends, made to answer one question quickly:
//! of those that had ended by a moment, which began last?

/// One invalidation, in nanoseconds of the history's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) began: u64,
    pub(super) ended: u64,
    /// The load that it does not hold for, or 0.
    pub(super) spared: u64,
}

/// The invalidations of one scope.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// By their ends, once sealed.
    spans: Vec<Span>,
    /// For each place in `spans`, of all up to there the one that began last …
    last: Vec<Span>,
    /// … and the one that began last of those that spare another load than that one.
    last_else: Vec<Option<Span>>,
}

impl Timeline {
    pub(super) fn push(&mut self, span: Span) {
        self.spans.push(span);
    }

    /// Makes it ready to be asked.
    pub(super) fn seal(&mut self) {
        self.spans.sort_unstable_by_key(|span| span.ended);
        let (mut last, mut last_else): (Option<Span>, Option<Span>) = (None, None);
        for &span in &self.spans {
            let newest = last.is_none_or(|last| last.began <= span.began);
            let candidate = if newest { last.replace(span) } else { Some(span) };
            let spared = last.map_or(0, |last| last.spared);
            // What is second now is the newest of the first, the second and this one that spares another.
            last_else = [last_else, candidate]
                .into_iter()
                .flatten()
                .filter(|span| span.spared != spared)
                .max_by_key(|span| span.began);
            self.last.extend(last);
            self.last_else.push(last_else);
        }
    }

    /// Of the invalidations that ended before `moment`, the one that began last and holds for the load with
    /// this number.
    pub(super) fn last_before(&self, moment: u64, number: u64) -> Option<Span> {
        let at = self.spans.partition_point(|span| span.ended < moment).checked_sub(1)?;
        let last = self.last[at];
        if last.spared == number && number != 0 { self.last_else[at] } else { Some(last) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same question, asked of every span.
    fn slowly(spans: &[Span], moment: u64, number: u64) -> Option<u64> {
        let holds = |span: &&Span| span.ended < moment && (span.spared == 0 || span.spared != number);
        spans.iter().filter(holds).map(|span| span.began).max()
    }

    #[test]
    fn it_answers_as_a_search_would() {
        let mut state = 7_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..2_000 {
            let spans: Vec<_> = (0..random(12))
                .map(|_| {
                    let began = random(30);
                    Span { began, ended: began + random(8), spared: random(3) }
                })
                .collect();
            let mut timeline = Timeline::default();
            for &span in &spans {
                timeline.push(span);
            }
            timeline.seal();
            for moment in 0..40 {
                for number in 0..4 {
                    let found = timeline.last_before(moment, number).map(|span| span.began);
                    assert_eq!(found, slowly(&spans, moment, number), "{spans:?} at {moment} for {number}");
                }
            }
        }
    }
}
