//! `session_trace`.

use underpass_core::trace::Sample;

use super::{Builder, all, logs::refuse_special_target};
use crate::{
    error::{ConfigNote, Error},
    loaded::SessionTrace,
    syntax::Directive,
};

impl Builder<'_> {
    /// What a block says; nothing when it is silent.
    pub(super) fn session_trace(
        &mut self,
        block: &[Directive],
    ) -> Result<Option<Option<SessionTrace>>, Error> {
        let Some(directive) = all(block, "session_trace").next() else { return Ok(None) };
        let file = directive.argument(0);
        let parameters = directive.arguments.get(1..).unwrap_or_default();
        refuse_special_target(file)?;
        let mut trace = SessionTrace { path: self.path(&file.text), sample: Sample::ALL, plain: false };
        for word in parameters {
            let invalid = || Error::new(&word.position, format!("invalid parameter \"{}\"", word.text));
            match word.text.split_once('=') {
                _ if file.text == "off" => return Err(invalid()),
                Some(("sample", part)) => {
                    trace.sample = sample(part).ok_or_else(|| {
                        invalid().hint("a part of all sessions is written as \"5%\", \"0.1%\" or \"1/1000\"")
                    })?;
                }
                Some(("content", "masked")) => trace.plain = false,
                Some(("content", "plain")) => trace.plain = true,
                _ => return Err(invalid()),
            }
        }
        if trace.plain {
            let message = format!(
                "\"session_trace\" writes content and credentials of clients to \"{}\" as they are",
                trace.path.display()
            );
            self.notes.push(ConfigNote::new(&directive.name.position, message));
        }
        Ok(Some((file.text != "off").then_some(trace)))
    }
}

/// `1/100`, `5%`, `0.1%`: more than nothing, at most all.
fn sample(text: &str) -> Option<Sample> {
    let number = |digits: &str| digits.parse::<u64>().ok().filter(|_| digits.len() <= 9);
    let (share, of) = match (text.strip_suffix('%'), text.split_once('/')) {
        (Some(percent), _) => {
            let (whole, decimals) = percent.split_once('.').unwrap_or((percent, ""));
            let scale = 10_u64.checked_pow(u32::try_from(decimals.len()).ok()?)?;
            (number(&format!("{whole}{decimals}"))?, scale.checked_mul(100)?)
        }
        (None, Some((share, of))) => (number(share)?, number(of)?),
        (None, None) => return None,
    };
    (0 < share && share <= of).then_some(Sample { share, of })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_all_sessions() {
        for (text, expected) in [
            ("1/100", Some((1, 100))),
            ("5%", Some((5, 100))),
            ("0.1%", Some((1, 1000))),
            ("100%", Some((100, 100))),
            ("0%", None),
            ("101%", None),
            ("2/1", None),
            ("0.5", None),
            ("1/0", None),
            ("-1/2", None),
            ("x%", None),
        ] {
            assert_eq!(sample(text).map(|sample| (sample.share, sample.of)), expected, "{text}");
        }
    }
}
