//! Other ways to answer than forwarding: they are answered with 501.

use super::{
    super::Context::{Http, Location, Server},
    ANY, Effect, LEVELS, Row, alike, words,
};

const fn answers(name: &'static str, contexts: &'static [super::Context], least: usize, most: usize) -> Row {
    Row { effect: Effect::Content, ..words(name, contexts, "…", "").takes(least, most) }
}

pub(super) const ROWS: &[Row] = &[
    answers("alias", &[Location], 1, 1),
    answers("dav_methods", LEVELS, 1, ANY),
    answers("empty_gif", &[Location], 0, 0),
    answers("fastcgi_pass", &[Location], 1, 1),
    answers("flv", &[Location], 0, 0),
    answers("grpc_pass", &[Location], 1, 1),
    answers("memcached_pass", &[Location], 1, 1),
    answers("mp4", &[Location], 0, 0),
    answers("random_index", &[Location], 1, 1),
    answers("root", LEVELS, 1, 1),
    answers("scgi_pass", &[Location], 1, 1),
    answers("stub_status", &[Server, Location], 0, 1),
    answers("try_files", &[Server, Location], 2, ANY),
    answers("uwsgi_pass", &[Location], 1, 1),
    Row {
        effect: Effect::None("files are not served in this version"),
        repeatable: true,
        ..words("index", &[Http, Server, Location], "…", "").takes(1, ANY)
    },
];

/// Parameters of those; without them there is nothing to be told.
pub(super) fn rows() -> impl Iterator<Item = Row> {
    let family = |names, why| {
        let row = words("", LEVELS, "…", "").takes(1, ANY);
        alike(names, Row { repeatable: true, effect: Effect::None(why), ..row })
    };
    family(
        "create_full_put_path dav_access min_delete_depth mp4_buffer_size mp4_limit_rate \
         mp4_limit_rate_after mp4_max_buffer_size mp4_start_key_frame",
        "files are not served in this version",
    )
    .chain(family(
        "fastcgi_bind fastcgi_buffer_size fastcgi_buffering fastcgi_buffers fastcgi_busy_buffers_size \
         fastcgi_cache fastcgi_cache_background_update fastcgi_cache_bypass fastcgi_cache_key \
         fastcgi_cache_lock fastcgi_cache_lock_age fastcgi_cache_lock_timeout \
         fastcgi_cache_max_range_offset fastcgi_cache_methods fastcgi_cache_min_uses fastcgi_cache_path \
         fastcgi_cache_revalidate fastcgi_cache_use_stale fastcgi_cache_valid fastcgi_catch_stderr \
         fastcgi_connect_timeout fastcgi_force_ranges fastcgi_hide_header fastcgi_ignore_client_abort \
         fastcgi_ignore_headers fastcgi_index fastcgi_intercept_errors fastcgi_keep_conn \
         fastcgi_limit_rate fastcgi_max_temp_file_size fastcgi_next_upstream \
         fastcgi_next_upstream_timeout fastcgi_next_upstream_tries fastcgi_no_cache fastcgi_param \
         fastcgi_pass_header fastcgi_pass_request_body fastcgi_pass_request_headers \
         fastcgi_read_timeout fastcgi_request_buffering fastcgi_send_lowat fastcgi_send_timeout \
         fastcgi_socket_keepalive fastcgi_split_path_info fastcgi_store fastcgi_store_access \
         fastcgi_temp_file_write_size fastcgi_temp_path",
        "FastCGI is not in this version",
    ))
    .chain(family(
        "uwsgi_buffer_size uwsgi_buffering uwsgi_buffers uwsgi_connect_timeout \
         uwsgi_ignore_client_abort uwsgi_intercept_errors uwsgi_max_temp_file_size uwsgi_modifier1 \
         uwsgi_modifier2 uwsgi_param uwsgi_pass_header uwsgi_pass_request_body \
         uwsgi_pass_request_headers uwsgi_read_timeout uwsgi_request_buffering uwsgi_send_timeout \
         uwsgi_temp_path scgi_param scgi_read_timeout scgi_temp_path",
        "uwsgi and SCGI are not in this version",
    ))
    .chain(family(
        "grpc_buffer_size grpc_connect_timeout grpc_read_timeout grpc_send_timeout grpc_set_header \
         grpc_socket_keepalive",
        "gRPC is not in this version",
    ))
}
