//! What is measured. To add a row, add it to [`ALL`] and say in [`Workload::measure`] what one operation is.

use crate::door::Door;
use crate::load;
use crate::proxy::Site;
use anyhow::{Context as _, Result};
use underpass_benches::meter::Meter;
use underpass_benches::tls::{Key, Wishes};

/// One row of the result.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Workload {
    /// What `--workload` calls it.
    pub(crate) key: &'static str,
    /// What the table calls it.
    pub(crate) title: &'static str,
    pub(crate) unit: Unit,
    /// Operations of one measurement: in earnest, and in a smoke test.
    pub(crate) operations: [u64; 2],
    entry: Entry,
    kind: Kind,
}

/// What a figure is a number of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Processor time per operation, or a time that passes.
    Microseconds,
    /// Private memory per tunnel.
    Bytes,
}

impl Unit {
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Microseconds => "µs",
            Self::Bytes => "B",
        }
    }
}

/// How clients come in.
#[derive(Debug, Clone, Copy)]
enum Entry {
    Plain,
    Secured(Key),
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Connect, upgrade, close; so many clients at a time.
    Lives { clients: u64 },
    /// Connect, shake hands, close; so many clients at a time.
    Handshakes { clients: u64, resumed: bool },
    /// A message through a tunnel and back; so many tunnels at a time, one message under way in each.
    Echo { tunnels: u64, message: usize },
    /// GET on connections that persist; so many at a time.
    Get { connections: u64 },
    /// Tunnels that are open and quiet, after one message each; so many others are open before them.
    Idle { before: u64 },
    /// A message through one of some tunnels and back, while so many clients do nothing but shake hands.
    Flood { tunnels: u64, clients: u64 },
}

/// All rows, in the order of the table.
pub(crate) const ALL: &[Workload] = &[
    Workload {
        key: "life",
        title: "a tunnel's life: connect, upgrade, close",
        unit: Unit::Microseconds,
        operations: [4_000, 100],
        entry: Entry::Plain,
        kind: Kind::Lives { clients: 16 },
    },
    Workload {
        key: "echo-64",
        title: "a 128-byte message and its echo, 64 tunnels",
        unit: Unit::Microseconds,
        operations: [64_000, 640],
        entry: Entry::Plain,
        kind: Kind::Echo { tunnels: 64, message: 128 },
    },
    Workload {
        key: "get",
        title: "a GET with keep-alive, 32 connections, 1 KiB of content",
        unit: Unit::Microseconds,
        operations: [64_000, 320],
        entry: Entry::Plain,
        kind: Kind::Get { connections: 32 },
    },
    Workload {
        key: "idle",
        title: "private memory per idle tunnel, 5,000 tunnels",
        unit: Unit::Bytes,
        operations: [5_000, 200],
        entry: Entry::Plain,
        kind: Kind::Idle { before: 0 },
    },
    Workload {
        key: "tls-full",
        title: "a full handshake, ECDSA P-256: connect, shake hands, close",
        unit: Unit::Microseconds,
        operations: [4_000, 40],
        entry: Entry::Secured(Key::Ecdsa),
        kind: Kind::Handshakes { clients: 16, resumed: false },
    },
    Workload {
        key: "tls-full-rsa",
        title: "the same, RSA with 2048 bits",
        unit: Unit::Microseconds,
        operations: [2_000, 20],
        entry: Entry::Secured(Key::Rsa),
        kind: Kind::Handshakes { clients: 16, resumed: false },
    },
    Workload {
        key: "tls-resumed",
        title: "a resumed handshake: connect, shake hands, close",
        unit: Unit::Microseconds,
        operations: [4_000, 40],
        entry: Entry::Secured(Key::Ecdsa),
        kind: Kind::Handshakes { clients: 16, resumed: true },
    },
    Workload {
        key: "wss-life",
        title: "a wss tunnel's life: connect, full handshake, upgrade, close",
        unit: Unit::Microseconds,
        operations: [2_000, 20],
        entry: Entry::Secured(Key::Ecdsa),
        kind: Kind::Lives { clients: 16 },
    },
    Workload {
        key: "wss-echo-64",
        title: "a 128-byte message and its echo, 64 wss tunnels",
        unit: Unit::Microseconds,
        operations: [64_000, 640],
        entry: Entry::Secured(Key::Ecdsa),
        kind: Kind::Echo { tunnels: 64, message: 128 },
    },
    Workload {
        key: "wss-bulk",
        title: "64 KiB and their echo, 4 wss tunnels",
        unit: Unit::Microseconds,
        operations: [4_000, 40],
        entry: Entry::Secured(Key::Ecdsa),
        kind: Kind::Echo { tunnels: 4, message: 64 << 10 },
    },
    Workload {
        key: "wss-idle",
        title: "private memory per idle wss tunnel, 2,000 tunnels",
        unit: Unit::Bytes,
        operations: [2_000, 50],
        entry: Entry::Secured(Key::Ecdsa),
        kind: Kind::Idle { before: 0 },
    },
    Workload {
        key: "wss-idle-300",
        title: "private memory per idle wss tunnel, 300 tunnels behind 50 others",
        unit: Unit::Bytes,
        operations: [300, 50],
        entry: Entry::Secured(Key::Ecdsa),
        kind: Kind::Idle { before: 50 },
    },
    Workload {
        key: "tls-flood",
        title: "the 99th percentile of the time that a 128-byte message and its echo take through wss, \
                while 64 clients do nothing but shake hands",
        unit: Unit::Microseconds,
        operations: [1_000, 20],
        entry: Entry::Secured(Key::Ecdsa),
        kind: Kind::Flood { tunnels: 16, clients: 64 },
    },
];

