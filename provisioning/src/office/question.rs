//! Asks a person before something is done that is hard to undo.

use std::io::{self, IsTerminal as _};

use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Whether it is to be done. Who said so beforehand, or reads the answer as JSON, is not asked.
pub(super) fn confirmed(screen: &mut Screen, question: &str, is_told: bool) -> Result<bool, Failure> {
    if is_told {
        return Ok(true);
    }
    if !screen.is_terminal || !io::stdin().is_terminal() {
        let said = format!("{question} Nobody is here to be asked, and nothing was done: look at it, and say --yes");
        return Err(Failure::usage(said));
    }
    screen.write(&format!("{question} [y/N] ")).map_err(|error| Failure::new(Exit::Failed, error))?;
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(|error| Failure::new(Exit::Failed, error))?;
    Ok(is_yes(&line))
}

fn is_yes(line: &str) -> bool {
    ["y", "yes"].contains(&line.trim().to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_yes_is_yes() {
        assert!(["y\n", "Y", " yes \n"].into_iter().all(is_yes));
        assert!(!["", "\n", "n\n", "yesterday", "ja"].into_iter().any(is_yes));
    }

    #[test]
    fn where_nobody_can_be_asked_nothing_is_done_unless_it_was_said_beforehand() {
        let mut screen = Screen::plain(Box::new(io::sink()), Box::new(io::sink()));
        let refused = confirmed(&mut screen, "Plan so?", false).unwrap_err();
        assert_eq!(refused.exit, Exit::Usage);
        assert!(refused.to_string().contains("--yes"), "{refused}");
        assert!(confirmed(&mut screen, "Plan so?", true).unwrap());
    }
}
