//! What is said of mistakes, word for word, and where they are said to be.

mod answers;
#[path = "../common/mod.rs"]
mod common;
mod forwarding;
mod http;
mod tls;
mod upgrade;
mod variables;

use common::options;
use underpass_nginx_config::load_text;

/// In each text, `^` stands right before the place that the message names.
fn expect(text: &str, message: &str) {
    let place = text.find('^').expect("a place");
    let before = &text[..place];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let (said, hint) = message.split_once("; ").map_or((message, None), |(said, hint)| (said, Some(hint)));
    let error = load_text("f", text.replacen('^', "", 1), &options()).expect_err(text);
    let whole =
        format!("{said} in f:{line}:{column}{}{}", hint.map_or("", |_| "; "), hint.unwrap_or_default());
    assert_eq!(error.to_string(), whole, "{text}");
}

fn in_http(text: &str, message: &str) {
    expect(&format!("http {{\n    {text}\n}}"), message);
}

fn in_server(text: &str, message: &str) {
    in_http(&format!("server {{\n{text} }}"), message);
}

fn in_location(text: &str, message: &str) {
    in_server(&format!("location /a {{ {text} }}"), message);
}
