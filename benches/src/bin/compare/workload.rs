//! What is measured. To add a row, add it to [`ALL`] and say in [`Workload::measure`] what one operation is.

use crate::door::Door;
use crate::load;
use crate::proxy::{Configuration, Setup, Site};
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
    /// Of a core.
    Percent,
}

impl Unit {
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Microseconds => "µs",
            Self::Bytes => "B",
            Self::Percent => "%",
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
    /// A message through one of some tunnels and back, first quietly and then while so many clients do nothing but shake
    /// hands.
    Latency { tunnels: u64, clients: u64 },
    /// `Echo` through tunnels whose frames aren't looked at and through others whose frames are, in turn.
    AwareEcho { tunnels: u64, message: usize },
    /// `Idle` where frames aren't looked at, where they are, and with all that rests on them.
    AwareIdle,
}

/// What the figures of a workload are called that has several.
const LATENCIES: &[&str] = &[
    "the time that a 128-byte message and its echo take through wss, 99th percentile",
    "the same while 64 clients do nothing but shake hands",
    "how busy the proxy's core is with those clients",
];
const ECHOES: &[&str] = &["off", "on"];
const SETTINGS: &[&str] = &["off", "on", "on, with pings, limits and a log"];

/// The locations of `awareness.conf` with these settings.
const PATHS: [&str; 3] = ["/chat/off/", "/chat/", "/chat/all/"];

/// From one round in which memory is looked at to the next; the first is one.
pub(crate) const MEMORY_EVERY: u32 = 5;

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
        title: "messages through wss, quietly and while clients shake hands",
        unit: Unit::Microseconds,
        operations: [1_000, 20],
        entry: Entry::Secured(Key::Ecdsa),
        kind: Kind::Latency { tunnels: 16, clients: 64 },
    },
    Workload {
        key: "frames-echo-64",
        title: "a 128-byte message and its echo, 64 tunnels",
        unit: Unit::Microseconds,
        operations: [64_000, 640],
        entry: Entry::Plain,
        kind: Kind::AwareEcho { tunnels: 64, message: 128 },
    },
    Workload {
        key: "frames-idle",
        title: "private memory per idle tunnel, 5,000 tunnels",
        unit: Unit::Bytes,
        operations: [5_000, 200],
        entry: Entry::Plain,
        kind: Kind::AwareIdle,
    },
];

impl Workload {
    /// What each of its figures is called; a single one has no name.
    pub(crate) fn figures(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Latency { .. } => LATENCIES,
            Kind::AwareEcho { .. } => ECHOES,
            Kind::AwareIdle => SETTINGS,
            _ => &[""],
        }
    }

    /// What a figure is a number of.
    pub(crate) fn unit_of(&self, figure: usize) -> Unit {
        match (self.kind, figure) {
            (Kind::Latency { .. }, 2) => Unit::Percent,
            _ => self.unit,
        }
    }

    /// How many processes of a proxy one round takes.
    pub(crate) fn sittings(&self) -> usize {
        if matches!(self.kind, Kind::AwareIdle) { SETTINGS.len() } else { 1 }
    }

    /// Whether settings of one proxy are compared rather than proxies.
    pub(crate) fn is_about_frames(&self) -> bool {
        matches!(self.kind, Kind::AwareEcho { .. } | Kind::AwareIdle)
    }

    /// Whether a round measures it. Memory is the same each time but for some bytes, and thousands of tunnels take long.
    pub(crate) fn is_due(&self, round: u32) -> bool {
        self.unit != Unit::Bytes || round % MEMORY_EVERY == 1
    }

    /// What a proxy is started with.
    pub(crate) fn setup(&self) -> Setup {
        let tells_blindness = match self.kind {
            Kind::Lives { .. } | Kind::Handshakes { .. } | Kind::Get { .. } => false,
            Kind::Echo { .. } | Kind::Idle { .. } | Kind::Latency { .. } => true,
            Kind::AwareEcho { .. } | Kind::AwareIdle => true,
        };
        let file = if self.is_about_frames() { Configuration::Awareness } else { Configuration::Common };
        Setup { file, tells_blindness }
    }

    /// The figures of one sitting, taken from a proxy that has just been started.
    pub(crate) async fn measure(
        &self,
        site: &Site,
        meter: &Meter,
        sitting: usize,
        quick: bool,
    ) -> Result<Vec<f64>> {
        let operations = self.operations[usize::from(quick)];
        let door = &self.door(site)?;
        let at = |path| Door::plain_at(site.listen, path);
        let one = |figure| vec![figure];
        match self.kind {
            Kind::Lives { clients } => load::lives(door, meter, clients, operations).await.map(one),
            Kind::Handshakes { clients, resumed } => {
                let wishes = Wishes { resumes: resumed, ..self.wishes() };
                // Each client has tickets of its own, and each of them is good for one handshake.
                let doors =
                    (0..clients).map(|_| Door::secured(site.secure, wishes)).collect::<Result<_>>()?;
                load::handshakes(doors, meter, resumed, operations).await.map(one)
            }
            Kind::Echo { tunnels, message } => {
                load::echo(door, meter, tunnels, message, operations).await.map(one)
            }
            Kind::Get { connections } => load::get(door, meter, connections, operations).await.map(one),
            Kind::Idle { before } => load::idle(door, meter, before, operations, false).await.map(one),
            Kind::Latency { tunnels, clients } => {
                let flood = Door::secured(site.secure, Wishes { checks: false, ..self.wishes() })?;
                let counts = [tunnels, clients];
                load::latency(door, meter, flood, counts, operations, quick).await.map(Vec::from)
            }
            Kind::AwareEcho { tunnels, message } => {
                let doors = [at(PATHS[0]), at(PATHS[1])];
                load::echo_in_turn(doors, meter, tunnels, message, operations).await.map(Vec::from)
            }
            Kind::AwareIdle => {
                let is_pinged = sitting == SETTINGS.len() - 1;
                load::idle(&at(PATHS[sitting]), meter, 0, operations, is_pinged).await.map(one)
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
            Kind::AwareEcho { tunnels, .. } => 2 * tunnels,
            Kind::Idle { before } => before + self.operations[usize::from(quick)],
            Kind::AwareIdle => self.operations[usize::from(quick)],
            Kind::Latency { tunnels, clients } => tunnels + clients,
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

#[cfg(test)]
mod tests {
    use super::{ALL, MEMORY_EVERY, Unit};

    #[test]
    fn each_row_is_measured_in_the_first_round_and_memory_rarely_after_it() {
        assert!(ALL.iter().all(|workload| workload.is_due(1)), "a smoke test has no other");
        let rounds = |unit| {
            let workload = ALL.iter().find(|workload| workload.unit == unit).expect("a row");
            (0..=20).filter(|round| workload.is_due(*round)).count() as u32
        };
        assert_eq!((rounds(Unit::Microseconds), rounds(Unit::Bytes)), (21, 20 / MEMORY_EVERY));
    }
}
