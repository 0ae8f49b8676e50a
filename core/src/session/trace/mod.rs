//! Recording and replay: what came into a session, line by line, and a session that is led through it again.
//!
//! A session is a function of its configuration, its client, and the calls of its methods with their times. A
//! [`Traced`] session writes them down; [`read`] finds the sessions in such a text, and [`Replay`] makes the same
//! calls again and compares what comes of them. Nothing here does IO: a shell writes the lines where it likes.
//!
//! # The text
//!
//! Each line begins with the number of its session ([`ClientInfo::serial`]), so that several workers can write to
//! one file, and a word or a sign. Bytes are shown as they are when they are printable ASCII; `\r`, `\n`, `\\`
//! and `\xHH` stand for the others.
//!
//! | line | meaning |
//! |---|---|
//! | `config` *name* *number* *text* | a line of a configuration, of no session: once in each file ([`Configuration`]) |
//! | `session 3` | a session begins; version of the format |
//! | `configuration` *name* | which of the configurations is its own |
//! | `listener` *number* | which of its listening sockets, [`Config::trace`] |
//! | `server`, `pseudonym`, `hostname`, `pid` | [`Identity`](crate::config::Identity) |
//! | `client`, `local`, `secret`, `buffer` | [`ClientInfo`], bytes of an IO buffer |
//! | `proxied` *source* *destination* | [`ClientInfo::proxied`], where that is there |
//! | `tls` *protocol* *cipher* *curve* *reused* | [`ClientInfo::tls`], where that is there; `-` for no curve |
//! | `tls-ciphers`, `tls-name`, `tls-alpn` *bytes* | more of it |
//! | `tls-certificate` *digits*, `tls-refused` *bytes* | a client's certificate, and what is wrong with it |
//! | `tls-unknown-issuer` *bytes* | that nobody known has issued it, and nothing else is wrong |
//! | `content masked` or `content plain` | whether bytes are told that are nobody's business |
//! | `at` *ns* *ms* *min* | what time it is from here on, as in [`Now`] |
//! | `< received client 77` | an input: a report by the shell, with its result |
//! | `< lent space upstream`, `< lent bytes client` | memory was asked for, and its report isn't the next call |
//! | `< late 1 sent upstream 20` | a report of the first connection to an origin server, which is no more the present one |
//! | `= client text` *bytes* | received bytes that were read as a head, a chunk-size line, a trailer section, the header of a frame |
//! | `= client content 500` | so many received bytes that are content: an `x` each in a replay |
//! | `= client bytes` *bytes* | the same when content is plain |
//! | `> wait until 60000000000 reads client` | an output |
//! | `> text client` *bytes* | the head that is sent next |
//! | `- frame from client text 5` | with it the header of a frame came: its kind, and the length of its payload; `more` where its message goes on |
//! | `- frame to client ping 12` | a frame of ours is put in |
//! | `- closing because of lifetime` | the tunnel is being ended by us |
//! | `- close to client waits` | what becomes of the Close there: it `waits` for a place between two frames, `goes`, was `told` (or the other end's own was), or can `never` be |
//!
//! What was received stands where it was understood, which may be some lines behind its report: a head that came
//! in two pieces is one head. What is told of frames stands behind the input or the output that has brought it about; until
//! version 2 of the format nothing was told. In version 1 of the format, which [`read`] still knows, each session begins with its
//! configuration, as lines `config` *text*.
//!
//! # Masking
//!
//! Unless content is plain, it is told by its length, and so are all values in heads: as many `x` stand for them. Told
//! as they are the values of fields that are nobody's secret: what frames a message, routes it or negotiates about it,
//! dates, and who a peer says that he is, such as `Host`, `Upgrade`, `Content-Length`, `Sec-WebSocket-Key`, `Origin`,
//! `User-Agent` and `X-Forwarded-For`. Of others a part is told:
//!
//! | field | what is told |
//! |---|---|
//! | `Authorization`, `Proxy-Authorization`, `WWW-Authenticate`, `Proxy-Authenticate` | the name of a usual scheme |
//! | `Cookie`, `Set-Cookie` | names, and the attributes of a `Set-Cookie` |
//! | `Location`, `Content-Location`, `Refresh`, `Referer`, `X-Accel-Redirect`, the target of a request | all but user, values of the query, and fragment |
//! | `Sec-WebSocket-Protocol` | well-known names |
//!
//! Of the frames of a WebSocket headers are told, codes of Closes, and Pongs of twelve bytes, which may answer Pings of
//! ours; of other payloads the length. Of bytes that are no frame those are told that show it, without their RSV bits.
//!
//! White space in front of a colon, and folded lines, make no difference. What stands for a value is as long and of
//! the same kind, so that the session takes the same way again: credentials of the scheme `Basic` stay some, encoded
//! bytes of a URL stay encoded. The configuration has to be masked with the same rules ([`mask_field`], [`mask_url`],
//! [`mask_text`]), so that a value there that equals one in a head equals it still.
//!
//! A session goes another way in its replay where what is masked decides by more than that: where a configuration tells
//! two values of one length apart, or looks into one (`if ($arg_token ~ ^a)`), and where an origin server chooses a
//! subprotocol that isn't well-known, of the length of one that was offered. Then the replay says where it has diverged.

