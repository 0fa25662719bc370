//! LMDB's own copy of its pages, through a pipe: the bytes that come out of it are counted, and the copy can be
//! stopped at any time.

use super::BackupError;
use crate::environment::Environment;
use crate::error::backend;
use heed::{CompactionOption, Error, MdbError};
use midgard::store::{Full, StoreError};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// How many bytes are written at once.
const CHUNK: u64 = 1 << 20;

/// Passes the current pages of the store to `write`, chunk by chunk. An error of `write` ends the copy.
pub(super) fn copy(
    environment: &Environment,
    option: CompactionOption,
    mut write: impl FnMut(&[u8]) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    while let Copied::Outgrown(map_size) = try_copy(environment, option, &mut write)? {
        environment.grow(map_size)?;
    }
    Ok(())
}

enum Copied {
    All,
    /// Another process made the file larger than the map, which has this size. Nothing was written.
    Outgrown(usize),
}

fn try_copy(
    environment: &Environment,
    option: CompactionOption,
    write: &mut impl FnMut(&[u8]) -> Result<(), BackupError>,
) -> Result<Copied, BackupError> {
    let failed = |cause: io::Error| StoreError::Backend {
        action: "copy its pages",
        cause: cause.into(),
    };
    let guard = environment.access()?;
    let open = guard.get()?;
    let last_transaction = open.env.info().last_txn_id;
    let _hold = environment.hold();
    let (reader, writer) = io::pipe().map_err(failed)?;
    let valve = Valve(Mutex::new(Some(writer.try_clone().map_err(failed)?)));
    let copied = thread::scope(|scope| {
        let copier = thread::Builder::new()
            .name("midgard-lmdb-backup".to_owned())
            .spawn_scoped(scope, || {
                let mut pages = file_of(writer);
                let copied = open.env.copy_to_file(&mut pages, option);
                drop(pages);
                // Now that nobody can write to the pipe any more, it ends.
                valve.take();
                copied
            });
        let copier = copier.map_err(failed)?;
        Pages {
            reader: Some(reader),
            valve: &valve,
        }
        .read(write)?;
        Ok::<_, BackupError>(copier.join())
    })?;
    match copied {
        Ok(Ok(())) => {
            open.expect_unwritten(environment.files(), last_transaction)?;
            Ok(Copied::All)
        }
        Ok(Err(Error::Mdb(MdbError::MapResized))) => Ok(Copied::Outgrown(open.map_size)),
        Ok(Err(Error::Mdb(MdbError::ReadersFull))) => {
            let slots = open.env.max_readers();
            Err(StoreError::Full(Full::Readers { slots }).into())
        }
        Ok(Err(Error::Mdb(MdbError::Incompatible))) => Err(StoreError::Backend {
            action: "compact its pages",
            cause: "some are neither used nor free; make a backup that does not compact".into(),
        }
        .into()),
        Ok(Err(error)) => Err(backend("copy its pages")(error).into()),
        Err(_) => Err(failed(io::Error::other("the thread that copies panicked")).into()),
    }
}

/// A second handle to the end of the pipe that LMDB writes to: with it, writing can be made to fail.
struct Valve(Mutex<Option<PipeWriter>>);

impl Valve {
    fn take(&self) -> Option<PipeWriter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The end of the pipe that pages come out of. Dropping it early makes LMDB's copy end.
struct Pages<'v> {
    reader: Option<PipeReader>,
    valve: &'v Valve,
}

impl Pages<'_> {
    fn read(
        mut self,
        write: &mut impl FnMut(&[u8]) -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        let mut chunk = Vec::new();
        while let Some(reader) = &mut self.reader {
            chunk.clear();
            let read = reader.by_ref().take(CHUNK).read_to_end(&mut chunk);
            read.map_err(|cause| StoreError::Backend {
                action: "copy its pages",
                cause: cause.into(),
            })?;
            match chunk.len() {
                0 => self.reader = None,
                _ => write(&chunk)?,
            }
        }
        Ok(())
    }
}

impl Drop for Pages<'_> {
    fn drop(&mut self) {
        if let (Some(reader), Some(writer)) = (&mut self.reader, self.valve.take()) {
            stop(reader, writer);
        }
    }
}

/// Makes LMDB's writes to a pipe fail. A pipe without a reader would do so too, but with a signal, which ends
/// programs that do not ignore it.
#[cfg(unix)]
fn stop(reader: &mut PipeReader, writer: PipeWriter) {
    if let Err(error) = rustix::io::ioctl_fionbio(&writer, true) {
        tracing::warn!(%error, "a copy that was stopped continues to its end");
        drop(writer);
        let _ = io::copy(reader, &mut io::sink());
        return;
    }
    drop(writer);
    // LMDB may be waiting for room. A pipe that it fills now stays full.
    let _ = reader.read(&mut [0; 1 << 16]);
}

/// Makes LMDB's writes to a pipe fail, because nobody reads from it: the reader is dropped after this.
#[cfg(not(unix))]
fn stop(_: &mut PipeReader, writer: PipeWriter) {
    drop(writer);
}

#[cfg(unix)]
fn file_of(writer: PipeWriter) -> File {
    std::os::fd::OwnedFd::from(writer).into()
}

#[cfg(windows)]
fn file_of(writer: PipeWriter) -> File {
    std::os::windows::io::OwnedHandle::from(writer).into()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_copy_that_is_stopped_does_not_go_on_to_its_end() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        let valve = writer.try_clone().unwrap();
        let copier =
            thread::spawn(move || (0..1 << 14).try_for_each(|_| writer.write_all(&[0; 1 << 14])));
        reader.read_exact(&mut [0; 1 << 16]).unwrap();
        stop(&mut reader, valve);
        // Nobody reads any more, and yet it does not wait, nor is it told that nobody does.
        let error = copier.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}
