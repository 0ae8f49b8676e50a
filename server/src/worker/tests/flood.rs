//! Many clients that shake hands at once (rule H2): others don't wait for all of them.

use super::{
    tls::{client, context, has_come, send, tunnel_at},
    *,
};

/// So many turns of the worker a message has, from one end of a tunnel to the other.
const TURNS: u32 = 3;

/// H2: a tunnel goes on, whatever number of handshakes there are to compute.
#[test]
fn a_tunnel_goes_on_while_many_shake_hands() {
    let (mut worker, mut end, mut server, address) = tunnel_at("");
    let mut clients: Vec<_> = (0..100).map(|_| client(connected(address))).collect();
    for client in &mut clients {
        assert!(client.poll_handshake(&mut context()).is_pending());
    }
    let mut space = [0; 4096];
    // What the client has of the handshake before: the head of the response.
    while end.poll_read(&mut context(), &mut space).is_ready() {}
    let waiting = || clients.iter().filter(|client| !has_come(client)).count();
    let mut while_flooded = 0;
    for number in 0..8_u8 {
        let flooded = waiting() > 0;
        let message = [number; 128];
        send(&mut end, &message);
        let arrived = worker.within(TURNS, || {
            let count = server.read(&mut space).unwrap_or(0);
            (count > 0).then(|| space[..count].to_vec())
        });
        assert_eq!(arrived.as_deref(), Some(&message[..]), "to the origin server, message {number}");
        server.write_all(&message).expect("room");
        let back = worker.within(TURNS, || match end.poll_read(&mut context(), &mut space) {
            Poll::Ready(count) => Some(space[..count.expect("it is open")].to_vec()),
            Poll::Pending => None,
        });
        assert_eq!(back.as_deref(), Some(&message[..]), "to the client, message {number}");
        while_flooded += u32::from(flooded && waiting() > 0);
    }
    assert!(while_flooded > 1, "handshakes were still to be computed");
    worker.until(|| (waiting() == 0).then_some(()));
}
