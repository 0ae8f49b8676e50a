//! The rewrite directives of a server or a location, taken one by one (ngx_http_rewrite_module).

use super::{Common, Exchange};
use crate::{
    buffer::Turn,
    config::{Condition, If, Rewrite, Script, Step, Then},
    http1::{write_encoded_argument, write_redirection},
    template::{Part, Template, Variable},
    violation::Violation,
};

/// What a directive leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// To the next.
    GoesOn,
    /// To the end of the script.
    Ends,
    /// To an answer, or elsewhere.
    Answered,
}

/// Whether groups of a regular expression are escaped where nginx does that. A path that came without an escape
/// needs none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Groups {
    Plain,
    Escaped,
}

impl Exchange {
    /// Takes the steps of a script.
    pub(super) fn run_script(
        &mut self,
        common: &mut Common,
        script: &Script,
        turn: &mut Turn<'_>,
    ) -> Result<Course, Violation> {
        // Until the first `rewrite` has matched, `set` escapes groups too.
        let mut groups = Groups::Escaped;
        self.run_steps(common, &script.steps, &mut groups, turn)
    }

    fn run_steps(
        &mut self,
        common: &mut Common,
        steps: &[Step],
        groups: &mut Groups,
        turn: &mut Turn<'_>,
    ) -> Result<Course, Violation> {
        for step in steps {
            let course = match step {
                Step::Set(variable, value) => {
                    let value = self.evaluated(common, value, *groups, turn);
                    if let Some(heads) = &common.record.heads {
                        heads.set(*variable, &value);
                    }
                    turn.buffers.return_scratch(value);
                    Course::GoesOn
                }
                Step::SetMap(variable, value) => {
                    let value = self.evaluated(common, value, *groups, turn);
                    if let Some(heads) = &common.record.heads {
                        heads.set_map(*variable, &value);
                    }
                    turn.buffers.return_scratch(value);
                    Course::GoesOn
                }
                Step::SetArgs(value) => {
                    let value = self.evaluated(common, value, *groups, turn);
                    if let Some(heads) = &mut common.record.heads {
                        heads.rewrite_query(&value);
                    }
                    turn.buffers.return_scratch(value);
                    Course::GoesOn
                }
                Step::If(branch) => self.run_branch(common, branch, groups, turn)?,
                Step::Rewrite(rewrite) => self.run_rewrite(common, rewrite, groups, turn)?,
                Step::Break => {
                    common.stay();
                    Course::Ends
                }
                Step::Return(answer) => {
                    self.answer(common, answer, turn);
                    Course::Answered
                }
            };
            if course != Course::GoesOn {
                return Ok(course);
            }
        }
        Ok(Course::GoesOn)
    }

    fn run_branch(
        &mut self,
        common: &mut Common,
        branch: &If,
        groups: &mut Groups,
        turn: &mut Turn<'_>,
    ) -> Result<Course, Violation> {
        if !self.holds(common, &branch.condition, *groups, turn) {
            return Ok(Course::GoesOn);
        }
        if let Some(location) = &branch.location {
            self.enter(common, location);
        }
        self.run_steps(common, &branch.steps, groups, turn)
    }

    fn holds(&self, common: &Common, condition: &Condition, groups: Groups, turn: &mut Turn<'_>) -> bool {
        let (Condition::True(value) | Condition::Equal { value, .. } | Condition::Matches { value, .. }) =
            condition;
        let value = self.evaluated(common, value, groups, turn);
        let holds = match condition {
            Condition::True(_) => !matches!(value.as_slice(), b"" | b"0"),
            Condition::Equal { other, negated, .. } => {
                let other = self.evaluated(common, other, groups, turn);
                let equal = value == other;
                turn.buffers.return_scratch(other);
                equal != *negated
            }
            Condition::Matches { regex, negated, .. } => {
                let heads = common.record.heads.as_ref();
                heads.is_some_and(|heads| heads.matches_or_forgets(regex, &value)) != *negated
            }
        };
        turn.buffers.return_scratch(value);
        holds
    }

    fn run_rewrite(
        &mut self,
        common: &mut Common,
        rewrite: &Rewrite,
        groups: &mut Groups,
        turn: &mut Turn<'_>,
    ) -> Result<Course, Violation> {
        let Some(heads) = &common.record.heads else { return Ok(Course::Ends) };
        if !heads.matches_or_forgets(&rewrite.regex, heads.path()) {
            return Ok(Course::GoesOn);
        }
        *groups = Groups::Plain;
        if let Some(status) = redirects(rewrite) {
            self.redirect_rewritten(common, status, &rewrite.replacement, turn);
            return Ok(Course::Answered);
        }
        self.replace_uri(common, &rewrite.replacement, turn)?;
        if let Some(heads) = &mut common.record.heads {
            heads.detour.searches = true;
        }
        Ok(match rewrite.then {
            Then::Break => {
                common.stay();
                Course::Ends
            }
            Then::Last => Course::Ends,
            Then::GoOn | Then::Redirect | Then::Permanent => Course::GoesOn,
        })
    }

