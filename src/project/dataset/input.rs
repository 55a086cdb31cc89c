//! The bytes of a dataset's file, plain or unpacked while they are read.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::project::why;

/// An open file.
#[derive(Debug)]
pub(super) enum Input {
    /// As it is.
    Plain(File),
    /// Unpacked while it is read; it can only be read once.
    Packed(Box<MultiGzDecoder<BufReader<File>>>),
}

impl Input {
    /// Opens a file.
    pub(super) fn open(path: &Path, is_packed: bool) -> Result<Input, String> {
        let file = File::open(path).map_err(|error| why(&error))?;
        let data = file.metadata().map_err(|error| why(&error))?;
        if data.is_dir() {
            return Err("it is a directory".to_owned());
        }
        Ok(if is_packed {
            Input::Packed(Box::new(MultiGzDecoder::new(BufReader::new(file))))
        } else {
            Input::Plain(file)
        })
    }

    /// The same bytes where one can go back to earlier ones: what is packed is unpacked into a file
    /// that has no name and ends with this process.
    pub(super) fn seekable(self) -> io::Result<Input> {
        match self {
            Input::Plain(file) if file.metadata()?.is_file() => Ok(Input::Plain(file)),
            mut once => {
                let mut unpacked = tempfile::tempfile()?;
                io::copy(&mut once, &mut unpacked)?;
                unpacked.rewind()?;
                Ok(Input::Plain(unpacked))
            }
        }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Input::Plain(file) => file.read(buffer),
            Input::Packed(decoder) => decoder.read(buffer),
        }
    }
}

impl Seek for Input {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Input::Plain(file) => file.seek(to),
            Input::Packed(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}
