//! What may become a tunnel, and how it lives: the `upgrade_*` directives.

use core::{num::NonZeroU64, time::Duration};

use underpass_core::{
    DrainSettings, Farewell, Lifetime, MessageRate, PingSettings, WebSocketSettings,
    config::{MaxTunnels, Upgrade, UpgradeProtocols},
    websocket::{CloseCode, ControlFrame},
};

use super::{Builder, all, level::Level};
use crate::{
    error::Error,
    syntax::{Directive, Word},
    values,
};

/// By how many hundredths the lifetimes of tunnels differ, where nothing is said (G7).
const JITTER: u8 = 10;

/// The `upgrade_*` directives of a level.
pub(super) fn upgrade(level: &Level<'_>) -> Result<Upgrade, Error> {
    let mut upgrade = Upgrade::default();
    if let Some(directive) = level.innermost("upgrade_protocols") {
        let names = directive.arguments.iter().map(|word| word.text.as_str().into());
        upgrade.protocols = UpgradeProtocols::Only(names.collect());
    }
    upgrade.websocket_validation = level.flag("upgrade_websocket_validation")?;
    upgrade.lenient_101 = level.flag("upgrade_lenient_101")?;
    upgrade.handshake_timeout = level
        .innermost("upgrade_handshake_timeout")
        .map(|_| level.time("upgrade_handshake_timeout"))
        .transpose()?;
    upgrade.half_close = level.flag("upgrade_half_close")?;
    upgrade.half_close_timeout = level.time("upgrade_half_close_timeout")?;
    upgrade.relay_reset = level.flag("upgrade_relay_reset")?;
    upgrade.websocket_frames = level.flag("upgrade_websocket_frames")?;
    upgrade.websocket = websocket(level)?;
    upgrade.drain = drain(level)?;
    upgrade.close_timeout = level.time("upgrade_close_timeout")?;
    upgrade.max_lifetime = max_lifetime(level)?;
    upgrade.limit_rate = bytes(level, "upgrade_limit_rate")?;
    Ok(upgrade)
}

impl Builder<'_> {
    /// `upgrade_max_tunnels` of a server or a location (G8). Where it stands, all tunnels below are counted that no inner
    /// one counts.
    pub(super) fn max_tunnels(&mut self, level: &mut Level<'_>, block: &Directive) -> Result<(), Error> {
        let words = match block.name.text.as_str() {
            "server" => all(block.inside(), "listen").chain(all(block.inside(), "server_name")).collect(),
            _ => vec![block],
        };
        for directive in words {
            for word in [&directive.name].into_iter().chain(&directive.arguments) {
                // No word has a NUL in it, so that no two places are written alike.
                level.place.push_str(&word.text);
                level.place.push('\0');
            }
        }
        let Some(directive) = all(block.inside(), "upgrade_max_tunnels").next() else { return Ok(()) };
        let word = directive.argument(0);
        let most = values::number(&word.text)
            .and_then(|most| u32::try_from(most).ok())
            .ok_or_else(|| Error::new(&word.position, "\"upgrade_max_tunnels\" directive invalid number"))?;
        let counts = || self.options.zones.tunnels(&level.place);
        level.max_tunnels = (most > 0).then(|| MaxTunnels::counted_by(counts(), most));
        Ok(())
    }
}

impl Builder<'_> {
    /// A mistake is found where nobody uses what is wrong.
    pub(super) fn check_upgrade(&self, level: &Level<'_>) -> Result<(), Error> {
        upgrade(level).map(drop)
    }
}

/// What is done with frames (G2 to G4, G8).
fn websocket(level: &Level<'_>) -> Result<WebSocketSettings, Error> {
    let mut websocket = WebSocketSettings::default();
    websocket.strict = level.flag("upgrade_websocket_strict")?;
    websocket.ping = ping(level)?;
    websocket.client_silence = time_but_zero(level, "upgrade_client_silence")?;
    websocket.message_limit = bytes(level, "upgrade_message_limit")?;
    websocket.message_rate = message_rate(level)?;
    Ok(websocket)
}

fn ping(level: &Level<'_>) -> Result<Option<PingSettings>, Error> {
    let timeout = time_but_zero(level, "upgrade_ping_timeout")?;
    let Some(interval) = time_but_zero(level, "upgrade_ping_interval")? else { return Ok(None) };
    let mut ping = PingSettings::every(interval);
    ping.timeout = timeout.unwrap_or(interval);
    (ping.client, ping.upstream) = level.value("upgrade_ping_to", |text| match text {
        "client" => Some((true, false)),
        "upstream" => Some((false, true)),
        "both" => Some((true, true)),
        _ => None,
    })?;
    Ok(Some(ping))
}

