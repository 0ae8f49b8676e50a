//! Directives that nginx has and this version has not.

/// Why there is no directive `name`, if nginx has one.
pub(crate) fn reason(name: &str) -> Option<String> {
    let tls = name.starts_with("ssl_") || name.starts_with("proxy_ssl_");
    if tls {
        return Some(format!("\"{name}\" is not in this version of TLS"));
    }
    if name == "limit_except" {
        return Some(
            "\"limit_except\" of nginx is not in this version: write \"if ($request_method !~ ^(GET|HEAD)$) { \
             return 403; }\""
                .to_owned(),
        );
    }
    if name.contains("_by_lua") || name.starts_with("lua_") {
        return Some("there is no Lua in this version".to_owned());
    }
    let known =
        FAMILIES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.split(' ').any(|known| known == name);
    known.then(|| format!("\"{name}\" of nginx is not in this version"))
}

/// What all names of a module begin with.
const FAMILIES: &[&str] = &[
    "fastcgi_",
    "uwsgi_",
    "scgi_",
    "grpc_",
    "memcached_",
    "http2_",
    "http3_",
    "quic_",
    "js_",
    "perl_",
    "xslt_",
    "geoip_",
    "image_filter_",
    "dav_",
    "mp4_",
    "ssi_",
    "userid_",
    "gzip_",
    "proxy_cache_",
    "open_file_cache_",
];

const NAMES: &str = "\
    add_after_body add_before_body addition_types ancient_browser ancient_browser_value api \
    auth_jwt auth_oidc auth_request auth_request_set \
    charset_map google_perftools_profiles health_check image_filter internal_redirect \
    least_time mail match mgmt mirror mirror_request_body modern_browser \
    modern_browser_value otel_exporter otel_service_name otel_trace perl post_action queue \
    referer_hash_bucket_size referer_hash_max_size secure_link secure_link_md5 \
    secure_link_secret session_log slice state status_zone sticky stream userid valid_referers xml_entities";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absence_is_explained() {
        for name in ["auth_jwt", "mirror", "stream", "geoip_country"] {
            assert_eq!(reason(name), Some(format!("\"{name}\" of nginx is not in this version")));
        }
        let absent = "\"ssl_ech_file\" is not in this version of TLS";
        assert_eq!(reason("ssl_ech_file").as_deref(), Some(absent));
        assert_eq!(reason("proxy_passs"), None);
        assert_eq!(reason(""), None);
    }
}
