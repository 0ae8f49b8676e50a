//! What an exchange sends its shell out for, and what it wants to read.

use super::{Common, Dial, Exchange, pending::Errand};
use crate::{
    Address, Side, proxy_protocol,
    session::{
        Output,
        errand::{Claim, Lookup, Socket},
        legs::Lent,
    },
    shared::{GroupId, HashKey, seed},
    state::exchange,
};

impl Exchange {
    /// The errand that waits to be polled.
    pub(in crate::session) fn send_out(&self, common: &mut Common) -> Option<Output> {
        let must_wait = self.waits_for_memory(common);
        let errand = common.work.held()?.pending.errand.take_if(|_| !must_wait)?;
        Some(self.send_out_for(common, errand))
    }

    /// Whether a CONNECT has to wait until nobody uses its tunnel's buffers any more: it is dialled after that, within
    /// its time. An upgrade has read and written on its own connection, which says as much.
    fn waits_for_memory(&self, common: &Common) -> bool {
        let is_lent = [common.epochs.reading(), common.epochs.writing()] != [Lent::ToNobody; 2];
        is_lent && common.connects() && self.machine.state() == exchange::State::Dialling
    }

    fn send_out_for(&self, common: &mut Common, errand: Errand) -> Output {
        let number = common.errands;
        let location = common.record.location.as_ref();
        match errand {
            Errand::Admit => {
                let rules = location.and_then(|location| location.admission);
                let max_tunnels = location.and_then(|location| location.max_tunnels.clone());
                let max_tunnels = max_tunnels.filter(|_| self.may_become_tunnel(common));
                Output::Admit(Claim { errand: number, rules, max_tunnels })
            }
            Errand::Resolve => {
                let resolver = location.and_then(|location| location.resolver);
                let requested = || common.requested_authority().map_or("", |(host, _)| host).into();
                let name = common.record.sought_name().map_or_else(requested, |(name, _)| name.clone());
                Output::Resolve(Lookup { errand: number, name, resolver })
            }
            Errand::Connect { group, may_reuse, key } => self.send_to_connect(common, group, may_reuse, key),
        }
    }

    fn send_to_connect(&self, common: &mut Common, group: GroupId, may_reuse: bool, key: HashKey) -> Output {
        let client = &common.record.client;
        let hop = common.record.hop();
        let tls = common.record.heads.as_ref().and_then(|heads| heads.tls_peer.clone());
        let mut preamble = Vec::new();
        if tls.is_some() && common.record.proxy().is_some_and(|proxy| proxy.proxy_protocol) {
            proxy_protocol::write(common.record.remote(), &client.local, &mut preamble);
        }
        common.work.pending.dialling = true;
        Output::Connect(Dial {
            errand: common.errands,
            leg: common.epochs.next_origin(),
            group,
            addresses: self.addresses.clone(),
            elsewhere: self.elsewhere.as_slice().into(),
            address: common.record.given_address().cloned(),
            tried: common.record.tried().collect(),
            may_reuse,
            socket: hop.map_or_else(Socket::default, |hop| Socket::new(hop.socket, common.record.bind())),
            tls,
            preamble: preamble.into(),
            client: match common.record.remote() {
                Address::Ip(address) => Some(address.ip()),
                Address::Unix(_) => None,
            },
            key,
            chance: seed(&client.secret, [client.serial, common.record.requests, self.tries.into()]),
        })
    }

    /// Whether bytes of the origin server are wanted.
    pub(in crate::session) fn reads_origin(&self, common: &Common) -> bool {
        use exchange::State;
        let is_asked = matches!(self.machine.state(), State::Awaiting | State::Responding | State::Switching);
        is_asked
            && !common.work.pending.exchange_done
            && common.leg(Side::Upstream).reads()
            && common.flow(Side::Upstream).has_room()
            && self.origin_waits(common).is_none()
            && common.may_receive(Side::Upstream)
    }
}
