//! What stands in the shop and is told something after a commit, never within one: printers, and the drawers that are plugged into them.

mod printer;

pub(crate) use printer::run;
