//! Which directives there are: the one table that says where each may stand, how many parameters it takes
//! and of which kind, what holds without it, and what it is for.
//!
//! A file is checked against it, values are read by it, and `docs/guide/directives.md` is generated from it.

mod absent;
mod listed;
mod modules;
mod table;

pub(crate) use absent::reason as reason_of_absence;
pub use listed::{Directive, DirectiveOutcome};
pub use modules::{NGINX_VERSION, configure_options};
pub(crate) use table::DIRECTIVES;

/// A kind of block; what may stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Context {
    Main,
    Events,
    Http,
    Upstream,
    Server,
    /// An `if` in a server.
    ServerIf,
    Location,
    /// An `if` in a location.
    LocationIf,
}

impl Context {
    fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Events => "events",
            Self::Http => "http",
            Self::Upstream => "upstream",
            Self::Server => "server",
            Self::ServerIf => "if in server",
            Self::Location => "location",
            Self::LocationIf => "if in location",
        }
    }

    /// For messages.
    pub(crate) fn place(self) -> String {
        match self {
            Self::Main => "outside of all blocks".to_owned(),
            Self::ServerIf => "in an \"if\" of a \"server\"".to_owned(),
            Self::LocationIf => "in an \"if\" of a \"location\"".to_owned(),
            block => format!("in \"{}\"", block.name()),
        }
    }
}

/// One directive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) contexts: &'static [Context],
    /// How many parameters: least and most.
    pub(crate) arity: (usize, usize),
    pub(crate) kind: Kind,
    /// The parameters, as the documentation shows them.
    pub(crate) syntax: &'static str,
    /// What holds without it, in its own syntax.
    pub(crate) default: Option<&'static str>,
    /// Whether it may stand more than once in a block.
    pub(crate) repeatable: bool,
    pub(crate) effect: Effect,
    pub(crate) doc: &'static str,
}

/// What comes of a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// What nginx does, or what its row says.
    Full,
    /// Nothing, for this reason; a note says so.
    None(&'static str),
    /// Requests that it would answer are answered with 501.
    Content,
    /// It is an error of the file; this is what to do instead.
    Refused(&'static str),
    /// The same unless it is `off`, which changes nothing; a note says so.
    RefusedUnlessOff(&'static str),
}

/// What kind of parameters a directive takes, or of block it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A block of directives.
    Block(Context),
    /// A block of pairs: `map`.
    Pairs,
    /// `on` or `off`.
    Flag,
    /// Every parameter a time, `75s`.
    Time,
    /// A number of bytes, `1m`.
    Size,
    /// A number.
    Number,
    /// The status of a refusal.
    Refusal,
    /// A number, or `auto`.
    NumberOrAuto,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Each one of these.
    EachOf(&'static [&'static str]),
    /// Words that mean something to this directive only.
    Words,
}

/// The directive called `name` that may stand in `context`; else one of this name elsewhere.
pub(crate) fn find(name: &str, context: Context) -> Option<&'static Row> {
    let from = DIRECTIVES.partition_point(|row| row.name < name);
    let named = || DIRECTIVES.iter().skip(from).take_while(|row| row.name == name);
    named().find(|row| row.contexts.contains(&context)).or_else(|| named().next())
}

/// The directive whose name is nearest to `name`, if one is near enough to be what was meant.
pub(crate) fn similar(name: &str) -> Option<&'static str> {
    let near = |row: &Row| (strsim::osa_distance(name, row.name), row.name);
    let (distance, found) = DIRECTIVES.iter().map(near).min_by_key(|(distance, _)| *distance)?;
    (distance <= (found.len() / 4).clamp(1, 3)).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_order_and_unambiguous() {
        for pair in DIRECTIVES.windows(2) {
            assert!(pair[0].name <= pair[1].name, "{} stands behind {}", pair[1].name, pair[0].name);
            let shared = pair[0].contexts.iter().any(|context| pair[1].contexts.contains(context));
            assert!(pair[0].name != pair[1].name || !shared, "{} is ambiguous", pair[0].name);
        }
    }

    /// J5: what keeps somebody out, or within bounds, is obeyed, or it is an error of the file.
    #[test]
    fn what_protects_is_never_only_noted() {
        const NAMES: &str = "add_header allow auth_basic auth_basic_user_file auth_delay auth_jwt auth_oidc \
            auth_request client_body_timeout client_header_timeout client_max_body_size deny geo internal \
            keepalive_requests keepalive_time keepalive_timeout large_client_header_buffers limit_conn \
            limit_conn_dry_run limit_conn_status limit_conn_zone limit_except limit_rate limit_rate_after \
            limit_req limit_req_dry_run limit_req_status limit_req_zone lingering_time lingering_timeout \
            max_headers proxy_cookie_flags proxy_hide_header proxy_intercept_errors proxy_limit_rate \
            proxy_method proxy_pass_request_body proxy_pass_request_headers proxy_read_timeout \
            proxy_send_timeout proxy_set_header real_ip_header real_ip_recursive reset_timedout_connection \
            return satisfy secure_link secure_link_md5 send_timeout server_tokens set_real_ip_from \
            proxy_ssl_crl proxy_ssl_trusted_certificate proxy_ssl_verify proxy_ssl_verify_depth ssl_client_certificate \
            ssl_crl ssl_ocsp ssl_protocols ssl_reject_handshake ssl_trusted_certificate ssl_verify_client \
            ssl_verify_depth tunnel_allow tunnel_deny underscores_in_headers upgrade_client_silence \
            upgrade_limit_rate upgrade_max_lifetime upgrade_max_tunnels upgrade_message_limit upgrade_message_rate upgrade_protocols \
            upgrade_websocket_strict upgrade_websocket_validation user \
            valid_referers worker_connections worker_rlimit_nofile";
        for name in NAMES.split_whitespace() {
            match DIRECTIVES.iter().find(|row| row.name == name) {
                Some(row) => {
                    let acts =
                        matches!(row.effect, Effect::Full | Effect::Refused(_) | Effect::RefusedUnlessOff(_));
                    assert!(acts, "{name}");
                }
                None => assert!(reason_of_absence(name).is_some(), "{name}"),
            }
        }
    }

    #[test]
    fn rows_say_what_they_are() {
        for row in &*DIRECTIVES {
            assert!(!row.contexts.is_empty(), "{}", row.name);
            if row.effect == Effect::Full {
                assert!(row.doc.ends_with('.') && !row.doc.contains('|'), "{}", row.name);
                assert_eq!(row.arity.1 == 0, row.syntax.is_empty(), "{}", row.name);
            }
        }
    }

    #[test]
    fn neighbours_are_found() {
        assert_eq!(similar("sever"), Some("server"));
        assert_eq!(similar("proxy_set_headers"), Some("proxy_set_header"));
        assert_eq!(similar("proxy_read_time"), Some("proxy_read_timeout"));
        assert_eq!(similar("location_of_moon"), None);
        assert_eq!(similar("x"), None);
    }
}
