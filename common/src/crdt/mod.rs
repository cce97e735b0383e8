//! What merges without a referee: state that several writers may hold and join in any order, any number of times.

pub mod stock;
