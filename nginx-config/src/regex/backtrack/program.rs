//! From a tree to instructions.

use super::parse::{Around, Node, Place, Repeat, Set};

/// One step of the machine. Numbers are those of instructions and registers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// Reads one byte.
    Byte(Set),
    Place(Place),
    /// Goes on at the first; when that fails, at the second.
    Split(usize, usize),
    Jump(usize),
    /// Keeps the position.
    Save(usize),
    /// A group ends here, which began at the position kept.
    Close(usize, usize),
    /// Goes on at the place given when nothing was read since the position was kept.
    Unmoved(usize, usize),
    /// So many bytes back.
    Back(usize),
    Reference {
        group: usize,
        ignore_case: bool,
    },
    /// Keeps how many ways back there are, and in the next register the position.
    Enter(usize),
    /// Forgets the ways back since then.
    Commit(usize),
    /// Goes back to the position kept in it.
    Return(usize),
    /// Keeps how many ways back there are, and goes on behind the negated look when what follows fails.
    EnterNegated(usize, usize),
    /// What follows it has not failed, so that this fails.
    Refuse(usize),
    Match,
}

#[derive(Debug)]
pub(super) struct Program {
    pub(super) steps: Vec<Step>,
    /// Groups, the whole match included: the first registers are their ends.
    pub(super) groups: usize,
    pub(super) registers: usize,
    /// A match begins with one of these.
    pub(super) first: Option<Set>,
}

/// Steps that one program may have.
const SIZE: usize = 50_000;

impl Program {
    pub(super) fn compile(node: &Node, groups: usize) -> Result<Self, String> {
        let first = match first(node) {
            First::Set(set) => Some(set),
            First::Anything => None,
        };
        let mut program = Self { steps: Vec::new(), groups, registers: 2 * groups, first };
        program.push(Step::Save(0))?;
        program.node(node)?;
        program.push(Step::Save(1))?;
        program.push(Step::Match)?;
        Ok(program)
    }

    fn push(&mut self, step: Step) -> Result<usize, String> {
        if self.steps.len() == SIZE {
            return Err("regular expression is too large".to_owned());
        }
        self.steps.push(step);
        Ok(self.steps.len() - 1)
    }

    /// Puts a step in the place of one that wasn't known yet.
    fn set(&mut self, at: usize, step: Step) {
        if let Some(slot) = self.steps.get_mut(at) {
            *slot = step;
        }
    }

    fn register(&mut self, count: usize) -> usize {
        self.registers += count;
        self.registers - count
    }

    fn node(&mut self, node: &Node) -> Result<(), String> {
        match node {
            Node::Byte(set) => self.push(Step::Byte(*set)).map(|_| ()),
            Node::Place(place) => self.push(Step::Place(*place)).map(|_| ()),
            Node::Keep => self.push(Step::Save(0)).map(|_| ()),
            Node::Reference { group, ignore_case } => {
                self.push(Step::Reference { group: *group, ignore_case: *ignore_case }).map(|_| ())
            }
            Node::All(nodes) => nodes.iter().try_for_each(|node| self.node(node)),
            Node::Any(nodes) => self.any(nodes, Self::node),
            Node::Group(None, node) => self.node(node),
            Node::Group(Some(number), node) => {
                // The start counts only with the end: a reference inside the group means its last round.
                let start = self.register(1);
                self.push(Step::Save(start))?;
                self.node(node)?;
                self.push(Step::Close(*number, start)).map(|_| ())
            }
            Node::Repeat(node, repeat) => self.repeat(node, *repeat),
            Node::Atomic(node) => {
                let kept = self.register(2);
                self.push(Step::Enter(kept))?;
                self.node(node)?;
                self.push(Step::Commit(kept)).map(|_| ())
            }
            Node::Around(node, around) => self.around(node, *around),
        }
    }

    fn any(
        &mut self,
        nodes: &[Node],
        mut compile: impl FnMut(&mut Self, &Node) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut jumps = Vec::new();
        let Some((last, before)) = nodes.split_last() else { return Ok(()) };
        for node in before {
            let split = self.push(Step::Match)?;
            compile(self, node)?;
            jumps.push(self.push(Step::Match)?);
            self.set(split, Step::Split(split + 1, self.steps.len()));
        }
        compile(self, last)?;
        let end = self.steps.len();
        jumps.into_iter().for_each(|jump| self.set(jump, Step::Jump(end)));
        Ok(())
    }