mod configuration;
mod frames;
mod mask;
mod reader;
mod recording;
mod replay;
mod text;
mod tls;
mod told;
mod tracer;

pub use configuration::Configuration;
pub use mask::{mask_field, mask_text, mask_url};
pub use recording::{Broken, Recording, read};
pub use replay::{Replay, ReplayStep};
pub use told::{is_scheme, is_told};

use std::{ops::Deref, sync::Arc};

use super::{
    Admission, Choice, Claim, Connected, Dial, DialError, Input, Leg, Lookup, Output, Relayed, Session,
    Slices,
};
use crate::{
    Buffers, ClientInfo, Draining, Fault, Now, Turn,
    config::Config,
    shared::{Lease, seed},
};
use recording::Lent;
use tracer::Tracer;

/// What a trace says of its surroundings besides the session's own configuration.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The configuration, which the trace tells elsewhere.
    pub configuration: Configuration,
    /// Bytes of the worker's IO buffers ([`Buffers::size`]).
    pub buffer_size: usize,
    /// Whether content and credentials are told as they are.
    pub plain: bool,
}

/// Which sessions are traced: so many of so many, `1` of `100`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sample {
    /// So many.
    pub share: u64,
    /// Of so many.
    pub of: u64,
}

impl Sample {
    /// Every session.
    pub const ALL: Self = Self { share: 1, of: 1 };

    /// Whether this client's session is among them: decided by its number and the secret of the process.
    #[must_use]
    pub fn has(self, client: &ClientInfo) -> bool {
        seed(&client.secret, [client.serial, 0, 0]) % self.of.max(1) < self.share
    }
}

/// A session that may be traced: its methods are those of [`Session`].
#[derive(Clone, Debug)]
pub struct Traced {
    session: Session,
    tracer: Option<Box<Tracer>>,
}

impl Traced {
    /// A session for a client that was just accepted, traced when there is a setting.
    ///
    /// A traced session has a secret of its own, which follows from that of the process: its trace betrays
    /// nothing of others.
    #[must_use]
    pub fn new(config: Arc<Config>, mut client: ClientInfo, now: Now, setting: Option<&Setting>) -> Self {
        let Some(setting) = setting else { return Session::new(config, client, now).into() };
        client.secret = own_secret(&client);
        let tracer = Some(Box::new(Tracer::new(&config, &client, now, setting)));
        Self { session: Session::new(config, client, now), tracer }
    }

    /// What has been traced since the last call, in whole lines; nothing when nothing is traced.
    pub fn take_lines(&mut self) -> Option<Vec<u8>> {
        self.tracer.as_mut().map(|tracer| tracer.take_lines()).filter(|lines| !lines.is_empty())
    }

    fn apply(&mut self, input: Input<'_>, turn: &mut Turn<'_>) {
        match &mut self.tracer {
            None => self.session.apply(input, turn),
            Some(tracer) => tracer.apply(&mut self.session, input, turn),
        }
    }

