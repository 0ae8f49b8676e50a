//! Whether a request may come over its connection, as far as TLS goes (H2).

use super::{Common, Exchange, Fact};
use crate::{RequestHead, tls::check, violation::Violation};

impl Exchange {
    /// Checks that the connection is under TLS where it is to be, and that the server has the certificate that it wants. To be asked
    /// once the request is understood, so that it may have an error page.
    pub(super) fn check_tls(&mut self, common: &Common) -> Result<(), Violation> {
        let record = &common.record;
        let checked = match (&record.client.tls, &record.heads) {
            (Some(facts), Some(heads)) => {
                let router = &record.config.router;
                check(facts, router.tls(&RequestHead(heads)), router.tls_of(facts.server_name.as_deref()))
            }
            (None, _) if record.config.tls => Err(Violation::PlainHttp),
            _ => Ok(()),
        };
        if matches!(checked, Err(violation) if violation.page() != violation.status()) {
            // As in nginx: the client would be told the same again.
            self.facts.note(Fact::Bounded);
        }
        checked
    }
}
