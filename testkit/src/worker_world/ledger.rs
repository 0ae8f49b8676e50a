//! What has really happened, as the peers saw it: facts that the oracle compares with what the gateway did.

use std::collections::BTreeMap;

use super::{
    script::{Request, Script},
    settings::Setting,
};

/// The facts of a run.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) setting: Setting,
    asked: BTreeMap<u32, Asked>,
}

/// The facts of one request.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) request: Request,
    /// Number of its client.
    pub(super) client: usize,
    /// It was sent, or part of it.
    pub(super) begun: bool,
    /// Heads of it that came to an origin server.
    pub(super) arrivals: usize,
    /// The most bytes of its content that have come to an origin server.
    pub(super) content_arrived: usize,
    /// Final responses that origin servers gave.
    pub(super) given: Vec<Given>,
    /// An origin server has switched protocols as it should.
    pub(super) switched: bool,
}

/// A final response that an origin server gave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    pub(super) status: u16,
    /// Bytes of content.
    pub(super) content: usize,
    /// The origin server has said all of it, its end included.
    pub(super) whole: bool,
}

impl Ledger {
    pub(super) fn new(script: &Script, setting: Setting) -> Self {
        let mut asked = BTreeMap::new();
        for (client, plan) in script.clients.iter().enumerate() {
            for act in &plan.acts {
                if let super::script::Act::Ask(request) = act {
                    let facts = Asked {
                        request: request.clone(),
                        client,
                        begun: false,
                        arrivals: 0,
                        content_arrived: 0,
                        given: Vec::new(),
                        switched: false,
                    };
                    assert!(
                        asked.insert(request.id, facts).is_none(),
                        "every request has a number of its own"
                    );
                }
            }
        }
        Self { setting, asked }
    }

    pub(super) fn facts(&mut self, id: u32) -> &mut Asked {
        self.asked.get_mut(&id).unwrap_or_else(|| panic!("nobody has asked for {id}"))
    }

    /// The request whose target this is.
    pub(super) fn by_target(&mut self, target: &[u8]) -> Option<&mut Asked> {
        let id = str::from_utf8(target).ok()?.strip_prefix("/r")?.parse().ok()?;
        self.asked.get_mut(&id)
    }
}
