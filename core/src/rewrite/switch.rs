//! Whether a 101 is the answer to the upgrade that was passed on (A5, A6).

use super::response::shows;
use crate::{
    config::Proxy,
    http1::{Known, Version, elements, is_same_name, protocol},
    record::Heads,
    violation::Violation,
    websocket::handshake::{self, AnswerViolation},
};

/// How many protocols a connection may be switched to at once, one above the other (RFC 9110 §7.8). Each is looked for
/// in all that was offered, so that there has to be a bound.
const MAX_LAYERS: usize = 8;

/// Checks a 101 that answers an upgrade which went upstream.
pub(crate) fn check_switch(heads: &Heads, proxy: &Proxy) -> Result<(), Violation> {
    let response = &heads.response;
    if response.version != Version::Http11 {
        return Err(Violation::SwitchVersion);
    }
    if !(proxy.upgrade.lenient_101 || response.fields.options().upgrade) {
        return Err(Violation::SwitchWithoutOption);
    }
    let chose_websocket = check_protocols(heads)?;
    if chose_websocket && proxy.upgrade.websocket_validation {
        let key = heads.request.fields.only(Known::SecWebSocketKey);
        let accept = response.fields.only(Known::SecWebSocketAccept);
        handshake::check_accept(key, accept).map_err(|_| Violation::BadAccept)?;
        check_subprotocol(heads, proxy)?;
    }
    Ok(())
}

/// A 101 names at least one protocol, each once and only such as we sent and the client had offered; name and version
/// count, case doesn't. Says whether WebSocket is among them.
fn check_protocols(heads: &Heads) -> Result<bool, Violation> {
    let mut lines = heads.response.fields.values(Known::Upgrade);
    let list = [lines.next().unwrap_or_default()];
    if lines.next().is_some() {
        return Err(Violation::SeveralUpgrades);
    }
    if !(1..=MAX_LAYERS).contains(&elements(list.into_iter()).take(MAX_LAYERS + 1).count()) {
        return Err(Violation::BadSwitch);
    }
    let mut chose_websocket = false;
    for (index, element) in elements(list.into_iter()).enumerate() {
        let chosen = protocol(element).filter(|_| was_offered(heads, element)).ok_or(Violation::BadSwitch)?;
        if elements(list.into_iter()).take(index).any(|earlier| is_same_name(earlier, element)) {
            return Err(Violation::RepeatedProtocol);
        }
        chose_websocket |= chosen.is_websocket();
    }
    Ok(chose_websocket)
}

/// Whether a well-formed protocol is one that we sent and the client had asked for. Two of them are the same when they are
/// written the same: the one slash in it stands between name and version.
fn was_offered(heads: &Heads, chosen: &[u8]) -> bool {
    elements([heads.offered.as_slice()].into_iter()).any(|sent| is_same_name(sent, chosen))
        && elements(heads.request.fields.values(Known::Upgrade)).any(|asked| is_same_name(asked, chosen))
}

/// RFC 6455 §4.1 item 6: a subprotocol is one that the client has offered. What the location hides from the client was
/// agreed upon without it.
fn check_subprotocol(heads: &Heads, proxy: &Proxy) -> Result<(), Violation> {
    let (offered, chosen) = (&heads.request.fields, &heads.response.fields);
    let is_hidden = || {
        let mut lines = chosen.iter().filter(|line| is_same_name(line.name(), b"sec-websocket-protocol"));
        lines.all(|line| !shows(&proxy.response, line))
    };
    match handshake::check_subprotocol(offered.pairs(), chosen.pairs()) {
        Ok(_) => Ok(()),
        Err(AnswerViolation::SeveralSubprotocols) => Err(Violation::SeveralSubprotocols),
        Err(_) if is_hidden() => Ok(()),
        Err(_) => Err(Violation::UnofferedSubprotocol),
    }
}
