//! Which of nginx's modules are here, told as nginx's `-V` tells it: scripts and test suites read that.

use super::{DIRECTIVES, Effect};

/// The version of nginx whose directives are read.
pub const NGINX_VERSION: &str = "1.31.5";

/// nginx's modules that are there unless its `configure` is told otherwise, by that option, each with a directive that
/// every user of it needs.
const BY_DEFAULT: &[(&str, &str)] = &[
    ("--without-http-cache", "proxy_cache"),
    ("--without-http_access_module", "allow"),
    ("--without-http_auth_basic_module", "auth_basic"),
    ("--without-http_autoindex_module", "autoindex"),
    ("--without-http_browser_module", "modern_browser"),
    ("--without-http_charset_module", "charset"),
    ("--without-http_empty_gif_module", "empty_gif"),
    ("--without-http_fastcgi_module", "fastcgi_pass"),
    ("--without-http_geo_module", "geo"),
    ("--without-http_grpc_module", "grpc_pass"),
    ("--without-http_gzip_module", "gzip"),
    ("--without-http_limit_conn_module", "limit_conn"),
    ("--without-http_limit_req_module", "limit_req"),
    ("--without-http_map_module", "map"),
    ("--without-http_memcached_module", "memcached_pass"),
    ("--without-http_mirror_module", "mirror"),
    ("--without-http_proxy_module", "proxy_pass"),
    ("--without-http_referer_module", "valid_referers"),
    ("--without-http_rewrite_module", "rewrite"),
    ("--without-http_scgi_module", "scgi_pass"),
    ("--without-http_split_clients_module", "split_clients"),
    ("--without-http_ssi_module", "ssi"),
    ("--without-http_tunnel_module", "tunnel_pass"),
    ("--without-http_upstream_hash_module", "hash"),
    ("--without-http_upstream_ip_hash_module", "ip_hash"),
    ("--without-http_upstream_keepalive_module", "keepalive"),
    ("--without-http_upstream_least_conn_module", "least_conn"),
    ("--without-http_upstream_random_module", "random"),
    ("--without-http_upstream_sticky_module", "sticky"),
    ("--without-http_upstream_zone_module", "zone"),
    ("--without-http_userid_module", "userid"),
    ("--without-http_uwsgi_module", "uwsgi_pass"),
];

/// The modules that are there only when `configure` is told so.
const BY_WISH: &[(&str, &str)] = &[
    ("--with-http_addition_module", "add_after_body"),
    ("--with-http_auth_request_module", "auth_request"),
    ("--with-http_dav_module", "dav_methods"),
    ("--with-http_flv_module", "flv"),
    ("--with-http_geoip_module", "geoip_country"),
    ("--with-http_gunzip_module", "gunzip"),
    ("--with-http_gzip_static_module", "gzip_static"),
    ("--with-http_image_filter_module", "image_filter"),
    ("--with-http_mp4_module", "mp4"),
    ("--with-http_perl_module", "perl"),
    ("--with-http_random_index_module", "random_index"),
    ("--with-http_realip_module", "set_real_ip_from"),
    ("--with-http_secure_link_module", "secure_link"),
    ("--with-http_slice_module", "slice"),
    ("--with-http_ssl_module", "ssl_certificate"),
    ("--with-http_stub_status_module", "stub_status"),
    ("--with-http_sub_module", "sub_filter"),
    ("--with-http_v2_module", "http2"),
    ("--with-http_v3_module", "http3"),
    ("--with-http_xslt_module", "xslt_stylesheet"),
    ("--with-mail", "mail"),
    ("--with-stream", "stream"),
    ("--with-threads", "thread_pool"),
];

/// The options with which nginx's `configure` makes a program that has the modules which are here: those that are
/// there by default are left out where no directive of theirs does what it says, and the others are added where one
/// does.
#[must_use]
pub fn configure_options() -> Vec<&'static str> {
    let left_out = BY_DEFAULT.iter().filter(|(_, directive)| !is_obeyed(directive));
    let added = BY_WISH.iter().filter(|(_, directive)| is_obeyed(directive));
    added.chain(left_out).map(|(option, _)| *option).collect()
}

fn is_obeyed(name: &str) -> bool {
    DIRECTIVES.iter().any(|row| row.name == name && row.effect == Effect::Full)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directives::reason_of_absence;

    /// A name that is misspelled here would say that a module is absent for ever.
    #[test]
    fn each_directive_is_one_of_nginx() {
        for (option, directive) in BY_DEFAULT.iter().chain(BY_WISH) {
            let is_here = DIRECTIVES.iter().any(|row| row.name == *directive);
            assert!(is_here || reason_of_absence(directive).is_some(), "{option}: {directive}");
        }
    }

    #[test]
    fn what_is_here_and_what_is_not() {
        let options = configure_options();
        for present in ["--without-http_ssi_module", "--without-http-cache", "--with-http_realip_module"] {
            assert!(options.contains(&present), "{present}");
        }
        for absent in [
            "--without-http_proxy_module",
            "--without-http_map_module",
            "--without-http_upstream_keepalive_module",
            "--without-http_tunnel_module",
            "--with-http_sub_module",
            "--with-threads",
        ] {
            assert!(!options.contains(&absent), "{absent}");
        }
        let mut sorted = BY_DEFAULT.to_vec();
        sorted.sort_unstable();
        assert_eq!(sorted, BY_DEFAULT);
    }
}