impl Workload {
    /// One figure, taken from a proxy that has just been started.
    pub(crate) async fn measure(&self, site: &Site, meter: &Meter, quick: bool) -> Result<f64> {
        let operations = self.operations[usize::from(quick)];
        let door = &self.door(site)?;
        match self.kind {
            Kind::Lives { clients } => load::lives(door, meter, clients, operations).await,
            Kind::Handshakes { clients, resumed } => {
                let wishes = Wishes { resumes: resumed, ..self.wishes() };
                // Each client has tickets of its own, and each of them is good for one handshake.
                let doors =
                    (0..clients).map(|_| Door::secured(site.secure, wishes)).collect::<Result<_>>()?;
                load::handshakes(doors, meter, resumed, operations).await
            }
            Kind::Echo { tunnels, message } => load::echo(door, meter, tunnels, message, operations).await,
            Kind::Get { connections } => load::get(door, meter, connections, operations).await,
            Kind::Idle { before } => load::idle(door, meter, before, operations).await,
            Kind::Flood { tunnels, clients } => {
                let flood = Door::secured(site.secure, Wishes { checks: false, ..self.wishes() })?;
                load::flood(door, flood, tunnels, clients, operations, quick).await
            }
        }
        .with_context(|| self.title.to_owned())
    }

    /// Files that the origin server and the clients have open at once, generously.
    pub(crate) fn open_files(&self, quick: bool) -> u64 {
        let pairs = match self.kind {
            Kind::Lives { clients: pairs }
            | Kind::Handshakes { clients: pairs, .. }
            | Kind::Echo { tunnels: pairs, .. }
            | Kind::Get { connections: pairs } => pairs,
            Kind::Idle { before } => before + self.operations[usize::from(quick)],
            Kind::Flood { tunnels, clients } => tunnels + clients,
        };
        2 * pairs + 200
    }

    fn door(&self, site: &Site) -> Result<Door> {
        match self.entry {
            Entry::Plain => Ok(Door::plain(site.listen)),
            Entry::Secured(_) => Door::secured(site.secure, self.wishes()),
        }
    }

    fn wishes(&self) -> Wishes {
        match self.entry {
            Entry::Plain => Wishes::default(),
            Entry::Secured(key) => Wishes { key, ..Wishes::default() },
        }
    }
}
