//! What every shell does, on this one.

#[path = "../../testkit/shell/mod.rs"]
mod suite;

mod shell {
    use std::{future::Future, io};

    use tokio::runtime::Builder;
    pub(crate) use underpass::serve;

    pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_underpass");
    pub(crate) const NAME: &str = "underpass";
    pub(crate) const DRIVER: &str = "tokio";
    pub(crate) const RUNTIME: &str = "tokio";

    pub(crate) fn block_on(worker: impl Future<Output = io::Result<()>>) -> io::Result<()> {
        Builder::new_current_thread().enable_all().build()?.block_on(worker)
    }

    pub(crate) fn tasks<F>(workers: Vec<F>) -> impl FnOnce() -> Vec<io::Result<()>>
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let tasks: Vec<_> = workers.into_iter().map(|worker| runtime.spawn(worker)).collect();
        move || tasks.into_iter().map(|task| runtime.block_on(task).expect("no panic")).collect()
    }
}
