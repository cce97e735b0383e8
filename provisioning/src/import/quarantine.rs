//! Rows that were set aside, in a file beside the input: why, and then the row as it was.
//!
//! The file is CSV of the same columns with four more in front, which an import ignores. Correct it where it stands,
//! import it as it is, and only its rows are brought in.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::header::QUARANTINE_COLUMNS;
use super::lines::{FileError, Lines};
use super::plan::{Plan, PlanError, is_blank, read_header};
use super::row::{Fault, RowReader, Shop};

/// What stands behind the input's name.
const SUFFIX: &str = ".quarantine.csv";
/// What stands behind the name of an earlier quarantine that says something else.
const EARLIER_SUFFIX: &str = ".bak";
/// The owner writes, everybody reads, as with the input.
const MODE: u32 = 0o644;

/// Rows that could not be set aside.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    /// The input cannot be read a second time.
    #[error("the file cannot be read a second time, for the rows that are set aside")]
    Reread(#[source] PlanError),
    /// The input is another one now.
    #[error("the file {path} was changed while it was imported: import it again")]
    Changed {
        /// The input.
        path: PathBuf,
    },
    /// The file beside the input cannot be written.
    #[error("could not write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The rows that were set aside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetAside {
    /// How many by code.
    pub rows_by_code: BTreeMap<String, u64>,
    /// The file that has them; none if there are none.
    pub path: Option<PathBuf>,
    /// Where the file that stood there before was moved, if it said something else.
    pub earlier: Option<PathBuf>,
}

impl SetAside {
    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows_by_code.values().sum()
    }
}

/// Where the rows of an input are set aside.
#[must_use]
pub fn path_beside(input: &Path) -> PathBuf {
    with_suffix(input, SUFFIX)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(suffix);
    path.with_file_name(name)
}

/// Writes the file beside the input, or removes it if no row is set aside. `later` has the rows that a store refused.
///
/// # Errors
/// [`QuarantineError`]; the file is then as it was before.
pub fn set_aside(
    input: &Path,
    plan: &Plan,
    shops: &[Shop],
    later: &BTreeMap<u32, Fault>,
) -> Result<SetAside, QuarantineError> {
    let path = path_beside(input);
    let failed = |source| QuarantineError::Write { path: path.clone(), source };
    if plan.rows_unreadable == 0 && plan.faults.is_empty() && later.is_empty() {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            Ok(()) | Err(_) => Ok(SetAside::default()),
        };
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let draft =
        tempfile::Builder::new().permissions(Permissions::from_mode(MODE)).tempfile_in(folder).map_err(failed)?;
    let mut out = BufWriter::new(draft);
    let rows_by_code = write_rows(input, plan, shops, later, &mut out)?;
    let draft = out.into_inner().map_err(|error| failed(error.into_error()))?;
    draft.as_file().sync_all().map_err(failed)?;
    let earlier = keep_an_earlier_one(&path, draft.path()).map_err(failed)?;
    draft.persist(&path).map_err(|error| failed(error.error))?;
    Ok(SetAside { rows_by_code, path: Some(path), earlier })
}

/// A person may have begun to correct the file: other content is moved away, and over nothing that says something else.
fn keep_an_earlier_one(path: &Path, draft: &Path) -> io::Result<Option<PathBuf>> {
    let Some(earlier) = read_or_none(path)? else { return Ok(None) };
    if earlier == fs::read(draft)? {
        return Ok(None);
    }
    let mut place = with_suffix(path, EARLIER_SUFFIX);
    for number in 2_u32.. {
        match read_or_none(&place)? {
            Some(kept) if kept != earlier => place = with_suffix(path, &format!("{EARLIER_SUFFIX}{number}")),
            Some(_) | None => break,
        }
    }
    fs::rename(path, &place)?;
    Ok(Some(place))
}

