//! Identifiers in a configuration that mean something to whoever embeds the core, and nothing to the core.

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident($number:ty),)+) => {
        $(
            $(#[$doc])*
            ///
            /// An identifier that the embedder chose: it is compared with others of its kind at most, and is given back
            /// unchanged.
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
            pub struct $name(pub $number);
        )+
    };
}

identifiers! {
    /// The rules by which requests are admitted: [`Location::admission`](crate::config::Location::admission), given back by
    /// [`Claim::rules`](crate::Claim::rules).
    AdmissionId(u32),

    /// A resolver of names: [`Location::resolver`](crate::config::Location::resolver), given back by
    /// [`Lookup::resolver`](crate::Lookup::resolver).
    ResolverId(u32),

    /// A log that lines are written to: [`AccessLog::sink`](crate::config::AccessLog::sink), given back by
    /// [`Record::write_lines`](crate::Record::write_lines), and [`ErrorLogs::sinks`](crate::config::ErrorLogs::sinks).
    LogId(usize),

    /// A rule that says which sessions are traced, and how: [`Config::trace`](crate::config::Config::trace).
    TraceRuleId(u32),

    /// Settings of TLS towards origin servers: [`ProxyTls::settings`](crate::config::ProxyTls::settings), given back by
    /// [`TlsPeer::settings`](crate::TlsPeer::settings). Connections are shared between equal ones.
    TlsSettingsId(u32),

    /// What certificates of clients are judged by: [`TlsRules::judge`](crate::config::TlsRules::judge). Two servers have the same
    /// exactly when a certificate is right for both or for none.
    TlsJudgeId(u32),
}
