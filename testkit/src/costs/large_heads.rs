//! Rows about heads that are larger than an IO buffer.

use super::{
    Exchange, Row,
    rows::{forwarding, ordinary_lines, repeated, request, response, row, server},
};

/// Bytes that come at once: a head in small pieces is looked at as often as it comes.
const PIECE: usize = 24;

/// The size of a row: half of what the limit is.
const SIZE: usize = 64_000;

pub(super) const TABLE: &[Row] = &[
    row(
        "large-head-in-pieces",
        "a head of ordinary lines above an IO buffer, in small pieces",
        SIZE,
        |size| Exchange { cut: PIECE, ..large_request(&ordinary_lines(size)) },
    ),
    row("large-line-in-pieces", "one line above an IO buffer, in small pieces", SIZE, |size| Exchange {
        cut: PIECE,
        ..large_request(&format!("X: {}\r\n", "x".repeat(size)))
    }),
    row("large-head-at-the-limit", "lines of four bytes, as many as the head has room for", SIZE, |size| {
        // At twice the size the head is as large as it may be.
        large_request(&repeated("b:\r\n", size - 20))
    }),
    row("large-line-refused", "a line that is refused shortly before its end", SIZE, |size| Exchange {
        config: limited(&format!("2 {}", size - 1_000)),
        cut: PIECE,
        status: 431,
        ..request(&format!("X: {}\r\n", "x".repeat(size)))
    }),
    row(
        "large-response-in-pieces",
        "the head of a response above an IO buffer, in small pieces",
        SIZE,
        |size| Exchange { cut: PIECE, ..large_response(&ordinary_lines(size)) },
    ),
    row("large-response-line-in-pieces", "one line of a response, in small pieces", SIZE, |size| Exchange {
        cut: PIECE,
        ..large_response(&format!("X: {}\r\n", "x".repeat(size)))
    }),
    row(
        "large-response-at-the-limit",
        "lines of four bytes, as many as a response has room for",
        SIZE,
        |size| large_response(&repeated("b:\r\n", size - 20)),
    ),
];

/// A request whose head may have twice [`SIZE`] bytes.
fn large_request(lines: &str) -> Exchange {
    Exchange { config: limited("1 128100"), ..request(lines) }
}

fn limited(buffers: &str) -> String {
    server(
        &format!("large_client_header_buffers {buffers}; max_headers 100000;"),
        "location / { proxy_pass http://127.0.0.1:9000; }",
    )
}

/// A response whose head may be as large.
fn large_response(lines: &str) -> Exchange {
    Exchange { config: forwarding("proxy_buffer_size 128100;"), ..response(lines) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_to_what_they_say() {
        for row in TABLE {
            for size in [row.size, 2 * row.size] {
                row.costly(size).run();
            }
        }
    }
}