    /// As [`Session::poll_output`].
    pub fn poll_output(&mut self) -> Output {
        match &mut self.tracer {
            None => self.session.poll_output(),
            Some(tracer) => tracer.poll(&mut self.session),
        }
    }

    /// As [`Session::receive_space`].
    pub fn receive_space(&mut self, from: Leg, turn: &mut Turn<'_>) -> Option<&mut [u8]> {
        let space = self.session.receive_space(from, turn)?;
        if let Some(tracer) = &mut self.tracer {
            tracer.lends(Lent::Space(from.side()));
        }
        Some(space)
    }

    /// As [`Session::transmit`].
    #[must_use = "report what was sent with `handle_sent`"]
    pub fn transmit(&mut self, to: Leg) -> Slices<'_> {
        let slices = self.session.transmit(to);
        if let Some(tracer) = self.tracer.as_mut().filter(|_| !slices.is_empty()) {
            tracer.lends(Lent::Bytes(to.side()));
        }
        slices
    }

    /// As [`Session::handle_received`].
    pub fn handle_received(&mut self, from: Leg, result: Result<usize, Fault>, turn: &mut Turn<'_>) {
        self.apply(Input::Received(from, result), turn);
    }

    /// As [`Session::handle_sent`].
    pub fn handle_sent(&mut self, to: Leg, result: Result<usize, Fault>, turn: &mut Turn<'_>) {
        self.apply(Input::Sent(to, result), turn);
    }

    /// As [`Session::handle_relayed`].
    pub fn handle_relayed(&mut self, from: Leg, moved: Relayed, turn: &mut Turn<'_>) {
        self.apply(Input::Relayed(from, moved), turn);
    }

    /// As [`Session::handle_acknowledged`].
    pub fn handle_acknowledged(&mut self, to: Leg, turn: &mut Turn<'_>) {
        self.apply(Input::Acknowledged(to), turn);
    }

    /// As [`Session::handle_resolved`].
    pub fn handle_resolved(
        &mut self,
        lookup: Lookup,
        result: Result<&[std::net::IpAddr], Fault>,
        turn: &mut Turn<'_>,
    ) {
        let Lookup { errand, .. } = lookup;
        self.apply(Input::Resolved(errand, result), turn);
    }

    /// As [`Session::handle_admitted`].
    pub fn handle_admitted(&mut self, claim: Claim, admission: Admission, turn: &mut Turn<'_>) {
        let Claim { errand, .. } = claim;
        self.apply(Input::Admitted(errand, admission), turn);
    }

    /// As [`Session::handle_chosen`].
    pub fn handle_chosen(&mut self, dial: &Dial, choice: Choice, turn: &mut Turn<'_>) -> Lease {
        let Choice(lease) = choice;
        self.apply(Input::Chosen(dial.errand, lease.number(), lease.address()), turn);
        lease
    }

    /// As [`Session::handle_connected`].
    pub fn handle_connected(
        &mut self,
        dial: Dial,
        result: Result<Connected, DialError>,
        turn: &mut Turn<'_>,
    ) {
        let Dial { errand, .. } = dial;
        self.apply(Input::Connected(errand, result), turn);
    }

    /// As [`Session::handle_timeout`].
    pub fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        self.apply(Input::Timeout, turn);
    }

    /// As [`Session::handle_drain`].
    pub fn handle_drain(&mut self, draining: Draining, turn: &mut Turn<'_>) {
        self.apply(Input::Drain(draining), turn);
    }

    /// As [`Session::forget_exchange`].
    pub fn forget_exchange(&mut self, buffers: &mut Buffers) {
        self.session.forget_exchange(buffers);
    }

    /// As [`Session::recycle`].
    pub fn recycle(self, buffers: &mut Buffers) {
        self.session.recycle(buffers);
    }
}

/// One that is not traced.
impl From<Session> for Traced {
    fn from(session: Session) -> Self {
        Self { session, tracer: None }
    }
}

/// Looks.
impl Deref for Traced {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

fn own_secret(client: &ClientInfo) -> [u8; 16] {
    let mut hash = sha1_smol::Sha1::new();
    hash.update(&client.secret);
    hash.update(&client.serial.to_le_bytes());
    let digest = hash.digest().bytes();
    std::array::from_fn(|at| digest[at])
}
