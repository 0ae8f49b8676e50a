//! The driver without sockets.

use std::time::Duration;

use underpass_core::Ending;

use super::{Case, Driver, Names, Sight, Stage, Step, Who};
use crate::session_world::{Completion, Connect, End, LISTEN, ORIGIN, World, config_of};

/// Runs cases in a [`World`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Simulated {
    /// Tunnels are relayed past the session wherever it permits that.
    pub splices: bool,
    /// Reads and writes complete late, in an order that follows from this seed.
    pub completes: Option<u64>,
}

/// As cases name it, and `docs/evidence/drivers.md`.
const NAME: &str = "simulated";

impl Driver for Simulated {
    fn name(&self) -> &str {
        if self.completes.is_some() { "completing" } else { NAME }
    }

    fn inapplicable(&self, case: &Case) -> Option<&'static str> {
        (!case.names(NAME)).then_some(super::VIRTUAL_TIME)
    }

    fn start(&mut self, case: &Case) -> Result<Box<dyn Stage>, String> {
        let names = Names {
            origin: ORIGIN.to_owned(),
            listen: LISTEN.to_owned(),
            scheme: "http",
            log: "access.log".to_owned(),
        };
        let mut world = World::new(config_of(&case.config(&names)));
        world.splices = self.splices;
        world.completion = self.completes.map(Completion::with_seed);
        // Nobody listens at any other address, as on a machine where only the origin server runs.
        world.listens = Some(ORIGIN.parse().expect("an address"));
        for step in &case.steps {
            match step {
                Step::Refuses => world.connects_else = Connect::Refuse,
                Step::Hangs => world.connects_else = Connect::Hang,
                _ => {}
            }
        }
        world.run();
        Ok(Box::new(SimulatedStage { world, names, taken: Vec::new(), lines: 0 }))
    }
}

struct SimulatedStage {
    world: World,
    names: Names,
    /// How much of what each connection received was asked for; the client's first.
    taken: Vec<usize>,
    lines: usize,
}

impl SimulatedStage {
    fn end_of(&mut self, who: Who) -> Result<&mut End, String> {
        let index = match who {
            Who::Client => return Ok(&mut self.world.client),
            Who::Origin(number) => number - 1,
        };
        let origin = self.world.origins.get_mut(index);
        origin.map(|origin| &mut origin.end).ok_or_else(|| format!("there is no connection {}", index + 1))
    }

    fn rest_of(&mut self, who: Who) -> Result<Vec<u8>, String> {
        let taken = *self.taken_of(who);
        Ok(self.end_of(who)?.received()[taken..].to_vec())
    }

    fn taken_of(&mut self, who: Who) -> &mut usize {
        let index = match who {
            Who::Client => 0,
            Who::Origin(number) => number,
        };
        if self.taken.len() <= index {
            self.taken.resize(index + 1, 0);
        }
        &mut self.taken[index]
    }
}

impl Stage for SimulatedStage {
    fn names(&self) -> &Names {
        &self.names
    }

    fn send(&mut self, who: Who, bytes: &[u8]) -> Result<(), String> {
        self.end_of(who)?.send(bytes);
        self.world.run();
        Ok(())
    }

    fn take(&mut self, who: Who, count: usize) -> Result<Vec<u8>, String> {
        let mut rest = self.rest_of(who)?;
        rest.truncate(count);
        *self.taken_of(who) += rest.len();
        Ok(rest)
    }

    fn end(&mut self, who: Who, reset: bool) -> Result<(), String> {
        let end = self.end_of(who)?;
        if reset {
            end.reset();
        } else {
            end.end();
        }
        self.world.run();
        Ok(())
    }

    fn sight(&mut self, who: Who, _: Sight) -> Result<Sight, String> {
        if !self.rest_of(who)?.is_empty() {
            return Ok(Sight::Nothing);
        }
        Ok(match self.end_of(who)?.saw() {
            None => Sight::Nothing,
            Some(Ending::Fin) => Sight::End,
            Some(Ending::Reset) => Sight::Reset,
        })
    }

    fn left_over(&mut self) -> Vec<(Who, Vec<u8>)> {
        let all = std::iter::once(Who::Client).chain((1..=self.world.origins.len()).map(Who::Origin));
        let rest =
            all.collect::<Vec<_>>().into_iter().map(|who| (who, self.rest_of(who).unwrap_or_default()));
        rest.filter(|(_, bytes)| !bytes.is_empty()).collect()
    }

    fn elapse(&mut self, span: Duration) {
        self.world.elapse(span);
    }

    fn log_line(&mut self) -> Option<String> {
        let line = self.world.log.get(self.lines).cloned();
        self.lines += 1;
        line
    }

    fn connections(&mut self) -> usize {
        self.world.origins.len()
    }

    fn drain(&mut self, within: Option<Duration>) -> Result<(), String> {
        self.world.drain(within);
        Ok(())
    }
}