    fn repeat(&mut self, node: &Node, repeat: Repeat) -> Result<(), String> {
        let Repeat { least, most, greedy } = repeat;
        let split =
            |first, second| if greedy { Step::Split(first, second) } else { Step::Split(second, first) };
        for _ in 0..least {
            self.node(node)?;
        }
        match most {
            Some(most) => {
                let mut splits = Vec::new();
                for _ in least..most {
                    splits.push(self.push(Step::Match)?);
                    self.node(node)?;
                }
                let end = self.steps.len();
                splits.into_iter().for_each(|at| self.set(at, split(at + 1, end)));
            }
            None => {
                let start = self.push(Step::Match)?;
                let kept = self.register(1);
                self.push(Step::Save(kept))?;
                self.node(node)?;
                let check = self.push(Step::Match)?;
                self.push(Step::Jump(start))?;
                let end = self.steps.len();
                // A round that reads nothing is the last.
                self.set(check, Step::Unmoved(kept, end));
                self.set(start, split(start + 1, end));
            }
        }
        Ok(())
    }

    fn around(&mut self, node: &Node, around: Around) -> Result<(), String> {
        let kept = self.register(2);
        let enter = self.push(Step::Enter(kept))?;
        if around.ahead {
            self.node(node)?;
        } else {
            self.behind(node)?;
        }
        if around.negated {
            self.push(Step::Refuse(kept))?;
            self.set(enter, Step::EnterNegated(kept, self.steps.len()));
        } else {
            self.push(Step::Commit(kept))?;
            self.push(Step::Return(kept + 1))?;
        }
        Ok(())
    }

    /// What stands before the position. As in PCRE, each alternative has a length of its own that doesn't vary.
    fn behind(&mut self, node: &Node) -> Result<(), String> {
        if let Node::Any(nodes) = node {
            return self.any(nodes, Self::behind_one);
        }
        self.behind_one(node)
    }

    fn behind_one(&mut self, node: &Node) -> Result<(), String> {
        let length = width(node).ok_or("lookbehind assertion is not fixed length")?;
        self.push(Step::Back(length))?;
        self.node(node)
    }
}

/// How many bytes a part reads, when it is always the same number.
fn width(node: &Node) -> Option<usize> {
    match node {
        Node::Byte(_) => Some(1),
        Node::Place(_) | Node::Keep | Node::Around(..) => Some(0),
        Node::Group(_, node) | Node::Atomic(node) => width(node),
        Node::All(nodes) => nodes.iter().try_fold(0, |sum: usize, node| sum.checked_add(width(node)?)),
        Node::Any(nodes) => {
            let mut widths = nodes.iter().map(width);
            let first = widths.next()??;
            widths.all(|width| width == Some(first)).then_some(first)
        }
        Node::Repeat(node, Repeat { least, most, .. }) if Some(*least) == *most => {
            width(node)?.checked_mul(usize::try_from(*least).ok()?)
        }
        Node::Repeat(..) | Node::Reference { .. } => None,
    }
}

/// What a match begins with.
enum First {
    /// One of these bytes.
    Set(Set),
    /// Perhaps with none at all.
    Anything,
}

fn first(node: &Node) -> First {
    match node {
        Node::Byte(set) => First::Set(*set),
        Node::Group(_, node) | Node::Atomic(node) => first(node),
        Node::Repeat(node, repeat) if repeat.least > 0 => first(node),
        // A look or a place reads nothing: what follows it does.
        Node::All(nodes) => {
            let reads = |node: &&Node| !matches!(node, Node::Place(_) | Node::Around(..) | Node::Keep);
            nodes.iter().find(reads).map_or(First::Anything, first)
        }
        Node::Any(nodes) => {
            let mut all = Set::default();
            for node in nodes {
                match first(node) {
                    First::Set(set) => all = all.or(set),
                    First::Anything => return First::Anything,
                }
            }
            First::Set(all)
        }
        Node::Place(_) | Node::Keep | Node::Around(..) | Node::Reference { .. } | Node::Repeat(..) => {
            First::Anything
        }
    }
}
