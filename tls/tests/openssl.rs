//! With OpenSSL's own client and server, over loopback.

mod common;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use common::*;
use underpass_tls::{ClientCertificate, ClientOptions, ClientTrust, End, Protocols, ServerOptions, Tls};

/// A process that ends with its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn openssl(words: &[&str]) -> Process {
    let child = Command::new("openssl")
        .args(words)
        .current_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    Process(child.expect("these tests need the command openssl (Debian: apt-get install openssl)"))
}

/// A connection of ours over a socket that blocks: as simple as can be.
struct Stream {
    tls: Tls,
    socket: TcpStream,
}

impl Stream {
    /// Reads until `enough` says so, or the stream has ended.
    fn read_until(&mut self, enough: impl Fn(&Tls, &[u8]) -> bool) -> Vec<u8> {
        let (mut plain, mut send) = (Vec::new(), Vec::new());
        let mut lent = vec![0; 18_437];
        plain.extend(feed_all(&mut self.tls, &mut [], 1000, &mut send).expect("a beginning"));
        loop {
            self.socket.write_all(&send).expect("a peer that reads");
            send.clear();
            if enough(&self.tls, &plain) || !self.tls.wants() {
                return plain;
            }
            let read = self.socket.read(&mut lent).expect("a peer that writes");
            if read == 0 {
                return plain;
            }
            plain.extend(feed_all(&mut self.tls, &mut lent[..read], 1000, &mut send).expect("a good peer"));
        }
    }

    fn say(&mut self, plain: &[u8]) {
        self.socket.write_all(&sealed(&mut self.tls, plain)).expect("a peer that reads");
    }

    fn close(&mut self) {
        let mut send = Vec::new();
        self.tls.close(&mut send).expect("an open connection");
        self.socket.write_all(&send).expect("a peer that reads");
        self.socket.shutdown(Shutdown::Write).expect("an open socket");
    }
}

const VERSIONS: [(Protocols, &str, &str); 2] =
    [(Protocols::Tls12, "-tls1_2", "TLSv1.2"), (Protocols::Tls13, "-tls1_3", "TLSv1.3")];

#[test]
fn s_client_speaks_with_our_server() {
    for (protocols, flag, version) in VERSIONS {
        for key in [ECDSA, RSA] {
            let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
            let address = listener.local_addr().expect("an address").to_string();
            let mut peer = openssl(&[
                "s_client",
                "-connect",
                &address,
                "-servername",
                NAME,
                "-CAfile",
                "ca.pem",
                "-verify_return_error",
                "-verify_hostname",
                NAME,
                "-cert",
                "client.pem",
                "-key",
                "client.key",
                "-alpn",
                "h2,http/1.1",
                "-quiet",
                flag,
            ]);
            let options = ServerOptions {
                credentials: vec![credential(key)],
                verify: ClientTrust::On(trust()),
                alpn: vec![b"http/1.1".to_vec()],
                ..server_options(Protocols::Both)
            };
            let tls = Tls::server(Arc::new(options.settings().expect("settings")));
            let mut stream = Stream { tls, socket: listener.accept().expect("a client").0 };
            peer.0.stdin.as_mut().expect("a pipe").write_all(b"hello from openssl\n").expect("a pipe");
            let heard = stream.read_until(|_, plain| plain.ends_with(b"\n"));
            assert_eq!(heard, b"hello from openssl\n");
            let facts = stream.tls.facts().expect("facts");
            assert_eq!(
                (facts.protocol, facts.server_name, facts.alpn),
                (version, Some(NAME), Some(&b"http/1.1"[..]))
            );
            assert_eq!(stream.tls.client_certificate(), ClientCertificate::Verified, "{protocols:?}");
            stream.say(b"hello to openssl\n");
            stream.close();
            let mut said = String::new();
            peer.0.stdout.take().expect("a pipe").read_to_string(&mut said).expect("words");
            assert!(said.contains("hello to openssl\n"), "{said}");
            assert_eq!(stream.read_until(|_, _| false), b"");
            assert_eq!(stream.tls.end(), End::Notified);
        }
    }
}

#[test]
fn s_server_speaks_with_our_client() {
    for (_, flag, version) in VERSIONS {
        let mut peer = openssl(&[
            "s_server",
            "-accept",
            "127.0.0.1:0",
            "-naccept",
            "1",
            "-cert",
            "rsa.pem",
            "-key",
            "rsa.key",
            "-CAfile",
            "ca.pem",
            "-Verify",
            "1",
            "-verify_return_error",
            "-rev",
            flag,
        ]);
        let mut lines = BufReader::new(peer.0.stdout.take().expect("a pipe"));
        let mut line = String::new();
        let port = loop {
            line.clear();
            assert_ne!(lines.read_line(&mut line).expect("words"), 0, "no server");
            if let Some(address) = line.strip_prefix("ACCEPT ") {
                break address.trim().rsplit(':').next().expect("a port").parse::<u16>().expect("a port");
            }
        };
        let options =
            ClientOptions { credential: Some(credential(CLIENT)), ..client_options(Protocols::Both) };
        let tls = client(&options.settings().expect("settings"));
        let mut stream = Stream { tls, socket: TcpStream::connect(("127.0.0.1", port)).expect("a server") };
        stream.read_until(|tls, _| !tls.is_handshaking());
        assert_eq!(stream.tls.facts().expect("facts").protocol, version);
        // The server turns lines around.
        stream.say(b"stressed\n");
        assert_eq!(stream.read_until(|_, plain| plain.ends_with(b"\n")), b"desserts\n");
        let long = [vec![b'x'; 15_000], b"y\n".to_vec()].concat();
        stream.say(&long);
        let heard = stream.read_until(|_, plain| plain.ends_with(b"\n"));
        assert_eq!((heard.len(), heard[0]), (long.len(), b'y'));
        stream.close();
        assert_eq!(stream.read_until(|_, _| false), b"");
        assert_eq!(stream.tls.end(), End::Notified, "{version}");
    }
}