    /// The URI that a replacement makes. Its own question mark divides path and query, not one in a value; groups in
    /// the query are escaped; the request's query follows, unless the replacement ends with a question mark.
    fn replace_uri(
        &self,
        common: &mut Common,
        replacement: &Template,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        let mut uri = turn.buffers.scratch();
        let (keeps_query, mut divided) = (keeps_query(replacement), None);
        for (part, is_last) in parts(replacement) {
            match part {
                Part::Literal(text) => {
                    let text = if is_last { without_mark(text) } else { text };
                    let mark = memchr::memchr(b'?', text).filter(|_| divided.is_none());
                    if let Some(at) = mark {
                        uri.extend_from_slice(text.get(..at).unwrap_or_default());
                        divided = Some(uri.len());
                        uri.extend_from_slice(text.get(at + 1..).unwrap_or_default());
                    } else {
                        uri.extend_from_slice(text);
                    }
                }
                Part::Variable(_) => {
                    let groups = if divided.is_some() { Groups::Escaped } else { Groups::Plain };
                    common.write_part(part, replacement, groups, turn, &mut uri);
                }
            }
        }
        let Some(heads) = &mut common.record.heads else { return Ok(()) };
        if let Some(at) = divided {
            if keeps_query && !heads.query().is_empty() {
                uri.push(b'&');
                uri.extend_from_slice(heads.query());
            }
            let (path, query) = uri.split_at_checked(at).unwrap_or_default();
            heads.rewrite_path(path, Some(query));
        } else {
            heads.rewrite_path(&uri, if keeps_query { None } else { Some(b"") });
        }
        let is_empty = heads.path().is_empty();
        turn.buffers.return_scratch(uri);
        if is_empty { Err(Violation::EmptyUri) } else { Ok(()) }
    }

    fn redirect_rewritten(
        &mut self,
        common: &mut Common,
        status: u16,
        replacement: &Template,
        turn: &mut Turn<'_>,
    ) {
        let mut text = turn.buffers.scratch();
        let keeps_query = keeps_query(replacement);
        let mut has_query = false;
        for (part, is_last) in parts(replacement) {
            match part {
                Part::Literal(literal) => {
                    let literal = if is_last { without_mark(literal) } else { literal };
                    has_query |= literal.contains(&b'?');
                    text.extend_from_slice(literal);
                }
                Part::Variable(_) => {
                    common.write_part(part, replacement, Groups::Escaped, turn, &mut text);
                }
            }
        }
        let mut target = turn.buffers.scratch();
        write_redirection(&text, &mut target);
        if let Some(heads) = &common.record.heads
            && keeps_query
            && !heads.query().is_empty()
        {
            target.push(if has_query { b'&' } else { b'?' });
            target.extend_from_slice(heads.query());
        }
        self.redirect(common, status, &target, turn);
        turn.buffers.return_scratch(text);
        turn.buffers.return_scratch(target);
    }

    /// The value of a template, in memory that goes back to the worker.
    fn evaluated(
        &self,
        common: &Common,
        template: &Template,
        groups: Groups,
        turn: &mut Turn<'_>,
    ) -> Vec<u8> {
        let mut value = turn.buffers.scratch();
        for (part, _) in parts(template) {
            common.write_part(part, template, groups, turn, &mut value);
        }
        value
    }
}

/// What needs nothing of the exchange but its record and connections.
impl Common {
    /// The request stays in its location, whatever its path is.
    fn stay(&mut self) {
        if let Some(heads) = &mut self.record.heads
            && std::mem::take(&mut heads.detour.searches)
        {
            heads.detour.whole = true;
        }
    }

    fn write_part(
        &self,
        part: &Part,
        template: &Template,
        groups: Groups,
        turn: &mut Turn<'_>,
        out: &mut Vec<u8>,
    ) {
        match part {
            Part::Literal(text) => out.extend_from_slice(text),
            Part::Variable(group @ Variable::Capture(_))
                if groups == Groups::Escaped && self.has_escapes() =>
            {
                let mut value = turn.buffers.scratch();
                self.record.write_value(group, template.escape(), turn.now, &mut value);
                write_encoded_argument(&value, out);
                turn.buffers.return_scratch(value);
            }
            Part::Variable(variable) => {
                self.record.write_value(variable, template.escape(), turn.now, out);
            }
        }
    }

    /// Whether the path came with something that decoding has taken away.
    fn has_escapes(&self) -> bool {
        let target = self.record.heads.as_ref().map_or(b"".as_slice(), |heads| heads.request.origin_target());
        let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
        memchr::memchr2(b'%', b'+', path).is_some()
    }
}

/// The pieces of a template, and whether each is the last.
fn parts(template: &Template) -> impl Iterator<Item = (&Part, bool)> {
    let count = template.parts().len();
    template.parts().iter().enumerate().map(move |(index, part)| (part, index + 1 == count))
}

/// The status of a rewrite that sends the client elsewhere.
fn redirects(rewrite: &Rewrite) -> Option<u16> {
    let source = rewrite.replacement.source();
    let is_url = ["http://", "https://", "$scheme"].iter().any(|start| source.starts_with(start));
    match rewrite.then {
        Then::Permanent => Some(301),
        Then::Redirect => Some(302),
        Then::GoOn | Then::Last | Then::Break => is_url.then_some(302),
    }
}

fn keeps_query(replacement: &Template) -> bool {
    !replacement.source().ends_with('?')
}

fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"?").unwrap_or(text)
}
