//! Results in the order of their rows, inside a window: one slow row holds up no more than that.

use std::collections::{BTreeMap, BTreeSet};

/// Results that wait for those before them.
///
/// When more wait than the window holds, the row that they wait for is overdue: it is passed over,
/// and its result comes out when it is there.
#[derive(Debug)]
pub(super) struct Window<T> {
    rows_max: usize,
    bytes_max: usize,
    /// The first row that has neither come out nor been passed over.
    next: usize,
    /// Rows that were let in.
    end: usize,
    waiting: BTreeMap<usize, (T, usize)>,
    waiting_bytes: usize,
    overdue: BTreeSet<usize>,
}

impl<T> Window<T> {
    /// A window of so many rows, and of so many bytes of results that wait.
    pub(super) fn new(rows_max: usize, bytes_max: usize) -> Self {
        Window {
            rows_max,
            bytes_max,
            next: 0,
            end: 0,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            overdue: BTreeSet::new(),
        }
    }

    /// Lets a row in; its number, from 0.
    pub(super) fn enter(&mut self) -> usize {
        self.end += 1;
        self.end - 1
    }

    /// A row has its result, of so many bytes; what comes out because of it, in order.
    pub(super) fn finish(&mut self, row: usize, result: T, bytes: usize) -> Vec<T> {
        if self.overdue.remove(&row) {
            return vec![result];
        }
        self.waiting.insert(row, (result, bytes));
        self.waiting_bytes += bytes;
        let mut out = Vec::new();
        loop {
            while let Some((result, bytes)) = self.waiting.remove(&self.next) {
                self.waiting_bytes -= bytes;
                self.next += 1;
                out.push(result);
            }
            if !self.is_full() {
                return out;
            }
            self.overdue.insert(self.next);
            self.next += 1;
        }
    }

    /// What still waits, for rows that have no result and get none, in order.
    pub(super) fn rest(self) -> impl Iterator<Item = T> {
        self.waiting.into_values().map(|(result, _)| result)
    }

    /// Whether more wait than may.
    fn is_full(&self) -> bool {
        self.waiting.len() >= self.rows_max || self.waiting_bytes > self.bytes_max
    }
}

#[cfg(test)]
mod tests {
    use super::Window;

    /// Enters rows and finishes them in this order; what came out at each step.
    fn steps(rows_max: usize, bytes_max: usize, order: &[usize]) -> Vec<Vec<usize>> {
        let mut window = Window::new(rows_max, bytes_max);
        for _ in order {
            window.enter();
        }
        order
            .iter()
            .map(|row| window.finish(*row, *row, 10))
            .collect()
    }

    #[test]
    fn results_come_in_the_order_of_rows() {
        assert_eq!(
            steps(10, 1000, &[2, 0, 1, 3]),
            [vec![], vec![0], vec![1, 2], vec![3]]
        );
    }

    #[test]
    fn a_slow_row_is_passed_over_when_too_many_wait() {
        assert_eq!(
            steps(2, 1000, &[1, 2, 3, 0]),
            [vec![], vec![1, 2], vec![3], vec![0]]
        );
        // Several slow ones: only those that are waited for.
        assert_eq!(
            steps(2, 1000, &[1, 3, 2, 0]),
            [vec![], vec![1], vec![2, 3], vec![0]]
        );
    }

    #[test]
    fn what_waits_for_a_row_without_a_result_comes_out_at_the_end() {
        let mut window = Window::new(10, 1000);
        let rows = [window.enter(), window.enter(), window.enter()];
        assert!(window.finish(rows[2], "c", 1).is_empty());
        assert!(window.finish(rows[1], "b", 1).is_empty());
        assert_eq!(window.rest().collect::<Vec<_>>(), ["b", "c"]);
    }

    #[test]
    fn large_results_do_not_wait_without_end() {
        assert_eq!(steps(100, 15, &[1, 2, 0]), [vec![], vec![1, 2], vec![0]]);
    }
}