fn read_or_none(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes the rows that are set aside to any place, and counts them by code.
///
/// # Errors
/// [`QuarantineError`].
pub fn write_rows(
    input: &Path,
    plan: &Plan,
    shops: &[Shop],
    later: &BTreeMap<u32, Fault>,
    out: impl Write,
) -> Result<BTreeMap<String, u64>, QuarantineError> {
    let reread = |error: FileError| QuarantineError::Reread(error.into());
    let written = |source| QuarantineError::Write { path: path_beside(input), source };
    let mut file = Lines::open(input).map_err(reread)?;
    let header = read_header(&mut file).map_err(QuarantineError::Reread)?;
    let mut reader = RowReader::new(&header, shops);
    let mut csv = csv::WriterBuilder::new().flexible(true).from_writer(out);
    let titles = QUARANTINE_COLUMNS.into_iter().chain(header.own_names());
    csv.write_record(titles).map_err(|error| written(error.into()))?;
    let mut rows_by_code = BTreeMap::new();
    while let Some(extent) = file.next_line().map_err(reread)? {
        if is_blank(file.bytes()) {
            continue;
        }
        let (bytes, number) = (file.bytes(), file.number());
        let fault = match reader.read(bytes, extent) {
            Err(fault) => fault,
            Ok(_good) => match plan.faults.get(&number).or_else(|| later.get(&number)) {
                Some(fault) => fault.clone(),
                None => continue,
            },
        };
        let number = number.to_string();
        let front = [number.as_str(), fault.column, &fault.code, &fault.reason].map(str::as_bytes);
        // A line that has no fields stands in the first column as it is.
        let whole = reader.fields().is_empty().then_some(bytes);
        let own = reader.fields().iter().skip(header.own_start()).map(str::as_bytes);
        csv.write_record(front.into_iter().chain(whole).chain(own)).map_err(|error| written(error.into()))?;
        *rows_by_code.entry(fault.code).or_insert(0) += 1;
    }
    csv.flush().map_err(written)?;
    if file.hash() != plan.file_hash {
        return Err(QuarantineError::Changed { path: input.to_owned() });
    }
    Ok(rows_by_code)
}

#[cfg(test)]
mod tests {
    use super::super::header::tests::PUBLISHED;
    use super::super::plan::plan;
    use super::super::plan::tests::row;
    use super::super::row::FaultCode;
    use super::super::row::tests::shops;
    use super::*;

    struct Case {
        folder: tempfile::TempDir,
        input: PathBuf,
        plan: Plan,
    }

    fn case(content: &[u8]) -> Case {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("sales.csv");
        fs::write(&input, content).unwrap();
        let plan = plan(Lines::open(&input).unwrap(), &shops()).unwrap();
        Case { folder, input, plan }
    }

    fn rows(rows: &[&str]) -> Case {
        case(format!("{PUBLISHED}\n{}\n", rows.join("\n")).as_bytes())
    }

    fn aside(case: &Case) -> (SetAside, String) {
        let set_aside = set_aside(&case.input, &case.plan, &shops(), &BTreeMap::new()).unwrap();
        let text = set_aside.path.as_ref().map(|path| fs::read_to_string(path).unwrap()).unwrap_or_default();
        (set_aside, text)
    }

    #[test]
    fn a_row_keeps_its_fields_behind_its_number_column_code_and_reason() {
        let bad = row("2", "5", "07:00:00", 1, "3.105").replace("Here", "\"Here, there\"");
        let case = rows(&[&row("1", "5", "07:00:00", 1, "3.00"), &bad]);
        let (set_aside, text) = aside(&case);
        let mut lines = text.lines();
        assert_eq!(lines.next().unwrap(), format!("{},{PUBLISHED}", QUARANTINE_COLUMNS.join(",")));
        let line = lines.next().unwrap();
        assert!(line.starts_with("3,unit_price,price_too_fine,\"\"\"3.105\"\" has a fraction"), "{line}");
        assert!(line.ends_with(&bad), "{line}");
        assert_eq!((lines.next(), set_aside.rows()), (None, 1));
        assert_eq!(set_aside.path, Some(case.folder.path().join("sales.csv.quarantine.csv")));
    }

    #[test]
    fn a_corrected_quarantine_is_imported_as_it_is_and_quarantined_without_double_columns() {
        let bad = [row("2", "5", "07:00:00", 0, "3.00"), row("3", "5", "07:00:00", 1, "x")];
        let (_, text) = aside(&rows(&[&bad[0], &bad[1]]));
        let corrected = text.replace("07:00:00,0,", "07:00:00,2,");
        let again = case(corrected.as_bytes());
        assert_eq!((again.plan.sums[1].lines, again.plan.sums[1].units), (1, 2));
        let (_, text) = aside(&again);
        assert_eq!(text.lines().next().unwrap(), format!("{},{PUBLISHED}", QUARANTINE_COLUMNS.join(",")));
        let line = text.lines().nth(1).unwrap();
        assert!(line.starts_with("3,unit_price,price_malformed,") && line.ends_with(&bad[1]), "{line}");
    }

    #[test]
    fn a_line_that_has_no_fields_stands_whole_in_the_first_column_and_is_refused_again() {
        let open = row("2", "5", "07:00:00", 1, "3.00").replace("Coffee", "\"Coffee");
        let latin = b"3,2023-01-01,07:00:00,1,5,Here,32,3.00,Caf\xE9,Y,Z".to_vec();
        let short = "4,2023-01-01,07:00:00,1";
        let content = [format!("{PUBLISHED}\n{open}\n").into_bytes(), latin.clone(), format!("\n{short}\n").into()];
        let case = case(&content.concat());
        let mut out = Vec::new();
        let counted = write_rows(&case.input, &case.plan, &shops(), &BTreeMap::new(), &mut out).unwrap();
        assert_eq!(counted.keys().collect::<Vec<_>>(), ["column_count", "not_text", "quote_malformed"]);
        let holds = |part: &[u8]| out.windows(part.len()).any(|window| window == part);
        assert!(holds(format!("\"{}\"", open.replace('"', "\"\"")).as_bytes()) && holds(&latin));
        assert!(holds(short.as_bytes()));
        let again = super::tests::case(&out);
        assert_eq!((again.plan.rows_read, again.plan.rows_unreadable), (3, 3));
    }

    #[test]
    fn rows_that_conflict_or_that_a_store_refused_are_set_aside_too() {
        let case = rows(&[
            &row("1", "5", "07:00:00", 1, "3.00"),
            &row("1", "5", "07:00:00", 2, "3.00"),
            &row("2", "5", "07:00:00", 1, "3.00"),
            &row("3", "5", "07:00:00", 1, "3.00"),
        ]);
        let fault = Fault::new(None, FaultCode::TextInvalid, "as the store says");
        let later = BTreeMap::from([(5, fault)]);
        let set_aside = set_aside(&case.input, &case.plan, &shops(), &later).unwrap();
        let counts = [("conflicting_rows".to_owned(), 2), ("text_invalid".to_owned(), 1)];
        assert_eq!(set_aside.rows_by_code, BTreeMap::from(counts));
        let text = fs::read_to_string(set_aside.path.unwrap()).unwrap();
        assert!(text.lines().last().unwrap().starts_with("5,,text_invalid,as the store says,3,"), "{text}");
    }

    #[test]
    fn without_bad_rows_there_is_no_file_and_an_old_one_goes() {
        let case = rows(&[&row("1", "5", "07:00:00", 1, "3.00")]);
        fs::write(path_beside(&case.input), "of yesterday").unwrap();
        assert_eq!(aside(&case).0, SetAside::default());
        assert_eq!(fs::read_dir(case.folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_earlier_quarantine_that_says_something_else_is_kept() {
        let case = rows(&[&row("1", "5", "07:00:00", 0, "3.00")]);
        fs::write(path_beside(&case.input), "half corrected").unwrap();
        let (first, _) = aside(&case);
        let kept = case.folder.path().join("sales.csv.quarantine.csv.bak");
        assert_eq!(
            (first.earlier.as_ref(), fs::read_to_string(&kept).unwrap().as_str()),
            (Some(&kept), "half corrected")
        );
        assert_eq!(aside(&case).0, SetAside { earlier: None, ..first });
        assert_eq!(fs::read_to_string(&kept).unwrap(), "half corrected", "the same content moves nothing");
        assert_eq!(fs::read_dir(case.folder.path()).unwrap().count(), 3, "no draft is left");
    }

    #[test]
    fn no_earlier_quarantine_is_written_over_by_a_later_one() {
        let case = rows(&[&row("1", "5", "07:00:00", 0, "3.00")]);
        let of = |suffix: &str| case.folder.path().join(format!("sales.csv.quarantine.csv.bak{suffix}"));
        for (corrected, expected) in [("first", ""), ("second", "2"), ("third", "3"), ("second", "2")] {
            fs::write(path_beside(&case.input), corrected).unwrap();
            assert_eq!(aside(&case).0.earlier, Some(of(expected)), "{corrected}");
        }
        for (kept, suffix) in [("first", ""), ("second", "2"), ("third", "3")] {
            assert_eq!(fs::read_to_string(of(suffix)).unwrap(), kept);
        }
    }

    #[test]
    fn an_input_that_changes_meanwhile_and_a_folder_that_cannot_be_written_are_errors() {
        let case = rows(&[&row("1", "5", "07:00:00", 0, "3.00")]);
        let text = fs::read_to_string(&case.input).unwrap();
        fs::write(&case.input, text + &row("2", "5", "07:00:00", 1, "3.00")).unwrap();
        let changed = set_aside(&case.input, &case.plan, &shops(), &BTreeMap::new());
        assert!(matches!(changed, Err(QuarantineError::Changed { .. })));
        assert!(!path_beside(&case.input).exists());
        let elsewhere = case.folder.path().join("none").join("sales.csv");
        let unwritable = set_aside(&elsewhere, &case.plan, &shops(), &BTreeMap::new());
        assert!(matches!(unwritable, Err(QuarantineError::Write { .. })), "{unwritable:?}");
    }
}
