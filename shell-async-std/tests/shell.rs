//! What every shell does, on this one.

#[path = "../../testkit/shell/mod.rs"]
mod suite;

mod shell {
    use std::{future::Future, io};

    use async_std::task;
    pub(crate) use async_std::task::block_on;
    pub(crate) use underpass_async_std::serve;

    pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_underpass-async-std");
    pub(crate) const NAME: &str = "underpass-async-std";
    pub(crate) const DRIVER: &str = "async-std";
    pub(crate) const RUNTIME: &str = "async-std";

    pub(crate) fn tasks<F>(workers: Vec<F>) -> impl FnOnce() -> Vec<io::Result<()>>
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let tasks: Vec<_> = workers.into_iter().map(task::spawn).collect();
        move || tasks.into_iter().map(block_on).collect()
    }
}
