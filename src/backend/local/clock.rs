//! What of the time that passes is charged to a program.
//!
//! On a machine with more to do than it has cores, a program waits for one, which is no fault of its
//! own. The kernel tells how long each thread ran and how long it waited. A program is charged
//!
//! - what its tree used of processors, at least, and
//! - the time that its most wakeful thread slept,
//!
//! and never more than what passed. So one that sleeps is charged all of it. What passes without charge
//! is time in which somebody in the tree waits for a core while nobody in the tree has one: a crowd
//! that a program makes for itself excuses nothing, and on a machine with a core to spare all is
//! charged. Where the kernel does not tell, all is charged too.
//!
//! What has had a core for half of its limit is excused no longer, nor is one that has a crowd of threads:
//! it ends at its limit, or there. So a program that spins, or forks without end, is gone soon after its
//! limit on a busy machine too.

use std::collections::HashMap;
use std::time::Duration;

/// A time is at most this many times the limit, or [`CROWDED_AT_LEAST`] more than it, whichever is later.
const CROWDED_TIMES: u32 = 10;
const CROWDED_AT_LEAST: Duration = Duration::from_secs(60);
/// How soon it is looked again when nearly all is charged.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// What part of its limit a program may use of processors and still be excused.
const EXCUSED_PART: u32 = 2;
/// More threads than these, that all want a core at once, are a crowd.
const CROWD: usize = 12;

/// When a program with this limit of wall time ends at the latest, whatever it waited for.
pub(super) fn latest(limit: Duration) -> Duration {
    let times = limit.saturating_mul(CROWDED_TIMES);
    times.max(limit.saturating_add(CROWDED_AT_LEAST))
}

/// What the kernel tells of a thread.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Thread {
    /// Its number.
    pub(super) id: i32,
    /// How long it had a core.
    pub(super) ran: Duration,
    /// How long it waited for one, until it last got one.
    pub(super) waited: Duration,
    /// How often it got one.
    pub(super) turns: u64,
    /// Whether it has one or waits for one now.
    pub(super) is_awake: bool,
}

#[cfg(target_os = "linux")]
impl Thread {
    /// One that would have waited so long, in place of what is not there to wait.
    pub(super) fn that_waited(waited: Duration) -> Self {
        Thread {
            waited,
            ..Thread::default()
        }
    }
}

/// The time that a program is charged, since its start.
#[derive(Debug)]
pub(super) struct Clock {
    limit: Duration,
    looked_at: Duration,
    charged: Duration,
    used: Duration,
    is_crowd: bool,
    threads: HashMap<i32, Seen>,
}

#[derive(Debug)]
struct Seen {
    thread: Thread,
    /// Nanoseconds that the kernel told of and that did not count yet; negative, those that counted
    /// before it told: of a wait it tells when that is over.
    due: i64,
}

impl Clock {
    /// Nothing has passed yet.
    pub(super) fn new(limit: Duration) -> Self {
        Clock {
            limit,
            looked_at: Duration::ZERO,
            charged: Duration::ZERO,
            used: Duration::ZERO,
            is_crowd: false,
            threads: HashMap::new(),
        }
    }

    /// Whether it is worth while to look often: half of the limit has passed. Threads that have ended
    /// tell nothing any more, so only looks do justice to programs that start others in turn.
    pub(super) fn is_due(&self, elapsed: Duration) -> bool {
        elapsed >= self.limit / 2
    }

