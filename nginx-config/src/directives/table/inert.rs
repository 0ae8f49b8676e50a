//! What stands in files that are moved over from nginx, and has no meaning here: accepted with one note for
//! each name.

use super::{
    super::Context::{self, Events, Http, Location, Main, Server, Upstream},
    ANY, Effect, LEVELS, Row, alike, words,
};

const FILES: &str = "files are not served in this version";
const STREAMS: &str = "content streams through one buffer for each direction";
const CACHE: &str = "there is no cache in this version";
const PLAIN: &str = "nothing is compressed or unpacked in this version";
const CONTENT: &str = "content is not changed in this version";
const MEMORY: &str = "memory is laid out differently here";
const PROCESS: &str = "there is one process, whose threads are the workers";
const VERSION: &str = "clients speak HTTP/1.1 in this version";

/// Contexts, least and most parameters, whether it may be repeated, why it has no effect, names.
type Group = (&'static [Context], usize, usize, bool, &'static str, &'static str);

const SITES: &[Context] = &[Http, Server];

const GROUPS: &[Group] = &[
    (
        &[Main],
        1,
        1,
        false,
        PROCESS,
        "debug_points lock_file timer_resolution worker_priority worker_rlimit_core working_directory",
    ),
    (&[Main], 1, 1, true, "there are no modules to load", "load_module"),
    (&[Main], 1, 1, false, "expressions are compiled by other engines", "pcre_jit"),
    (&[Main], 2, ANY, true, FILES, "thread_pool"),
    (
        &[Events],
        1,
        1,
        false,
        PROCESS,
        "accept_mutex accept_mutex_delay epoll_events multi_accept use worker_aio_requests",
    ),
    (&[Events], 1, 1, true, "there is one level of logging for all clients", "debug_connection"),
    (
        &[Http],
        1,
        1,
        false,
        MEMORY,
        "map_hash_bucket_size map_hash_max_size server_names_hash_bucket_size \
         server_names_hash_max_size variables_hash_bucket_size variables_hash_max_size",
    ),
    (SITES, 1, 1, false, MEMORY, "connection_pool_size request_pool_size"),
    (
        LEVELS,
        1,
        1,
        false,
        MEMORY,
        "proxy_headers_hash_bucket_size proxy_headers_hash_max_size types_hash_bucket_size \
         types_hash_max_size",
    ),
    (
        LEVELS,
        1,
        1,
        false,
        FILES,
        "aio aio_write autoindex autoindex_exact_size autoindex_format autoindex_localtime directio \
         directio_alignment etag if_modified_since log_not_found max_ranges msie_padding msie_refresh \
         open_file_cache_errors open_file_cache_min_uses open_file_cache_valid read_ahead sendfile \
         sendfile_max_chunk tcp_nopush",
    ),
    (LEVELS, 1, 2, false, FILES, "disable_symlinks open_file_cache output_buffers"),
    (LEVELS, 1, 4, false, FILES, "open_log_file_cache"),
    (
        LEVELS,
        1,
        1,
        false,
        STREAMS,
        "client_body_buffer_size client_body_in_file_only client_body_in_single_buffer postpone_output \
         proxy_busy_buffers_size proxy_max_temp_file_size proxy_send_lowat proxy_temp_file_write_size \
         send_lowat subrequest_output_buffer_size",
    ),
    (LEVELS, 1, 4, false, STREAMS, "client_body_temp_path proxy_temp_path"),
    (LEVELS, 2, 2, false, STREAMS, "proxy_buffers"),
    (
        LEVELS,
        1,
        1,
        false,
        "a response of unknown length is always chunked to HTTP/1.1 clients",
        "chunked_transfer_encoding",
    ),
    (
        LEVELS,
        1,
        1,
        false,
        CACHE,
        "proxy_cache proxy_cache_background_update proxy_cache_convert_head proxy_cache_key \
         proxy_cache_lock proxy_cache_lock_age proxy_cache_lock_timeout proxy_cache_max_range_offset \
         proxy_cache_min_uses proxy_cache_revalidate proxy_force_ranges proxy_store",
    ),
    (
        LEVELS,
        1,
        ANY,
        true,
        CACHE,
        "proxy_cache_bypass proxy_cache_methods proxy_cache_purge proxy_cache_use_stale \
         proxy_cache_valid proxy_no_cache proxy_store_access",
    ),
    (&[Http], 2, ANY, true, CACHE, "proxy_cache_path"),
    (
        LEVELS,
        1,
        1,
        false,
        PLAIN,
        "gunzip gzip gzip_comp_level gzip_http_version gzip_min_length gzip_static gzip_vary \
         postpone_gzipping",
    ),
    (LEVELS, 2, 2, false, PLAIN, "gunzip_buffers gzip_buffers"),
    (LEVELS, 1, ANY, false, PLAIN, "gzip_disable gzip_proxied gzip_types"),
    (
        LEVELS,
        1,
        1,
        false,
        CONTENT,
        "charset override_charset source_charset ssi ssi_last_modified ssi_min_file_chunk \
         ssi_silent_errors ssi_value_length sub_filter_last_modified sub_filter_once",
    ),
    (LEVELS, 1, ANY, false, CONTENT, "charset_types ssi_types sub_filter_types"),
    (LEVELS, 2, 2, true, CONTENT, "sub_filter"),
    (LEVELS, 1, ANY, false, "browsers that need it are no more", "keepalive_disable"),
    (
        LEVELS,
        1,
        1,
        false,
        "a connection is kept as long as \"keepalive_timeout\" says",
        "keepalive_min_timeout",
    ),
    (LEVELS, 1, ANY, true, "interim responses are always forwarded (A10)", "early_hints"),
    (LEVELS, 1, 1, false, "there are no subrequests in this version", "log_subrequest"),
    (
        &[Http, Server, Location],
        1,
        1,
        false,
        "rewriting is not logged",
        "rewrite_log uninitialized_variable_warn",
    ),
    (
        SITES,
        1,
        1,
        false,
        VERSION,
        "http2 http2_body_preread_size http2_chunk_size http2_idle_timeout http2_max_concurrent_pushes \
         http2_max_concurrent_streams http2_max_field_size http2_max_header_size http2_max_requests \
         http2_push_preload http2_recv_buffer_size http2_recv_timeout http3 http3_hq \
         http3_max_concurrent_streams http3_stream_buffer_size quic_active_connection_id_limit quic_gso \
         quic_host_key quic_retry",
    ),
    (LEVELS, 1, 1, true, VERSION, "http2_push"),
    (
        &[Upstream],
        0,
        0,
        false,
        "a connection that NTLM or Negotiate authenticates is never another exchange's (E7)",
        "ntlm",
    ),
];

pub(super) fn rows() -> impl Iterator<Item = Row> {
    GROUPS.iter().flat_map(|&(contexts, least, most, repeatable, why, names)| {
        let row = words("", contexts, "…", "").takes(least, most);
        alike(names, Row { repeatable, effect: Effect::None(why), ..row })
    })
}
