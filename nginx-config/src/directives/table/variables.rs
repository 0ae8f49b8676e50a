//! Blocks that define a variable by another value.

use super::{super::Context::Http, Kind, Row, row};

pub(super) const ROWS: &[Row] = &[
    row(
        "geo",
        &[Http],
        Kind::Pairs,
        "[*$address*] *$variable*",
        "Defines a variable by the client's address, or by another one: the longest network that holds \
         it decides, else `default`. `delete` takes a network out; after `ranges` there are ranges, \
         `10.0.0.1-10.0.0.9`.",
    )
    .takes(1, 2)
    .repeatable(),
    row(
        "map",
        &[Http],
        Kind::Pairs,
        "*text* *$variable*",
        "Defines a variable: where the text has the value on the left of a pair, case ignored, it has \
         the value on the right. `~` in front makes a regular expression of it (`~*`: case is ignored). \
         `default` stands for the rest; `hostnames` permits masks (`*.example.com`, `.example.com`, \
         `example.*`); `volatile` evaluates anew at each use; `\\` in front makes a plain string of a \
         special word.",
    )
    .takes(2, 2)
    .repeatable(),
    row(
        "split_clients",
        &[Http],
        Kind::Pairs,
        "*text* *$variable*",
        "Defines a variable by a hash of the text: each pair is a share (`0.5%`, or `*` for the rest) \
         and a value.",
    )
    .takes(2, 2)
    .repeatable(),
];
