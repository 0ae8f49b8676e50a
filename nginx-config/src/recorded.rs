//! The configuration of a session that was recorded.

use std::{io, net::IpAddr, sync::Arc};

use underpass_core::{config::Config, trace::Recording};

use crate::{Error, LoadOptions, Resolve, load_text};

/// The configuration that a recorded session had: what its text comes to, for the listening socket that it came to.
/// Absent when there is no such socket. No name is looked up: whom a dial went to stands in the recording.
///
/// # Errors
/// With the first thing that is wrong in the text, which this version may read in another way.
pub fn load_recorded(recording: &Recording) -> Result<Option<Arc<Config>>, Error> {
    let options = LoadOptions {
        identity: Arc::new(recording.identity.clone()),
        resolver: Arc::new(Anywhere),
        ..LoadOptions::default()
    };
    let loaded = load_text("trace", recording.configuration.as_str(), &options)?;
    let listener = loaded.listeners.iter().find(|listener| listener.config.trace == recording.listener);
    Ok(listener.map(|listener| Arc::clone(&listener.config)))
}

#[derive(Debug)]
struct Anywhere;

impl Resolve for Anywhere {
    fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![IpAddr::from([127, 0, 0, 1])])
    }
}
