//! Runs the demo's origin server alone, to look at its page without a proxy. Ends with the standard input.

use std::io::{self, Read};

use underpass_demo::Origin;

fn main() -> io::Result<()> {
    let origin = Origin::start()?;
    println!("http://{}/", origin.address());
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}
