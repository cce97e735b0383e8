//! Why a node cannot be started.

/// Why a node could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It was told something that cannot be.
    #[error("{0}")]
    Config(String),
    /// A part of it could not be started.
    #[error("{what} failed")]
    Part {
        /// Which part.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

pub(crate) type Result<T> = std::result::Result<T, StartError>;

/// Says which part failed.
pub(crate) trait Part<T> {
    fn part(self, what: &'static str) -> Result<T>;
}

impl<T, E: std::error::Error + Send + Sync + 'static> Part<T> for std::result::Result<T, E> {
    fn part(self, what: &'static str) -> Result<T> {
        self.map_err(|error| StartError::Part { what, source: Box::new(error) })
    }
}

pub(crate) fn config_error(text: impl Into<String>) -> StartError {
    StartError::Config(text.into())
}
