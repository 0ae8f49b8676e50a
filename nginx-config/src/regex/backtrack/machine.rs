//! Runs a program on a subject, and counts.

use super::{
    parse::Place,
    program::{Program, Step},
};

/// What a search has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Match,
    Nothing,
    /// It took more steps than it may.
    Unknown,
}

/// What a step has come to.
enum Next {
    /// The next instruction.
    At(usize),
    /// This way leads nowhere.
    Fails,
    Matches,
}

/// What is undone on the way back, the last first.
#[derive(Clone, Copy, Debug)]
enum Trail {
    /// Another way: an instruction and a position.
    Way(usize, usize),
    /// What a register held.
    Held(usize, usize),
}

#[derive(Debug)]
pub(super) struct Machine<'a> {
    program: &'a Program,
    subject: &'a [u8],
    registers: Vec<usize>,
    trail: Vec<Trail>,
    at: usize,
    left: usize,
}

/// Entries of the trail, of 24 bytes each: a search takes at most some megabytes.
const TRAIL: usize = 128 << 10;

/// In a register: nothing.
const UNSET: usize = usize::MAX;

/// The steps are used up, or the memory is.
struct Exhausted;

impl<'a> Machine<'a> {
    pub(super) fn new(program: &'a Program, subject: &'a [u8], steps: usize) -> Self {
        Self {
            program,
            subject,
            registers: vec![UNSET; program.registers],
            trail: Vec::new(),
            at: 0,
            left: steps,
        }
    }

    /// Finds the first match.
    pub(super) fn search(&mut self) -> Found {
        for start in 0..=self.subject.len() {
            if self.spend(1).is_err() {
                return Found::Unknown;
            }
            let begins =
                |first: &super::parse::Set| self.subject.get(start).is_some_and(|byte| first.has(*byte));
            if !self.program.first.as_ref().is_none_or(begins) {
                continue;
            }
            self.at = start;
            match self.run() {
                Ok(true) => return Found::Match,
                Ok(false) => {}
                Err(Exhausted) => return Found::Unknown,
            }
        }
        Found::Nothing
    }

    /// Where a group of the match is.
    pub(super) fn group(&self, group: usize) -> Option<(usize, usize)> {
        let register = |number: usize| self.registers.get(number).copied().filter(|at| *at != UNSET);
        let (from, to) = (register(2 * group)?, register(2 * group + 1)?);
        // `\K` behind a look-ahead may begin a match behind its end.
        Some((from.min(to), to))
    }

    /// Runs the program from the position on; what it has kept is undone when it fails.
    fn run(&mut self) -> Result<bool, Exhausted> {
        let mut next = 0;
        loop {
            self.spend(1)?;
            if self.trail.len() > TRAIL {
                return Err(Exhausted);
            }
            let Some(step) = self.program.steps.get(next) else { return Ok(false) };
            next = match self.step(*step, next + 1)? {
                Next::At(next) => next,
                Next::Matches => {
                    self.trail.clear();
                    return Ok(true);
                }
                Next::Fails => match self.back()? {
                    Some(next) => next,
                    None => return Ok(false),
                },
            };
        }
    }

    fn step(&mut self, step: Step, next: usize) -> Result<Next, Exhausted> {
        let holds = |holds: bool| if holds { Next::At(next) } else { Next::Fails };
        Ok(match step {
            Step::Byte(set) => match self.subject.get(self.at) {
                Some(byte) if set.has(*byte) => {
                    self.at += 1;
                    Next::At(next)
                }
                _ => Next::Fails,
            },
            Step::Place(place) => holds(self.is_at(place)),
            Step::Split(first, second) => {
                self.trail.push(Trail::Way(second, self.at));
                Next::At(first)
            }
            Step::Jump(to) => Next::At(to),
            Step::Save(register) => {
                self.keep(register, self.at);
                Next::At(next)
            }
            Step::Close(group, start) => {
                self.keep(2 * group, self.held(start));
                self.keep(2 * group + 1, self.at);
                Next::At(next)
            }
            Step::Unmoved(kept, to) => Next::At(if self.held(kept) == self.at { to } else { next }),
            Step::Back(length) => match self.at.checked_sub(length) {
                Some(at) => {
                    self.at = at;
                    Next::At(next)
                }
                None => Next::Fails,
            },
            Step::Reference { group, ignore_case } => holds(self.read_again(group, ignore_case)?),
            Step::Enter(kept) => {
                self.enter(kept);
                Next::At(next)
            }
            Step::EnterNegated(kept, behind) => {
                self.enter(kept);
                self.trail.push(Trail::Way(behind, self.at));
                Next::At(next)
            }
            Step::Commit(kept) => {
                self.commit(self.held(kept))?;
                Next::At(next)
            }
            Step::Return(kept) => {
                self.at = self.held(kept);
                Next::At(next)
            }
            Step::Refuse(kept) => {
                self.undo(self.held(kept))?;
                Next::Fails
            }
            Step::Match => Next::Matches,
        })
    }

