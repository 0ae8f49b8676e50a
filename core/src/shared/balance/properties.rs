//! What always holds, whatever happens in which order.

use core::time::Duration;

use proptest::prelude::*;

use super::{
    HashKey,
    tests::{ID, address, hash, lease, peer, table, visit, weight},
};
use crate::{
    Address,
    session::Dial,
    shared::{Balance, Lease, Peer, PeerStatus},
    time::Tick,
    verdict::Verdict,
};

proptest! {
    /// Over as many choices as the weights' sum each is chosen as often as its weight says.
    #[test]
    fn weights_are_exact(weights in prop::collection::vec(1_u32..20, 1..9), cycles in 1..4) {
        let table = table(Balance::RoundRobin, (1..).zip(&weights).map(|(n, w)| weight(n, *w)).collect());
        let sum: u32 = weights.iter().sum();
        for _ in 0..cycles {
            let mut counts = vec![0; weights.len()];
            for _ in 0..sum {
                let digit = visit(&table, &Dial::to(ID)).to_digit(10).expect("a digit");
                counts[digit as usize - 1] += 1;
            }
            prop_assert_eq!(&counts, &weights);
        }
    }

    /// Counts are those of the leases that are out, whatever becomes of them; limits hold; backups wait.
    #[test]
    fn counts_never_drift(balance in balances(), steps in prop::collection::vec(steps(), 1..120)) {
        let backup = peer(3, |peer| peer.backup = true);
        let peers = vec![
            peer(1, |peer| (peer.max_conns, peer.weight) = (3, 2)),
            peer(2, |peer| peer.max_fails = 2),
            backup,
            peer(4, |peer| peer.down = true),
            Peer::resolved("name.test", 19105),
        ];
        let table = table(balance, peers);
        let mut leases: Vec<Lease> = Vec::new();
        let mut now = Tick(0);
        for step in steps {
            match step {
                Step::Choose(n) => {
                    let before = table.status(ID, now);
                    let ip = std::net::Ipv4Addr::from(n << 8).into();
                    let key = HashKey::of(&n.to_le_bytes());
                    let dial = Dial { key, client: Some(ip), chance: n.into(), ..Dial::to(ID) };
                    let lease = lease(&table, &dial, now);
                    let chosen = lease.as_ref().map(|lease| lease.address().clone());
                    check_choice(&before, chosen.as_ref())?;
                    leases.extend(lease);
                }
                Step::Report(n, verdict) if !leases.is_empty() => {
                    leases.swap_remove(n % leases.len()).report(verdict, now);
                }
                Step::Drop(n) if !leases.is_empty() => drop(leases.swap_remove(n % leases.len())),
                Step::Judge(n, verdict) if !leases.is_empty() => leases[n % leases.len()].judge(verdict, now),
                Step::Update(bits) => {
                    let ips: Vec<_> = (0..3).filter(|n| bits & 1 << n != 0).map(|n| [10, 0, 0, n].into()).collect();
                    table.update(ID, 4, &ips);
                }
                Step::Wait(seconds) => now = now.after(Duration::from_secs(seconds)),
                _ => {}
            }
            for status in table.status(ID, now) {
                let out = leases.iter().filter(|lease| *lease.address() == status.address).count();
                prop_assert_eq!(status.leases as usize, out);
                prop_assert!(status.address != address(1) || out <= 3);
            }
        }
        leases.clear();
        prop_assert!(table.status(ID, now).iter().all(|status| status.leases == 0));
    }
}

/// Who may be chosen, by how the peers were before.
fn check_choice(before: &[PeerStatus], chosen: Option<&Address>) -> Result<(), TestCaseError> {
    let can = |status: &&PeerStatus| {
        !status.unavailable && status.server != 3 && (status.server != 0 || status.leases < 3)
    };
    let (backups, primaries): (Vec<_>, Vec<_>) =
        before.iter().filter(can).partition(|status| status.server == 2);
    let among = if primaries.is_empty() { backups } else { primaries };
    prop_assert_eq!(chosen.is_some(), !among.is_empty());
    prop_assert!(chosen.is_none_or(|chosen| among.iter().any(|status| status.address == *chosen)));
    Ok(())
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Choose(u32),
    Report(usize, Verdict),
    Drop(usize),
    Judge(usize, Verdict),
    Update(u8),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Step> {
    let verdict = prop_oneof![Just(Verdict::Success), Just(Verdict::Failure), Just(Verdict::Unjudged)];
    prop_oneof![
        6 => any::<u32>().prop_map(Step::Choose),
        3 => (any::<usize>(), verdict.clone()).prop_map(|(n, verdict)| Step::Report(n, verdict)),
        1 => any::<usize>().prop_map(Step::Drop),
        1 => (any::<usize>(), verdict).prop_map(|(n, verdict)| Step::Judge(n, verdict)),
        1 => any::<u8>().prop_map(Step::Update),
        1 => (0_u64..12).prop_map(Step::Wait),
    ]
}

fn balances() -> impl Strategy<Value = Balance> {
    prop_oneof![
        Just(Balance::RoundRobin),
        Just(Balance::LeastConn),
        Just(Balance::IpHash),
        any::<bool>().prop_map(hash),
        any::<bool>().prop_map(|two| Balance::Random { two }),
    ]
}