    /// Charges what passed since it was last looked. `used` of processors was by all that was ever in the
    /// tree, since the start. `trees` are the threads that live, in groups that wait for each other in turn:
    /// what one waited is added to what the other did. One that `is_held` waits for what this process
    /// or its helpers have still to do for it.
    pub(super) fn look(
        &mut self,
        elapsed: Duration,
        used: Duration,
        trees: Vec<Vec<Thread>>,
        is_held: bool,
    ) {
        let passed = elapsed.saturating_sub(self.looked_at);
        let mut ran = 0;
        let mut awake = if is_held { nanoseconds(passed) } else { 0 };
        let mut seen = HashMap::new();
        let all = trees.iter().flatten();
        self.is_crowd |= all.filter(|thread| thread.is_awake).count() > CROWD;
        for threads in trees {
            let mut most = 0;
            for thread in threads {
                let before = self.threads.get(&thread.id);
                let was = before.map(|seen| seen.thread).unwrap_or_default();
                let ran_now = nanoseconds(thread.ran) - nanoseconds(was.ran);
                let told = ran_now + nanoseconds(thread.waited) - nanoseconds(was.waited);
                let told = told + before.map_or(0, |seen| seen.due);
                let has_waited = was.is_awake && thread.is_awake && was.turns == thread.turns;
                let counted = if has_waited {
                    nanoseconds(passed)
                } else {
                    told.clamp(0, nanoseconds(passed))
                };
                ran += ran_now.max(0);
                most = most.max(counted);
                // Of one that is new, what was before the start does not count.
                let due = before.map_or(0, |_| told - counted);
                seen.insert(thread.id, Seen { thread, due });
            }
            awake = nanoseconds(passed).min(awake + most);
        }
        let used_now = nanoseconds(used) - nanoseconds(self.used);
        let charge = used_now.max(ran) + nanoseconds(passed) - awake;
        let charge = Duration::from_nanos(charge.try_into().unwrap_or(0));
        self.charged += charge.min(passed);
        self.looked_at = elapsed.max(self.looked_at);
        self.used = used.max(self.used);
        self.threads = seen;
    }

    /// Whether the limit is reached, as it was last looked.
    pub(super) fn is_over(&self) -> bool {
        let is_at_its_limit = self.looked_at >= self.limit;
        self.charged >= self.limit
            || is_at_its_limit && !self.is_excused()
            || self.looked_at >= latest(self.limit)
    }

    fn is_excused(&self) -> bool {
        self.used < self.limit / EXCUSED_PART && !self.is_crowd
    }

    /// When the limit is reached if all that is to come is charged.
    pub(super) fn ends_at(&self) -> Duration {
        let gone = match self.is_excused() {
            true => self.charged,
            false => self.looked_at,
        };
        let left = self.limit.saturating_sub(gone);
        let left = match self.looked_at.is_zero() {
            true => left,
            false => left.max(LOOK_AGAIN),
        };
        (self.looked_at + left).min(latest(self.limit))
    }

