use super::{CertificateFault, PeerCertificate, TlsFacts};
use crate::{ids::TlsJudgeId, violation::Violation};

/// What a virtual server wants of the certificates of its clients, as far as a session decides by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct TlsRules {
    /// `ssl_verify_client`.
    pub verify: VerifyClient,
    /// What certificates are judged by. Two servers have it in common exactly when a certificate is right for both or for none:
    /// when their authorities, their revocation lists and the depth of their chains are the same. It means nothing where nobody
    /// is asked, and is absent by default.
    pub judge: Option<TlsJudgeId>,
}

impl TlsRules {
    /// `ssl_verify_client`, and what certificates are judged by.
    #[must_use]
    pub fn new(verify: VerifyClient, judge: TlsJudgeId) -> Self {
        Self { verify, judge: Some(judge) }
    }
}

/// Whether clients are asked for a certificate, and what happens to those who have no right one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum VerifyClient {
    /// Nobody is asked.
    #[default]
    Off,
    /// A client without a certificate is refused, and one whose certificate is wrong.
    On,
    /// A client whose certificate is wrong is refused; one without a certificate is not.
    Optional,
    /// A client whose certificate is wrong is refused, unless all that is wrong is that nobody known has issued it; one without a
    /// certificate is not.
    OptionalNoCa,
}

/// Judges a request over TLS by the rules of the server that `Host` names, and of the one by whose rules the handshake was done:
/// that of the name in the handshake, or the default one (H2).
///
/// # Errors
/// Why the request is refused.
pub(crate) fn check(facts: &TlsFacts, asked: TlsRules, shaken: TlsRules) -> Result<(), Violation> {
    if asked.is_as(shaken) {
        return match (&facts.certificate, asked.verify) {
            (None, VerifyClient::On) => Err(Violation::NoCertificate),
            (Some(certificate), VerifyClient::On | VerifyClient::Optional)
                if certificate.verdict.is_err() =>
            {
                Err(Violation::BadCertificate)
            }
            (Some(certificate), VerifyClient::OptionalNoCa) => certificate.is_taken_without_issuer(),
            _ => Ok(()),
        };
    }
    // RFC 9110 §7.4: the client may ask again on a connection of which it says whom it looks for.
    if facts.server_name.is_some() {
        return Err(Violation::Misdirected);
    }
    // A certificate that others have found right says nothing here.
    match (&facts.certificate, asked.verify) {
        (None, VerifyClient::On) => Err(Violation::NoCertificate),
        (Some(_), VerifyClient::On | VerifyClient::Optional) => Err(Violation::BadCertificate),
        // What is wrong besides its issuer is so whoever judges.
        (Some(certificate), VerifyClient::OptionalNoCa) => certificate.is_taken_without_issuer(),
        _ => Ok(()),
    }
}

impl PeerCertificate {
    fn is_taken_without_issuer(&self) -> Result<(), Violation> {
        match self.verdict {
            Ok(()) | Err(CertificateFault::UnknownIssuer(_)) => Ok(()),
            Err(CertificateFault::Wrong(_)) => Err(Violation::BadCertificate),
        }
    }
}

impl TlsRules {
    fn is_as(self, other: Self) -> bool {
        self == other || (self.verify, other.verify) == (VerifyClient::Off, VerifyClient::Off)
    }
}

#[cfg(test)]
mod tests {
    use super::{CertificateFault::*, VerifyClient::*, *};

    /// Of a certificate there is, what is wrong with it.
    fn facts(name: Option<&str>, verdict: Option<Result<(), CertificateFault>>) -> TlsFacts {
        let certificate = verdict.map(|verdict| PeerCertificate { der: [1].into(), verdict });
        TlsFacts { server_name: name.map(Into::into), certificate, ..TlsFacts::default() }
    }

    fn expired() -> Result<(), CertificateFault> {
        Err(Wrong("expired".into()))
    }

    fn issued_by_nobody() -> Result<(), CertificateFault> {
        Err(UnknownIssuer("unknown issuer".into()))
    }

    /// H2, for the client that asks the server for which it has done its handshake.
    #[test]
    fn a_certificate_is_wanted_as_the_server_says() {
        let (none, right) = (facts(None, None), facts(None, Some(Ok(()))));
        let (wrong, unknown) = (facts(None, Some(expired())), facts(None, Some(issued_by_nobody())));
        for (verify, facts, expected) in [
            (Off, &none, Ok(())),
            (Off, &wrong, Ok(())),
            (On, &none, Err(Violation::NoCertificate)),
            (On, &right, Ok(())),
            (On, &wrong, Err(Violation::BadCertificate)),
            (Optional, &none, Ok(())),
            (Optional, &right, Ok(())),
            (On, &unknown, Err(Violation::BadCertificate)),
            (Optional, &wrong, Err(Violation::BadCertificate)),
            (Optional, &unknown, Err(Violation::BadCertificate)),
            (OptionalNoCa, &none, Ok(())),
            (OptionalNoCa, &right, Ok(())),
            (OptionalNoCa, &wrong, Err(Violation::BadCertificate)),
            (OptionalNoCa, &unknown, Ok(())),
        ] {
            let rules = TlsRules::new(verify, TlsJudgeId(1));
            assert_eq!(check(facts, rules, rules), expected, "{verify:?} {facts:?}");
        }
    }

    /// H2, for the client that asks another server.
    #[test]
    fn another_server_is_asked_only_where_it_has_the_same_rules() {
        let on = TlsRules::new(On, TlsJudgeId(1));
        for other in
            [TlsRules::new(On, TlsJudgeId(2)), TlsRules::new(Optional, TlsJudgeId(1)), TlsRules::default()]
        {
            for verdict in [None, Some(Ok(())), Some(expired())] {
                let named = facts(Some("a"), verdict);
                assert_eq!(check(&named, on, other), Err(Violation::Misdirected), "{other:?}");
                assert_eq!(check(&named, other, on), Err(Violation::Misdirected), "{other:?}");
            }
        }
        assert_eq!(check(&facts(Some("a"), Some(Ok(()))), on, on), Ok(()));
        let (off, too) = (TlsRules::new(Off, TlsJudgeId(1)), TlsRules::new(Off, TlsJudgeId(2)));
        assert_eq!(check(&facts(Some("a"), None), off, too), Ok(()), "nobody is asked by either");
    }

    /// H2: without a name the client couldn't say whom it looks for, and the rules of the server that it asks hold.
    #[test]
    fn without_a_name_a_certificate_that_others_have_judged_is_none() {
        let default = TlsRules::new(Optional, TlsJudgeId(1));
        for (verify, verdict, expected) in [
            (On, None, Err(Violation::NoCertificate)),
            (On, Some(Ok(())), Err(Violation::BadCertificate)),
            (Optional, None, Ok(())),
            (Optional, Some(Ok(())), Err(Violation::BadCertificate)),
            (OptionalNoCa, Some(Ok(())), Ok(())),
            (OptionalNoCa, Some(issued_by_nobody()), Ok(())),
            (OptionalNoCa, Some(expired()), Err(Violation::BadCertificate)),
            (Off, Some(expired()), Ok(())),
        ] {
            assert_eq!(
                check(&facts(None, verdict), TlsRules::new(verify, TlsJudgeId(2)), default),
                expected,
                "{verify:?}"
            );
        }
    }
}
