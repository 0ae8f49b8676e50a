//! Loading a configuration file.

use underpass_nginx_config::{LoadOptions, load_text};

/// Reads and builds a configuration.
///
/// # Panics
/// When it is broken.
pub(super) fn load(text: &str) {
    let loaded = load_text("costs.conf", text, &LoadOptions::new("/var/empty"));
    assert!(loaded.is_ok_and(|loaded| loaded.listeners.len() == 1), "one listening socket");
}
