//! Runs the demo's origin server alone, to look at its page without a proxy. Ends with the standard input.

use std::io::{self, Read};

use underpass_server::{command::demo_configuration, demo};

fn main() -> io::Result<()> {
    let origin = demo::Origin::start()?;
    let text = demo_configuration(([127, 0, 0, 1], 8080).into(), origin.address());
    origin.show_configuration(&text);
    println!("http://{}/", origin.address());
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}