fn drain(level: &Level<'_>) -> Result<DrainSettings, Error> {
    let mut drain = DrainSettings::default();
    drain.window = time_but_zero(level, "upgrade_drain_window")?;
    drain.on_reload = level.flag("upgrade_drain_on_reload")?;
    if let Some(directive) = level.innermost("upgrade_drain_close") {
        drain.close = farewell(directive.argument(0), directive.arguments.get(1))?;
    }
    Ok(drain)
}

/// `1012 "service restart"`; a code alone has an empty reason (G6).
fn farewell(code: &Word, reason: Option<&Word>) -> Result<Farewell, Error> {
    let known =
        values::number(&code.text).and_then(|number| u16::try_from(number).ok()).and_then(CloseCode::new);
    let known = known.ok_or_else(|| {
        Error::new(&code.position, format!("unknown close code \"{}\"", code.text))
            .hint("a Close has a code of 1000 to 1003, 1007 to 1014, or 3000 to 4999")
    })?;
    let (text, position) = reason.map_or(("", &code.position), |reason| (&reason.text, &reason.position));
    Farewell::new(known, text).map_err(|_| {
        let most = ControlFrame::MAX_REASON;
        Error::new(position, format!("the reason of \"upgrade_drain_close\" has {} bytes", text.len()))
            .hint(format!("a Close has room for {most}"))
    })
}

/// `TIME [jitter=PERCENT%]`, or `off` (G7).
fn max_lifetime(level: &Level<'_>) -> Result<Option<Lifetime>, Error> {
    let Some(directive) = level.innermost("upgrade_max_lifetime") else { return Ok(None) };
    let (word, rest) = (directive.argument(0), directive.arguments.get(1));
    let jitter = rest.map_or(Ok(JITTER), |word| {
        let percent = word.text.strip_prefix("jitter=").and_then(|text| text.strip_suffix('%'));
        let percent = percent.and_then(values::number).and_then(|percent| u8::try_from(percent).ok());
        percent.filter(|percent| *percent <= 100).ok_or_else(|| {
            Error::new(&word.position, format!("invalid parameter \"{}\"", word.text))
                .hint("it is jitter=PERCENT%, with at most 100 of them, as in jitter=10%")
        })
    })?;
    if word.text == "off" {
        return Ok(None);
    }
    let time = values::time(&word.text).ok_or_else(|| {
        Error::new(&word.position, "\"upgrade_max_lifetime\" directive invalid value")
            .hint("it is off, or a time, as in 12h")
    })?;
    Ok((!time.is_zero()).then(|| Lifetime::new(time, jitter)))
}

/// `NUMBERr/s [burst=N]`, or `off` (G8).
fn message_rate(level: &Level<'_>) -> Result<Option<MessageRate>, Error> {
    let Some(directive) = level.innermost("upgrade_message_rate") else { return Ok(None) };
    let (word, rest) = (directive.argument(0), directive.arguments.get(1));
    let burst = rest.map_or(Ok(0), |word| {
        let number = word.text.strip_prefix("burst=").and_then(values::number);
        number.and_then(|number| u32::try_from(number).ok()).ok_or_else(|| {
            Error::new(&word.position, format!("invalid parameter \"{}\"", word.text))
                .hint("it is burst=NUMBER, as in burst=20")
        })
    })?;
    if word.text == "off" {
        return Ok(None);
    }
    let per = time_of_one(&word.text).ok_or_else(|| {
        Error::new(&word.position, format!("invalid rate \"{}\"", word.text))
            .hint("it is off, or a number that isn't 0 and r/s or r/m, as in 10r/s")
    })?;
    Ok(Some(MessageRate::new(per, burst)))
}

/// The time between two of `10r/s`, `30r/m`; at least a nanosecond.
fn time_of_one(text: &str) -> Option<Duration> {
    let (number, span) = match (text.strip_suffix("r/s"), text.strip_suffix("r/m")) {
        (Some(number), _) => (number, Duration::from_secs(1)),
        (_, Some(number)) => (number, Duration::from_secs(60)),
        _ => return None,
    };
    let number = values::number(number).and_then(|number| u32::try_from(number).ok())?;
    span.checked_div(number).filter(|per| !per.is_zero())
}

/// A time; 0 turns what it is for off.
fn time_but_zero(level: &Level<'_>, name: &str) -> Result<Option<Duration>, Error> {
    Ok(Some(level.time(name)?).filter(|time| !time.is_zero()))
}

/// A number of bytes; 0 is none.
fn bytes(level: &Level<'_>, name: &str) -> Result<Option<NonZeroU64>, Error> {
    Ok(NonZeroU64::new(level.value(name, values::size)?))
}
