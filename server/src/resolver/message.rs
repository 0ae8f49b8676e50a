//! What is asked and answered, in bytes (RFC 1035 §4, RFC 3596).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE, rdata::RData};

/// Aliases that may follow each other in one answer.
const MOST_ALIASES: usize = 16;

/// Which addresses are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    V4,
    V6,
}

/// What a name server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The addresses, perhaps none, and for how long they hold; none at all hold without an end, so that they
    /// don't shorten what the other kind's answer says.
    Addresses(Vec<IpAddr>, Duration),
    /// It has another name, and its addresses are not here; for how long that holds.
    Alias(String, Duration),
    /// There is no such name.
    Unknown,
    /// The server can't or won't say; another one may.
    Refused,
    /// The answer has no room in a datagram: ask over TCP (RFC 7766 §5).
    Truncated,
}

/// The question, as bytes; nothing for what can't be a name.
pub(super) fn question(number: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut packet = Packet::new_query(number);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    // The root has no address, and an empty label is none.
    let name = Name::new(name).ok().filter(|_| name.split('.').all(|label| !label.is_empty()))?;
    packet.questions.push(Question::new(name, QTYPE::TYPE(kind.record()), QCLASS::CLASS(CLASS::IN), false));
    packet.build_bytes_vec().ok()
}

/// Reads an answer; nothing when it is none to this question.
pub(super) fn reply(bytes: &[u8], number: u16, name: &str, kind: Kind) -> Option<Reply> {
    let packet = Packet::parse(bytes).ok()?;
    let asked = Name::new(name).ok()?;
    let question = packet.questions.first()?;
    let ours = packet.id() == number
        && packet.has_flags(PacketFlag::RESPONSE)
        && question.qname == asked
        && question.qtype == QTYPE::TYPE(kind.record());
    if !ours {
        return None;
    }
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Some(Reply::Truncated);
    }
    match packet.rcode() {
        RCODE::NoError => Some(addresses(&packet, &asked, kind)),
        RCODE::NameError => Some(Reply::Unknown),
        _ => Some(Reply::Refused),
    }
}

/// Follows the aliases of `name` to its addresses.
fn addresses(packet: &Packet<'_>, name: &Name<'_>, kind: Kind) -> Reply {
    let (mut owner, mut valid) = (name, Duration::MAX);
    for _ in 0..MOST_ALIASES {
        let alias = packet.answers.iter().find_map(|record| match &record.rdata {
            RData::CNAME(alias) if record.name == *owner => Some((&alias.0, record.ttl)),
            _ => None,
        });
        let Some((alias, for_seconds)) = alias else { break };
        owner = alias;
        valid = valid.min(lifetime(for_seconds));
    }
    let mut found = Vec::new();
    for record in packet.answers.iter().filter(|record| record.name == *owner) {
        let address = match &record.rdata {
            RData::A(data) if kind == Kind::V4 => Ipv4Addr::from(data.address).into(),
            RData::AAAA(data) if kind == Kind::V6 => Ipv6Addr::from(data.address).into(),
            _ => continue,
        };
        found.push(address);
        valid = valid.min(lifetime(record.ttl));
    }
    if found.is_empty() && owner != name {
        return Reply::Alias(owner.to_string(), valid);
    }
    Reply::Addresses(found, valid)
}

/// What a TTL says. With its high bit set it is none, and nothing is to be kept (RFC 2181 §8).
fn lifetime(ttl: u32) -> Duration {
    i32::try_from(ttl).map_or(Duration::ZERO, |_| Duration::from_secs(ttl.into()))
}

impl Kind {
    fn record(self) -> TYPE {
        match self {
            Self::V4 => TYPE::A,
            Self::V6 => TYPE::AAAA,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_are_too_bad(bytes in proptest::collection::vec(any::<u8>(), 0..512), cut in 0..64usize) {
            let _nothing = reply(&bytes, 7, "a.test", Kind::V4);
            // And those that begin as an answer to the question does.
            let mut answer = question(7, "a.test", Kind::V4).expect("a name");
            answer[2] |= 0x80;
            answer[7] = 3;
            answer.extend_from_slice(&bytes);
            let _something = reply(&answer, 7, "a.test", Kind::V4);
            let _less = reply(&answer[..cut.min(answer.len())], 7, "a.test", Kind::V4);
        }

        #[test]
        fn any_name_is_asked_for_or_refused(name in any::<String>()) {
            let _asked = question(7, &name, Kind::V6);
        }
    }

    #[test]
    fn names_that_are_none() {
        let label = "a".repeat(64);
        let long = "a.".repeat(200);
        for name in ["", ".", "a..b", &label, &long] {
            assert_eq!(question(7, name, Kind::V4), None, "{name}");
        }
    }
}