    /// Goes to the last way that wasn't tried.
    fn back(&mut self) -> Result<Option<usize>, Exhausted> {
        while let Some(trail) = self.trail.pop() {
            self.spend(1)?;
            match trail {
                Trail::Way(next, at) => {
                    self.at = at;
                    return Ok(Some(next));
                }
                Trail::Held(register, value) => self.set(register, value),
            }
        }
        Ok(None)
    }

    /// Undoes what was done since the trail had this length.
    fn undo(&mut self, length: usize) -> Result<(), Exhausted> {
        while self.trail.len() > length {
            self.spend(1)?;
            if let Some(Trail::Held(register, value)) = self.trail.pop() {
                self.set(register, value);
            }
        }
        Ok(())
    }

    fn enter(&mut self, kept: usize) {
        // The registers' own earlier values are undone after all that follows.
        let length = self.trail.len() + 2;
        self.keep(kept, length);
        self.keep(kept + 1, self.at);
    }

    /// Forgets the ways since the trail had this length; what registers held before has still to be undone.
    fn commit(&mut self, length: usize) -> Result<(), Exhausted> {
        self.spend(self.trail.len().saturating_sub(length))?;
        let mut kept = length;
        for index in length..self.trail.len() {
            if let Some(held @ Trail::Held(..)) = self.trail.get(index).copied()
                && let Some(slot) = self.trail.get_mut(kept)
            {
                *slot = held;
                kept += 1;
            }
        }
        self.trail.truncate(kept);
        Ok(())
    }

    /// Reads once more what a group has matched.
    fn read_again(&mut self, group: usize, ignore_case: bool) -> Result<bool, Exhausted> {
        let Some((from, to)) = self.group(group) else { return Ok(false) };
        self.spend(to - from)?;
        let read = self.subject.get(from..to).unwrap_or_default();
        let Some(there) = self.subject.get(self.at..self.at + read.len()) else { return Ok(false) };
        let same = if ignore_case { there.eq_ignore_ascii_case(read) } else { there == read };
        if same {
            self.at += read.len();
        }
        Ok(same)
    }

    fn is_at(&self, place: Place) -> bool {
        let byte = |at: Option<usize>| at.and_then(|at| self.subject.get(at)).copied();
        let (before, behind) = (byte(self.at.checked_sub(1)), byte(Some(self.at)));
        let is_word =
            |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        match place {
            Place::Start => before.is_none(),
            Place::End => behind.is_none(),
            Place::LineStart => matches!(before, None | Some(b'\n')),
            Place::LineEnd => matches!(behind, None | Some(b'\n')),
            Place::Word => is_word(before) != is_word(behind),
            Place::NotWord => is_word(before) == is_word(behind),
        }
    }

    fn keep(&mut self, register: usize, value: usize) {
        self.trail.push(Trail::Held(register, self.held(register)));
        self.set(register, value);
    }

    fn held(&self, register: usize) -> usize {
        self.registers.get(register).copied().unwrap_or(UNSET)
    }

    fn set(&mut self, register: usize, value: usize) {
        if let Some(slot) = self.registers.get_mut(register) {
            *slot = value;
        }
    }

    fn spend(&mut self, steps: usize) -> Result<(), Exhausted> {
        self.left = self.left.checked_sub(steps).ok_or(Exhausted)?;
        Ok(())
    }
}
