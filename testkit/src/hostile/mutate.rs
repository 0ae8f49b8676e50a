//! Cases that nobody has thought of: hostile bytes, changed at random.

use super::{Hostile, Step};

/// What is put in: what has a meaning somewhere in a message.
const WORDS: [&[u8]; 30] = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\0",
    b" ",
    b"\t",
    b"\x0b",
    b"\x80",
    b":",
    b",",
    b";",
    b"\"",
    b"0",
    b"5",
    b"a",
    b"-",
    b"/",
    b"HTTP/1.0",
    b"HTTP/1.1",
    b"chunked",
    b"0\r\n\r\n",
    b"5\r\nhello\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: upgrade\r\nUpgrade: foo\r\n",
    b"Expect: 100-continue\r\n",
    b"Host: b\r\n",
    b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n",
];

/// A generator that is good enough for places and lengths.
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    /// Below `sides`, or zero.
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % sides.max(1)
    }
}

impl Hostile {
    /// This case with what its client, or its hostile origin server, sends changed in one to four places. Only
    /// what holds of any bytes can be asked of it.
    #[must_use]
    pub fn mutant(&self, seed: u64) -> Self {
        // FNV-1a: each case has mutants of its own.
        let name = self.name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut dice = Dice(name ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut mutant = self.clone();
        let script = mutant.origin.as_mut().unwrap_or(&mut mutant.client);
        let sends: Vec<_> = script
            .iter_mut()
            .filter_map(|step| match step {
                Step::Send(bytes) => Some(bytes),
                _ => None,
            })
            .collect();
        let which = dice.roll(sends.len());
        if let Some(bytes) = sends.into_iter().nth(which) {
            for _ in 0..=dice.roll(4) {
                change(bytes, &mut dice);
            }
        }
        mutant
    }
}

fn change(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let at = dice.roll(bytes.len() + 1);
    let end = (at + 1 + dice.roll(12)).min(bytes.len());
    match dice.roll(6) {
        0 => drop(bytes.drain(at..end)),
        1 => {
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        2 => {
            let piece = bytes[at..end].to_vec();
            let to = dice.roll(bytes.len() + 1);
            bytes.splice(to..to, piece);
        }
        3 => {
            let word = WORDS[dice.roll(WORDS.len())];
            bytes.splice(at..end, word.iter().copied());
        }
        _ => {
            let word = WORDS[dice.roll(WORDS.len())];
            bytes.splice(at..at, word.iter().copied());
        }
    }
}
