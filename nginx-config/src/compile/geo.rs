//! `geo` and `split_clients`.

use std::net::IpAddr;

use underpass_core::{
    Network,
    template::{Escape, Geo, GeoBuilder, SplitClients, Template, Variable},
};

use super::{
    Builder,
    maps::{is_word, maps_in},
};
use crate::{
    error::{ConfigNote, Error},
    syntax::{Directive, Word},
    values,
};

impl Builder<'_> {
    pub(super) fn geo(&mut self, block: &Directive, used: &mut Vec<usize>) -> Result<Geo, Error> {
        let source = match block.arguments.as_slice() {
            [source, _] => self.template(source, Escape::None)?,
            _ => Template::variable(Variable::RemoteAddr),
        };
        used.extend(maps_in(&source));
        let mut geo = Geo::builder(source);
        let ranges = block.inside().first().is_some_and(|first| is_word(first, "ranges"));
        for (index, entry) in block.inside().iter().enumerate() {
            self.geo_entry(&mut geo, entry, ranges, index == 0)?;
        }
        Ok(geo.build())
    }

    fn geo_entry(
        &mut self,
        geo: &mut GeoBuilder,
        entry: &Directive,
        ranges: bool,
        first: bool,
    ) -> Result<(), Error> {
        let (key, position) = (&entry.name, &entry.name.position);
        let proxies = "addresses behind trusted proxies are taken by \"set_real_ip_from\" in this version";
        match (key.text.as_str(), entry.arguments.as_slice()) {
            ("ranges", []) if first => Ok(()),
            ("ranges", []) => {
                let message = "the \"ranges\" directive must be the first directive inside \"geo\" block";
                Err(Error::new(position, message))
            }
            ("proxy_recursive", []) | ("proxy", [_]) => {
                let message = format!("\"{}\" of a \"geo\" block is not in this version", key.text);
                Err(Error::new(position, message).hint(proxies))
            }
            ("default", [value]) => {
                geo.default(value.text.as_bytes());
                Ok(())
            }
            ("delete", [network]) if ranges => {
                Err(Error::new(&network.position, "\"delete\" of ranges is not in this version"))
            }
            ("delete", [word]) => {
                if !geo.delete(self.network(word)?) {
                    let message = format!("no network \"{}\" to delete", word.text);
                    self.notes.push(ConfigNote::new(&word.position, message));
                }
                Ok(())
            }
            (_, [value]) if ranges => {
                let (from, to) = range(key)?;
                geo.range(from, to, value.text.as_bytes());
                Ok(())
            }
            (_, [value]) => {
                let network = self.network(key)?;
                if !geo.network(network, value.text.as_bytes()) {
                    let message =
                        format!("duplicate network \"{}\", value: \"{}\" holds", key.text, value.text);
                    self.notes.push(ConfigNote::new(position, message));
                }
                Ok(())
            }
            _ => Err(Error::new(position, "invalid number of the geo parameters")),
        }
    }

    /// `10.0.0.0/8`, or one address.
    pub(super) fn network(&mut self, word: &Word) -> Result<Network, Error> {
        let network = values::network(&word.text)
            .ok_or_else(|| Error::new(&word.position, format!("invalid network \"{}\"", word.text)))?;
        let written = word.text.split('/').next().and_then(|address| address.parse::<IpAddr>().ok());
        if written.is_some_and(|written| written != network.address()) {
            let message = format!("low address bits of {} are meaningless", word.text);
            self.notes.push(ConfigNote::new(&word.position, message));
        }
        Ok(network)
    }

    pub(super) fn split_clients(
        &mut self,
        block: &Directive,
        used: &mut Vec<usize>,
    ) -> Result<SplitClients, Error> {
        let source = self.template(block.argument(0), Escape::None)?;
        used.extend(maps_in(&source));
        let mut shares = Vec::new();
        let mut sum = 0_u32;
        for entry in block.inside() {
            let [value] = entry.arguments.as_slice() else {
                let message = "invalid number of the split_clients parameters";
                return Err(Error::new(&entry.name.position, message));
            };
            let share = share(&entry.name)?;
            // Behind the rest nothing is left.
            sum = sum.saturating_add(share.unwrap_or(10_000 - sum));
            if sum > 10_000 {
                return Err(Error::new(&entry.name.position, "percent total is greater than 100%"));
            }
            shares.push((share, Template::literal(&value.text)));
        }
        Ok(SplitClients::new(source, shares))
    }
}

/// `10.0.0.1-10.0.0.9`.
fn range(word: &Word) -> Result<(IpAddr, IpAddr), Error> {
    let ends = word.text.split_once('-').and_then(|(from, to)| {
        let (from, to) = (from.parse::<IpAddr>().ok()?, to.parse::<IpAddr>().ok()?);
        (from <= to && from.is_ipv4() == to.is_ipv4()).then_some((from, to))
    });
    ends.ok_or_else(|| Error::new(&word.position, format!("invalid range \"{}\"", word.text)))
}

/// A share in hundredths of a percent, `0.5%`; none for `*`, the rest.
fn share(word: &Word) -> Result<Option<u32>, Error> {
    if word.text == "*" {
        return Ok(None);
    }
    let error = || {
        Error::new(&word.position, format!("invalid percent value \"{}\"", word.text))
            .hint("a share has at most two places, as in 0.25%, or is \"*\" for the rest")
    };
    let number = word.text.strip_suffix('%').ok_or_else(error)?;
    let (whole, places) = number.split_once('.').unwrap_or((number, ""));
    if places.len() > 2 || (number.contains('.') && places.is_empty()) {
        return Err(error());
    }
    let hundredths = values::number(&format!("{whole}{places:0<2}")).ok_or_else(error)?;
    u32::try_from(hundredths).ok().filter(|share| *share != 0).map(Some).ok_or_else(error)
}