    /// What passed without charge, as it was last looked.
    pub(super) fn excused(&self) -> Duration {
        self.looked_at.saturating_sub(self.charged)
    }
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Clock, Thread, latest};

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// What a thread did until a look.
    fn thread(id: i32, ran: u64, waited: u64, turns: u64, is_awake: bool) -> Thread {
        Thread {
            id,
            ran: ms(ran),
            waited: ms(waited),
            turns,
            is_awake,
        }
    }

    /// When it is looked, what the tree used until then, and its threads.
    type Look = (u64, u64, Vec<Thread>);

    /// What is charged after these looks.
    fn charged(looks: &[Look]) -> u128 {
        let mut clock = Clock::new(ms(1000));
        for (elapsed, used, threads) in looks {
            clock.look(ms(*elapsed), ms(*used), vec![threads.clone()], false);
        }
        clock.charged.as_millis()
    }

    #[test]
    fn what_has_had_its_time_is_excused_no_longer() {
        let over = |elapsed: u64, used: u64| {
            let mut clock = Clock::new(ms(1000));
            // It waits, but for the time that it has had.
            let waits = thread(1, used, elapsed - used, 2, true);
            clock.look(ms(1), ms(0), vec![vec![thread(1, 0, 1, 1, true)]], false);
            clock.look(ms(elapsed), ms(used), vec![vec![waits]], false);
            clock.is_over()
        };
        assert!(!over(900, 600) && over(1000, 500) && over(3000, 500));
        assert!(!over(1000, 499) && !over(3000, 499));
    }

    #[test]
    fn what_a_program_waits_for_others_is_not_charged() {
        let cases: &[(&str, u128, Vec<Look>)] = &[
            (
                "alone it is charged all",
                1000,
                vec![
                    (500, 500, vec![thread(1, 500, 0, 1, true)]),
                    (1000, 1000, vec![thread(1, 1000, 0, 1, true)]),
                ],
            ),
            (
                "asleep it is charged all",
                1000,
                vec![(1000, 1, vec![thread(1, 1, 0, 1, false)])],
            ),
            (
                "in a crowd what it used, and slept",
                100 + 200,
                vec![(1000, 100, vec![thread(1, 100, 700, 9, true)])],
            ),
            (
                "a wait that is not over is none of which the kernel tells",
                100,
                vec![
                    (500, 100, vec![thread(1, 100, 400, 9, true)]),
                    (700, 100, vec![thread(1, 100, 400, 9, true)]),
                    (900, 100, vec![thread(1, 100, 400, 9, true)]),
                ],
            ),
            (
                "and counts once when it tells",
                100 + 300,
                vec![
                    (500, 100, vec![thread(1, 100, 400, 9, true)]),
                    (900, 100, vec![thread(1, 100, 400, 9, true)]),
                    (1200, 100, vec![thread(1, 100, 800, 10, false)]),
                ],
            ),
            (
                "what is told late still counts",
                100,
                vec![
                    (500, 100, vec![thread(1, 100, 700, 9, true)]),
                    (510, 100, vec![thread(1, 100, 720, 10, false)]),
                    (520, 100, vec![thread(1, 100, 720, 10, false)]),
                ],
            ),
            (
                "its own threads in turn on a core are no excuse",
                1000,
                vec![(
                    1000,
                    1000,
                    vec![thread(1, 500, 500, 9, true), thread(2, 500, 500, 9, true)],
                )],
            ),
            (
                "nor are many on all cores",
                1000,
                vec![(
                    1000,
                    2000,
                    (1..=64).map(|id| thread(id, 31, 969, 9, true)).collect(),
                )],
            ),
            (
                "nor those that have ended",
                1000,
                vec![(1000, 1000, vec![thread(1, 10, 990, 9, true)])],
            ),
            (
                "many that have half a core are charged that",
                500,
                vec![(
                    1000,
                    500,
                    (1..=50).map(|id| thread(id, 10, 990, 9, true)).collect(),
                )],
            ),
            (
                "who waits for a child is as awake as that",
                100 + 10 + 10,
                vec![(
                    1000,
                    110,
                    vec![thread(1, 10, 0, 2, false), thread(2, 100, 890, 9, true)],
                )],
            ),
            (
                "one child after the other",
                600 + 20 + 20,
                vec![
                    (600, 60, vec![thread(1, 10, 0, 2, false)]),
                    (
                        800,
                        80,
                        vec![thread(1, 10, 0, 2, false), thread(2, 20, 180, 2, true)],
                    ),
                    (
                        1000,
                        100,
                        vec![thread(1, 10, 0, 2, false), thread(3, 20, 180, 2, true)],
                    ),
                ],
            ),
            (
                "where nothing is told all is charged",
                1000,
                vec![(1000, 10, Vec::new())],
            ),
        ];
        for (what, expected, looks) in cases {
            assert_eq!(charged(looks), *expected, "{what}");
        }
    }

    #[test]
    fn what_a_program_is_held_up_is_not_charged() {
        let mut clock = Clock::new(ms(1000));
        let asleep = || vec![vec![thread(1, 20, 0, 1, false)]];
        clock.look(ms(500), ms(20), asleep(), false);
        clock.look(ms(800), ms(20), asleep(), true);
        clock.look(ms(900), ms(20), asleep(), false);
        assert_eq!(clock.charged, ms(600));
    }

    #[test]
    fn two_that_wait_for_each_other_wait_in_turn() {
        let mut clock = Clock::new(ms(1000));
        let program = vec![thread(1, 50, 400, 9, false)];
        let judge = vec![thread(2, 50, 400, 9, false)];
        clock.look(ms(1000), ms(50), vec![program, judge], false);
        assert_eq!(clock.charged, ms(50 + 50 + 100));
    }

    #[test]
    fn the_end_moves_by_what_is_not_charged_and_not_for_ever() {
        let mut clock = Clock::new(ms(1000));
        assert_eq!(clock.ends_at(), ms(1000));
        clock.look(
            ms(1000),
            ms(100),
            vec![vec![thread(1, 100, 900, 9, true)]],
            false,
        );
        assert_eq!((clock.ends_at(), clock.is_over()), (ms(1900), false));
        assert_eq!(clock.excused(), ms(900));
        let end = latest(ms(1000));
        assert_eq!(end, ms(61_000));
        clock.look(
            end,
            ms(100),
            vec![vec![thread(1, 100, 60_900, 10, true)]],
            false,
        );
        assert!(clock.is_over());
        assert_eq!(latest(Duration::from_secs(30)), Duration::from_secs(300));
        assert_eq!(latest(Duration::MAX), Duration::MAX);
    }
}
