//! The node's database: who writes it and who reads it. A node has one engine, so that whoever uses its tables gets the
//! transactions of SQLite itself.

use std::path::Path;

use percolate_runtime::read_pool::ReadPool;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use percolate_runtime::storage::StorageError;
use percolate_runtime::writer::Writer;
use tokio::sync::watch;

/// Writes the node's database. A clone is the same writer.
#[derive(Debug, Clone)]
pub(crate) struct NodeWriter(pub(crate) Writer);

impl NodeWriter {
    /// As [`Writer::run`].
    pub(crate) async fn run<T, E, F>(&self, name: &'static str, f: F) -> Result<T, E>
    where
        F: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        self.0.run(name, move |tx| f(tx.sqlite()?)).await
    }

    /// As [`Writer::run_blocking`].
    pub(crate) fn run_blocking<T, E, F>(&self, name: &'static str, f: F) -> Result<T, E>
    where
        F: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        self.0.run_blocking(name, move |tx| f(tx.sqlite()?))
    }

    /// As [`Writer::commits`].
    pub(crate) fn commits(&self) -> watch::Receiver<u64> {
        self.0.commits()
    }

    /// As [`Writer::group_number`].
    pub(crate) fn group_number(&self) -> u64 {
        self.0.group_number()
    }

    /// As [`Writer::stop`].
    pub(crate) async fn stop(&self) {
        self.0.stop().await;
    }
}

/// Reads the node's database. A clone shares its connections.
#[derive(Debug, Clone)]
pub(crate) struct NodeReaders(pub(crate) ReadPool);

impl NodeReaders {
    /// As [`ReadPool::read`].
    pub(crate) fn read<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnOnce(&ReadTx<'_>) -> Result<T, E>,
        E: From<StorageError>,
    {
        self.0.read(|tx| f(tx.sqlite()?))
    }

    /// As [`ReadPool::read_async`].
    pub(crate) async fn read_async<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnOnce(&ReadTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        self.0.read_async(move |tx| f(tx.sqlite()?)).await
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.0.place().file()
    }
}
