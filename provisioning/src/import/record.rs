//! One line of CSV, divided into its fields.
//!
//! A line is a record: line breaks inside quotes are not joined. No field of a sale may hold a line break anyway, and so
//! a stray quote spoils the row that it stands in, and no row after it.

/// The fields of one line; kept from line to line, so that reading a large file allocates little.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Fields {
    text: String,
    ends: Vec<usize>,
}

/// A line whose quotes do not add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    /// A field begins with a quote and never ends.
    #[error("field {field} begins with a quote that is never closed: close it, or double every quote that is meant")]
    Unclosed {
        /// Which field, from 1.
        field: usize,
    },
    /// Text between a closing quote and the next comma.
    #[error("field {field} goes on after its closing quote: double every quote that is meant")]
    AfterQuote {
        /// Which field, from 1.
        field: usize,
    },
}

impl Fields {
    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The field at a position from 0, without its quotes.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&str> {
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.text.get(start..end)
    }

    /// All fields in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    /// Forgets all fields.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// Takes over the fields of a line that comes without its line break.
    ///
    /// # Errors
    /// [`QuoteError`] for the first field whose quotes do not add up; there are no fields then.
    pub fn read(&mut self, line: &str) -> Result<(), QuoteError> {
        self.clear();
        let divided = self.divide(line);
        if divided.is_err() {
            self.clear();
        }
        divided
    }

    fn divide(&mut self, line: &str) -> Result<(), QuoteError> {
        let mut rest = line;
        loop {
            let field = self.ends.len() + 1;
            let after = match rest.strip_prefix('"') {
                Some(quoted) => self.take_quoted(quoted, field)?,
                None => self.take_plain(rest),
            };
            self.ends.push(self.text.len());
            match after.strip_prefix(',') {
                Some(next) => rest = next,
                None => return Ok(()),
            }
        }
    }

    /// Takes up to the next comma and gives what follows, the comma included.
    fn take_plain<'a>(&mut self, rest: &'a str) -> &'a str {
        let (field, after) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
        self.text.push_str(field);
        after
    }

    /// Takes up to the closing quote and gives what follows it.
    fn take_quoted<'a>(&mut self, quoted: &'a str, field: usize) -> Result<&'a str, QuoteError> {
        let mut rest = quoted;
        loop {
            let (part, after) = rest.split_once('"').ok_or(QuoteError::Unclosed { field })?;
            self.text.push_str(part);
            match after.strip_prefix('"') {
                Some(next) => {
                    self.text.push('"');
                    rest = next;
                }
                None if after.is_empty() || after.starts_with(',') => return Ok(after),
                None => return Err(QuoteError::AfterQuote { field }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(line: &str) -> Result<Vec<String>, QuoteError> {
        let mut fields = Fields::default();
        fields.read(line).map(|()| fields.iter().map(str::to_owned).collect())
    }

    #[test]
    fn fields_are_divided_at_commas_outside_quotes() {
        assert_eq!(read("a,b,c").unwrap(), ["a", "b", "c"]);
        assert_eq!(read("").unwrap(), [""]);
        assert_eq!(read(",").unwrap(), ["", ""]);
        assert_eq!(read(r#""a,b",c"#).unwrap(), ["a,b", "c"]);
        assert_eq!(read(r#""say ""hi""",2"#).unwrap(), [r#"say "hi""#, "2"]);
        assert_eq!(read(r#"12" mug,1"#).unwrap(), [r#"12" mug"#, "1"]);
    }

    #[test]
    fn quotes_that_do_not_add_up_name_their_field() {
        assert_eq!(read(r#"1,"open"#), Err(QuoteError::Unclosed { field: 2 }));
        assert_eq!(read(r#""a"b,c"#), Err(QuoteError::AfterQuote { field: 1 }));
    }

    #[test]
    fn a_reader_that_is_used_again_remembers_nothing() {
        let mut fields = Fields::default();
        fields.read("a,b,c").unwrap();
        fields.read("d").unwrap();
        assert_eq!((fields.len(), fields.get(0), fields.get(1)), (1, Some("d"), None));
        fields.read("d,\"open").unwrap_err();
        assert!(fields.is_empty());
    }

    proptest! {
        /// What the common CSV writer writes is read as it was, whatever the fields hold but line breaks.
        #[test]
        fn written_fields_are_read_as_they_were(fields in prop::collection::vec("[^\r\n]{0,12}", 1..8)) {
            let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
            writer.write_record(&fields).unwrap();
            let written = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            prop_assert_eq!(read(written.trim_end_matches('\n')).unwrap(), fields);
        }

        /// No text makes the reader panic, and what it reads well it has wholly read.
        #[test]
        fn any_line_is_read_or_refused(line in "[\",a ]{0,24}") {
            if let Ok(fields) = read(&line) {
                let commas = line.matches(',').count();
                prop_assert!(fields.len() <= commas + 1);
            }
        }
    }
}
