//! The objects of a file, one after the other, without looking into them: where one ends is seen by its brackets and
//! quotes alone, so that no more than one has to be in memory.

use crate::error::{Error, Result};
use crate::exchange::Format;
use crate::exchange::file::SourceFile;

/// What is read at a time.
const CHUNK: usize = 1 << 20;
/// Most bytes of one row's text.
const MAX_ROW: usize = 64 << 20;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What surrounds the rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    /// Objects with white space between them.
    Lines,
    /// `[{},{}]`.
    List,
    /// `{"rows":[{},{}]}`.
    Wrapped,
}

/// The rows of a file.
pub struct Split {
    file: SourceFile,
    format: Format,
    /// Known once the first byte was seen.
    form: Option<Form>,
    chunk: Vec<u8>,
    /// The next byte in the chunk, and the place of the chunk's end in the file.
    at: usize,
    end: u64,
    rows: u64,
    is_over: bool,
}

impl Split {
    pub fn new(file: SourceFile, format: Format) -> Split {
        Split { file, format, form: None, chunk: Vec::new(), at: 0, end: 0, rows: 0, is_over: false }
    }

    /// Bytes of the file, and those that were read.
    pub fn total(&self) -> u64 {
        self.file.len()
    }

    pub fn done(&self) -> u64 {
        self.end - (self.chunk.len() - self.at) as u64
    }

    /// Adds the text of the next object to `out`; says whether there was one.
    pub fn next(&mut self, out: &mut Vec<u8>) -> Result<bool> {
        if self.is_over {
            return Ok(false);
        }
        let form = match self.form {
            Some(form) => form,
            None => self.begin()?,
        };
        let mut next = self.after_space()?;
        if form != Form::Lines {
            if next == Some(b']') {
                self.close(form)?;
                return Ok(false);
            }
            if self.rows > 0 {
                if next != Some(b',') {
                    return Err(self.unexpected(next, "a comma or the end of the list"));
                }
                self.at += 1;
                next = self.after_space()?;
            }
        }
        match next {
            Some(b'{') => self.object(out)?,
            None if form == Form::Lines => {
                self.is_over = true;
                return Ok(false);
            }
            other => return Err(self.unexpected(other, "an object")),
        }
        self.rows += 1;
        Ok(true)
    }

    /// Reads what stands before the first row.
    fn begin(&mut self) -> Result<Form> {
        self.peek()?;
        if self.chunk.starts_with(BYTE_ORDER_MARK) {
            self.at += BYTE_ORDER_MARK.len();
        }
        let form = match (self.format, self.after_space()?) {
            (Format::JsonLines, _) => Form::Lines,
            (_, Some(b'[')) => Form::List,
            _ => Form::Wrapped,
        };
        if form == Form::Wrapped {
            for part in ["{", "\"rows\"", ":"] {
                self.after_space()?;
                for expected in part.bytes() {
                    self.expect(expected, "an object with the one key \"rows\", or a list of rows")?;
                }
            }
        }
        if form != Form::Lines {
            self.after_space()?;
            self.expect(b'[', "a list of rows")?;
        }
        self.form = Some(form);
        Ok(form)
    }

    /// Reads what stands after the last row.
    fn close(&mut self, form: Form) -> Result<()> {
        self.expect(b']', "the end of the list")?;
        if form == Form::Wrapped {
            self.after_space()?;
            self.expect(b'}', "the end of the object")?;
        }
        self.is_over = true;
        match self.after_space()? {
            None => Ok(()),
            other => Err(self.unexpected(other, "nothing more")),
        }
    }

    /// Copies from an opening bracket to the one that closes it.
    fn object(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        let (mut depth, mut in_text, mut is_escaped) = (0u64, false, false);
        while let Some(byte) = self.peek()? {
            self.at += 1;
            out.push(byte);
            if out.len() - start > MAX_ROW {
                return Err(Error::invalid(format!("row {} is longer than {MAX_ROW} bytes", self.rows)));
            }
            if in_text {
                in_text = byte != b'"' || is_escaped;
                is_escaped = byte == b'\\' && !is_escaped;
                continue;
            }
            match byte {
                b'"' => in_text = true,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(());
            }
        }
        Err(Error::invalid(format!("row {} has no end", self.rows)))
    }

    fn expect(&mut self, byte: u8, what: &str) -> Result<()> {
        match self.peek()? {
            Some(found) if found == byte => {
                self.at += 1;
                Ok(())
            }
            other => Err(self.unexpected(other, what)),
        }
    }

    fn unexpected(&self, found: Option<u8>, wanted: &str) -> Error {
        let found = match found {
            Some(byte) if byte.is_ascii_graphic() => format!("'{}'", byte as char),
            Some(byte) => format!("byte 0x{byte:02x}"),
            None => "the end of the file".to_owned(),
        };
        Error::invalid(format!("row {}: {found} at byte {} should be {wanted}", self.rows, self.done()))
    }

    /// The next byte that is no white space; it stays the next.
    fn after_space(&mut self) -> Result<Option<u8>> {
        while let Some(byte) = self.peek()? {
            if !byte.is_ascii_whitespace() {
                return Ok(Some(byte));
            }
            self.at += 1;
        }
        Ok(None)
    }

    fn peek(&mut self) -> Result<Option<u8>> {
        if self.at == self.chunk.len() {
            self.chunk = self.file.up_to(self.end, CHUNK).map_err(|e| self.file.failed(e))?;
            self.end += self.chunk.len() as u64;
            self.at = 0;
        }
        Ok(self.chunk.get(self.at).copied())
    }
}
