//! The file as lines: plain or gzip, from its first byte to its last, and nothing else.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

/// Longest line of a file, in bytes. A longer one is set aside, and only its beginning is kept.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// Bytes that are read from the disk at once.
const READ_BYTES: usize = 256 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
const GZIP: &[u8] = &[0x1F, 0x8B];

/// First bytes of files that people mistake for CSV, and what they are.
const OTHER_FORMATS: &[(&[u8], &str)] = &[
    (b"PK\x03\x04", "a ZIP archive or a spreadsheet: save the sheet as CSV, or unpack the archive"),
    (b"\xD0\xCF\x11\xE0", "an old spreadsheet: save the sheet as CSV"),
    (b"\x28\xB5\x2F\xFD", "compressed with zstd: unpack it, or pack it with gzip"),
    (b"BZh", "compressed with bzip2: unpack it, or pack it with gzip"),
    (b"\xFD7zXZ\0", "compressed with xz: unpack it, or pack it with gzip"),
    (b"\xFF\xFE", "UTF-16 text: save it as CSV in UTF-8"),
    (b"\xFE\xFF", "UTF-16 text: save it as CSV in UTF-8"),
    (b"%PDF", "a PDF: export the sales as CSV"),
    (b"SQLite format 3", "an SQLite database: export the sales as CSV"),
];

/// A file that cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// No such file.
    #[error("there is no file {path}")]
    NotFound {
        /// The file.
        path: PathBuf,
    },
    /// A folder, a pipe or a device.
    #[error("{path} is {what}: name a CSV file, plain or gzip")]
    NotAFile {
        /// What was named.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The operating system refuses.
    #[error("could not read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Not a byte, not even a header.
    #[error("{path} is empty: a header line and at least one row are expected")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Another format.
    #[error("{path} is {what}")]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// What it is and what to do.
        what: &'static str,
    },
    /// The compressed data ends in the middle.
    #[error("the gzip file {path} ends too early, after {lines} lines: copy it again; nothing was imported")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Whole lines before the end.
        lines: u32,
    },
    /// The compressed data is broken.
    #[error("the gzip file {path} is damaged after {lines} lines: copy it again; nothing was imported")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Whole lines before the damage.
        lines: u32,
        /// What the decoder says.
        #[source]
        source: io::Error,
    },
}

/// Whether a line was kept whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// Longer than [`LINE_BYTES_MAX`]: only its beginning.
    Cut,
}

/// The lines of a file, and a hash over all that was read of it.
pub struct Lines {
    path: PathBuf,
    gzip: bool,
    input: Box<dyn BufRead>,
    number: u32,
    hasher: blake3::Hasher,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("path", &self.path).field("number", &self.number).finish_non_exhaustive()
    }
}

impl Lines {
    /// Opens a file; gzip is known by its first bytes, whatever the name says.
    ///
    /// # Errors
    /// [`FileError`] for whatever is not a readable file of text.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let failed = |source: io::Error| {
            let path = path.to_owned();
            if source.kind() == ErrorKind::NotFound {
                FileError::NotFound { path }
            } else {
                FileError::Read { path, source }
            }
        };
        let kind = fs::metadata(path).map_err(failed)?;
        if !kind.is_file() {
            let what = if kind.is_dir() { "a folder" } else { "not a file that can be read twice" };
            return Err(FileError::NotAFile { path: path.to_owned(), what });
        }
        let mut raw = BufReader::with_capacity(READ_BYTES, File::open(path).map_err(failed)?);
        let gzip = raw.fill_buf().map_err(failed)?.starts_with(GZIP);
        let input: Box<dyn BufRead> =
            if gzip { Box::new(BufReader::with_capacity(READ_BYTES, MultiGzDecoder::new(raw))) } else { Box::new(raw) };
        let mut lines =
            Self { path: path.to_owned(), gzip, input, number: 0, hasher: blake3::Hasher::new(), bytes: Vec::new() };
        lines.look_at_the_start()?;
        Ok(lines)
    }

    fn look_at_the_start(&mut self) -> Result<(), FileError> {
        let path = self.path.clone();
        let start = self.input.fill_buf().map_err(|source| broken(self.gzip, &path, 0, source))?;
        if start.is_empty() {
            return Err(FileError::Empty { path });
        }
        if let Some((_, what)) = OTHER_FORMATS.iter().find(|(magic, _)| start.starts_with(magic)) {
            return Err(FileError::OtherFormat { path, what });
        }
        if start.starts_with(BYTE_ORDER_MARK) {
            self.input.consume(BYTE_ORDER_MARK.len());
        }
        Ok(())
    }

    /// Reads the next line, without its line break; `None` at the end. [`Lines::bytes`] has it.
    ///
    /// # Errors
    /// [`FileError`] if the file cannot be read on.
    pub fn next_line(&mut self) -> Result<Option<Extent>, FileError> {
        self.bytes.clear();
        let mut extent = Extent::Whole;
        let mut read_any = false;
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(source) => return Err(broken(self.gzip, &self.path, self.number, source)),
            };
            if chunk.is_empty() {
                break;
            }
            read_any = true;
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let (taken, used) = end.map_or((chunk.len(), chunk.len()), |end| (end, end + 1));
            let part = chunk.get(..taken).unwrap_or_default();
            self.hasher.update(chunk.get(..used).unwrap_or_default());
            let room = LINE_BYTES_MAX - self.bytes.len();
            if part.len() > room {
                extent = Extent::Cut;
            }
            self.bytes.extend(part.iter().take(room));
            self.input.consume(used);
            if end.is_some() {
                break;
            }
        }
        if !read_any {
            return Ok(None);
        }
        if self.bytes.last() == Some(&b'\r') {
            self.bytes.pop();
        }
        self.number = self.number.saturating_add(1);
        Ok(Some(extent))
    }

    /// The line that was read last.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its number, the first line of the file being 1.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A hash over everything that was read so far: two readings of one unchanged file give the same.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        *self.hasher.finalize().as_bytes()
    }
}

