//! What stands in the shop and is told something after a commit, never within one: printers, and the drawers that are plugged into them
//! (docs/adr/0036-a-printer-is-asked-before-it-is-sent-to.md).

mod printer;

pub(crate) use printer::run;
