//! Directives that nginx has and this version has not.

/// Why there is no directive `name`, if nginx has one.
pub(crate) fn reason(name: &str) -> Option<String> {
    let tls = name == "ssl" || name.starts_with("ssl_") || name.starts_with("proxy_ssl_");
    if tls {
        return Some("TLS is not in this version".to_owned());
    }
    if name.contains("_by_lua") {
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
    "limit_conn_",
    "limit_req_",
    "open_file_cache_",
    "tunnel_",
];

const NAMES: &str = "\
    absolute_redirect accept_mutex accept_mutex_delay add_after_body add_before_body add_header \
    add_header_inherit add_trailer add_trailer_inherit addition_types aio aio_write alias allow \
    ancient_browser ancient_browser_value api auth_basic auth_basic_user_file auth_delay auth_jwt \
    auth_oidc auth_request auth_request_set autoindex autoindex_exact_size autoindex_format \
    autoindex_localtime charset charset_map charset_types chunked_transfer_encoding \
    client_body_buffer_size client_body_in_file_only client_body_in_single_buffer \
    client_body_temp_path client_body_timeout client_header_buffer_size connection_pool_size \
    create_full_put_path debug_connection debug_points default_type deny directio \
    directio_alignment disable_symlinks empty_gif env epoll_events error_page etag expires flv \
    google_perftools_profiles gunzip gunzip_buffers gzip hash health_check http2 http3 \
    if_modified_since ignore_invalid_headers image_filter index internal internal_redirect ip_hash \
    keepalive_disable keepalive_min_timeout keepalive_time large_client_header_buffers least_conn \
    least_time limit_conn limit_except limit_rate limit_rate_after limit_req lingering_close \
    lingering_time lingering_timeout load_module lock_file log_not_found log_subrequest mail \
    map_hash_bucket_size map_hash_max_size master_process match max_headers max_ranges \
    merge_slashes mgmt min_delete_depth mirror mirror_request_body modern_browser \
    modern_browser_value mp4 msie_padding msie_refresh multi_accept ntlm open_file_cache \
    open_log_file_cache otel_exporter otel_service_name otel_trace output_buffers override_charset \
    pcre_jit perl port_in_redirect post_action postpone_gzipping postpone_output proxy_bind \
    proxy_buffer_size proxy_buffering proxy_buffers proxy_busy_buffers_size proxy_cache \
    proxy_cookie_domain proxy_cookie_flags proxy_cookie_path proxy_force_ranges \
    proxy_headers_hash_bucket_size proxy_headers_hash_max_size proxy_hide_header \
    proxy_ignore_client_abort proxy_ignore_headers proxy_intercept_errors proxy_limit_rate \
    proxy_max_temp_file_size proxy_method proxy_next_upstream proxy_next_upstream_timeout \
    proxy_next_upstream_tries proxy_no_cache proxy_pass_header proxy_pass_request_body \
    proxy_pass_request_headers proxy_pass_trailers proxy_redirect proxy_request_buffering \
    proxy_send_lowat proxy_set_body proxy_socket_keepalive proxy_store proxy_store_access \
    proxy_temp_file_write_size proxy_temp_path queue random random_index read_ahead real_ip_header \
    real_ip_recursive recursive_error_pages referer_hash_bucket_size referer_hash_max_size \
    request_pool_size reset_timedout_connection resolver resolver_timeout rewrite_log root \
    satisfy secure_link secure_link_md5 secure_link_secret sendfile sendfile_max_chunk \
    server_name_in_redirect server_names_hash_bucket_size server_names_hash_max_size server_tokens \
    session_log set_real_ip_from slice source_charset ssi ssl state status_zone \
    sticky stream stub_status sub_filter sub_filter_last_modified sub_filter_once sub_filter_types \
    subrequest_output_buffer_size tcp_nodelay tcp_nopush thread_pool timer_resolution try_files \
    types types_hash_bucket_size types_hash_max_size underscores_in_headers \
    uninitialized_variable_warn use user userid valid_referers variables_hash_bucket_size \
    variables_hash_max_size worker_aio_requests worker_cpu_affinity worker_priority \
    worker_rlimit_core worker_rlimit_nofile worker_shutdown_timeout working_directory xml_entities \
    zone";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absence_is_explained() {
        for name in ["gzip", "root", "absolute_redirect", "working_directory", "fastcgi_pass", "tunnel_pass"]
        {
            assert_eq!(reason(name), Some(format!("\"{name}\" of nginx is not in this version")));
        }
        assert_eq!(reason("ssl_certificate").as_deref(), Some("TLS is not in this version"));
        assert_eq!(reason("proxy_passs"), None);
        assert_eq!(reason(""), None);
    }
}
