//! What the counts have to be.

use super::{Growth, Row};

/// What was counted of one row.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// Of the costly input, at its size and at twice as much.
    pub costly: [Count; 2],
    /// Of the ordinary one with as many bytes.
    pub plain: [Count; 2],
}

/// Instructions, and the bytes of input that they were spent on.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    /// Instructions.
    pub instructions: u64,
    /// Bytes.
    pub bytes: usize,
}

/// What is wrong with a row; nothing when it holds.
pub type Report = Vec<String>;

/// Twice as much input costs at most so many tenths as much.
const LINEAR: u64 = 22;

/// What isn't input may double, and costs at most so many tenths as much: a search among sorted things takes one step
/// more.
const FLAT: u64 = 12;

/// Compares what was counted with what the row says.
#[must_use]
pub fn judge(row: &Row, measure: &Measure) -> Report {
    let [small, large] = measure.costly.map(|count| count.instructions);
    let mut report = Report::new();
    let mut most = |limit: u64, said: &str| {
        if large > limit {
            report.push(format!("{}: {large} instructions, and {said} are {limit}", row.name));
        }
    };
    match row.growth {
        Growth::Linear => most(small * LINEAR / 10, "2.2 times those of half the size"),
        Growth::Flat => most(small * FLAT / 10, "1.2 times those of half the size"),
        Growth::Bounded(limit) => most(limit, "the bound of a search"),
    }
    if !matches!(row.growth, Growth::Bounded(_)) {
        for (costly, plain) in measure.costly.iter().zip(&measure.plain) {
            // Per byte: the two are of about the same length.
            let limit = plain.instructions * u64::from(row.times) * costly.bytes as u64 / plain.bytes as u64;
            if costly.instructions > limit {
                let (name, times) = (row.name, row.times);
                report.push(format!(
                    "{name}: {} instructions for {} bytes, and {times} times those of ordinary ones are {limit}",
                    costly.instructions, costly.bytes,
                ));
            }
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(costly: [u64; 2], plain: [u64; 2]) -> Measure {
        let count = |instructions, bytes| Count { instructions, bytes };
        Measure {
            costly: [count(costly[0], 100), count(costly[1], 200)],
            plain: [count(plain[0], 100), count(plain[1], 200)],
        }
    }

    fn row(growth: Growth) -> Row {
        Row { growth, ..super::super::rows::TABLE[0] }
    }

    #[test]
    fn what_grows_faster_than_its_input_is_noticed() {
        let holds = |growth, costly, plain| judge(&row(growth), &measured(costly, plain)).is_empty();
        assert!(holds(Growth::Linear, [1_000, 2_200], [1_000, 2_000]));
        assert!(!holds(Growth::Linear, [1_000, 2_201], [1_000, 2_000]));
        assert!(holds(Growth::Flat, [1_000, 1_200], [1_000, 1_000]));
        assert!(!holds(Growth::Flat, [1_000, 1_201], [1_000, 1_000]));
        assert!(holds(Growth::Bounded(5_000), [1_000, 5_000], [1, 1]));
        assert!(!holds(Growth::Bounded(5_000), [1_000, 5_001], [1, 1]));
    }

    #[test]
    fn a_dear_byte_is_noticed_at_either_size() {
        let holds = |costly, plain| judge(&row(Growth::Linear), &measured(costly, plain)).is_empty();
        assert!(holds([10_000, 20_000], [1_000, 2_000]));
        assert!(!holds([10_001, 20_000], [1_000, 2_000]));
        assert!(!holds([10_000, 20_001], [1_000, 2_000]));
    }

    #[test]
    fn names_of_rows_are_unique() {
        let mut names: Vec<_> = super::super::table().map(|row| row.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