fn broken(gzip: bool, path: &Path, lines: u32, source: io::Error) -> FileError {
    let path = path.to_owned();
    if !gzip {
        return FileError::Read { path, source };
    }
    if source.kind() == ErrorKind::UnexpectedEof {
        return FileError::Truncated { path, lines };
    }
    FileError::Damaged { path, lines, source }
}

/// Reads a whole small file, such as a token.
///
/// # Errors
/// Whatever the operating system says, or a file over `bytes_max`.
pub fn read_small(path: &Path, bytes_max: u64) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(bytes_max + 1).read_to_string(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read <= bytes_max) {
        return Ok(text);
    }
    Err(io::Error::new(ErrorKind::InvalidData, format!("longer than {bytes_max} bytes")))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn written(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sales.csv");
        fs::write(&path, content).unwrap();
        (folder, path)
    }

    fn read(content: &[u8]) -> Result<Vec<String>, FileError> {
        let (_folder, path) = written(content);
        let mut lines = Lines::open(&path)?;
        let mut read = Vec::new();
        while lines.next_line()?.is_some() {
            assert_eq!(lines.number() as usize, read.len() + 1);
            read.push(String::from_utf8_lossy(lines.bytes()).into_owned());
        }
        Ok(read)
    }

    fn packed(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    /// Lines that gzip cannot make small, so that a cut falls in the middle of them.
    fn noise() -> Vec<u8> {
        (0..4_000_u32).flat_map(|n| format!("{}\n", blake3::hash(&n.to_be_bytes())).into_bytes()).collect()
    }

    #[test]
    fn line_breaks_of_either_kind_and_a_byte_order_mark_are_no_content() {
        assert_eq!(read(b"\xEF\xBB\xBFa\r\nb\n\nc").unwrap(), ["a", "b", "", "c"]);
    }

    #[test]
    fn gzip_is_known_by_its_first_bytes_and_may_have_several_members() {
        let mut two = packed(b"a\nb\n");
        two.extend(packed(b"c\n"));
        assert_eq!(read(&two).unwrap(), ["a", "b", "c"]);
    }

    #[test]
    fn a_gzip_file_that_is_cut_or_damaged_is_named_so() {
        let whole = packed(&noise());
        assert!(matches!(read(&whole[..whole.len() / 2]), Err(FileError::Truncated { lines: 1.., .. })));
        assert!(matches!(read(&whole[..whole.len() - 4]), Err(FileError::Truncated { .. })));
        let mut damaged = whole.clone();
        let at = damaged.len() - 6;
        damaged[at] ^= 0xFF;
        assert!(matches!(read(&damaged), Err(FileError::Damaged { .. })));
    }

    #[test]
    fn what_is_no_text_file_is_named_by_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Lines::open(folder.path()), Err(FileError::NotAFile { what: "a folder", .. })));
        assert!(matches!(Lines::open(&folder.path().join("none.csv")), Err(FileError::NotFound { .. })));
        assert!(matches!(read(b""), Err(FileError::Empty { .. })));
        assert!(matches!(read(&packed(b"")), Err(FileError::Empty { .. })));
        for (magic, _) in OTHER_FORMATS {
            assert!(matches!(read(&[magic, &b"rest"[..]].concat()), Err(FileError::OtherFormat { .. })), "{magic:?}");
        }
    }

    #[test]
    fn a_line_over_the_limit_is_cut_and_the_next_is_whole() {
        let (_folder, path) = written(&[vec![b'x'; LINE_BYTES_MAX + 1], b"\nshort\n".to_vec()].concat());
        let mut lines = Lines::open(&path).unwrap();
        assert_eq!(lines.next_line().unwrap(), Some(Extent::Cut));
        assert_eq!(lines.bytes().len(), LINE_BYTES_MAX);
        assert_eq!((lines.next_line().unwrap(), lines.bytes()), (Some(Extent::Whole), &b"short"[..]));
        assert_eq!(lines.next_line().unwrap(), None);
    }

    #[test]
    fn the_hash_is_that_of_the_whole_content() {
        let hash = |content: &[u8]| {
            let (_folder, path) = written(content);
            let mut lines = Lines::open(&path).unwrap();
            while lines.next_line().unwrap().is_some() {}
            lines.hash()
        };
        assert_eq!(hash(b"a\nb\n"), hash(b"a\nb\n"));
        assert_ne!(hash(b"a\nb\n"), hash(b"a\nb"));
        assert_ne!(hash(b"a\nb\n"), hash(b"a\nc\n"));
    }
}
