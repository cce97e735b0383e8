//! Reporting, tested on real files.
