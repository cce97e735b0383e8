//! `provision` as its users run it: the built program against servers that answer as the real ones do.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod import;
#[cfg(test)]
mod mock;
