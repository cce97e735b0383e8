//! The house rules of ARCHITECTURE.md and CONTRIBUTING.md, checked by reading the tree.
//!
//! Each rule is a function from a source file to findings. Each has two tests: one that the tree is clean, and one that the
//! rule catches a sample, because a rule that cannot fire is worse than none.
//!
//! What a compiler or clippy can see is left to them (Cargo.toml, clippy.toml); what stands here they cannot see.

mod lexer;
mod source;

mod census;
mod decision;
mod dialect;
mod feature;
mod link;
mod manifest;
mod merging;
mod migration;
mod mutant;
mod room;
mod shape;
mod word;
