//! Whether a request may come over its connection, as far as TLS goes (H2).

use super::{Fact, Session};
use crate::{RequestHead, tls::check, violation::Violation};

impl Session {
    /// Checks that the connection is under TLS where it is to be, and that the server has the certificate that it wants. To be asked
    /// once the request is understood, so that it may have an error page.
    pub(super) fn check_tls(&mut self) -> Result<(), Violation> {
        let config = &self.record.config;
        let checked = match (&self.record.client.tls, &self.record.heads) {
            (Some(facts), Some(heads)) => {
                let router = &config.router;
                check(facts, router.tls(&RequestHead(heads)), router.tls_of(facts.server_name.as_deref()))
            }
            (None, _) if config.tls => Err(Violation::PlainHttp),
            _ => Ok(()),
        };
        if matches!(checked, Err(violation) if violation.page() != violation.status()) {
            // As in nginx: the client would be told the same again.
            self.work.facts.note(Fact::Bounded);
        }
        checked
    }
}
