//! Locks on the files of a store: LMDB's own, and additional ones.
//!
//! LMDB has locks on `lock.mdb` that belong to the process: the first byte is locked as long as the store is open,
//! and from the first read on also the byte whose number is the process id. The system releases both when the process
//! closes *any* file that it opened there. Locks of open files (`F_OFD_SETLK`) do not have that flaw. LMDB takes
//! none, so they are free for what LMDB's locks cannot do.

#[cfg(target_os = "linux")]
pub(crate) use linux::{NameSpace, is_held, is_held_by_this_process, is_open_elsewhere};
#[cfg(not(target_os = "linux"))]
pub(crate) use others::{NameSpace, is_held, is_held_by_this_process, is_open_elsewhere};

#[cfg(target_os = "linux")]
mod linux {
    use nix::errno::Errno;
    use nix::fcntl::{FcntlArg, fcntl};
    use nix::libc::{F_RDLCK, F_UNLCK, F_WRLCK, SEEK_SET, flock};
    use std::fs::{self, File};
    use std::io;

    /// Returns whether any process has a file of the store open, as shown by LMDB's locks.
    pub(crate) fn is_held(lock_file: &File) -> bool {
        // If the system does not answer, assume that it is.
        is_locked(lock_file, 0, 1).unwrap_or(true)
    }

    /// Returns whether this process has the lock that LMDB takes with the first read.
    pub(crate) fn is_held_by_this_process(lock_file: &File) -> bool {
        is_locked(lock_file, i64::from(std::process::id()), 1).unwrap_or(true)
    }

    /// Returns whether other processes have a store open that is read without locks here. Its lock file helps where
    /// it can be read: not all processes have a lock on the data file.
    pub(crate) fn is_open_elsewhere(
        data_file: &File,
        lock_file: Option<&File>,
    ) -> io::Result<bool> {
        Ok(is_locked(data_file, FIRST, BYTES)?
            || match lock_file {
                Some(file) => is_locked(file, 0, 1)?,
                None => false,
            })
    }

    /// Returns whether someone other than this open file has a lock on some bytes; the process itself counts as
    /// another.
    fn is_locked(file: &File, start: i64, length: i64) -> io::Result<bool> {
        let mut lock = lock(F_WRLCK, start, length);
        fcntl(file, FcntlArg::F_OFD_GETLK(&mut lock))?;
        Ok(i32::from(lock.l_type) != F_UNLCK)
    }

    const fn lock(kind: i32, start: i64, length: i64) -> flock {
        flock {
            l_type: kind as i16,
            l_whence: SEEK_SET as i16,
            l_start: start,
            l_len: length,
            l_pid: 0,
        }
    }

    /// A namespace of process ids, such as that of a container.
    ///
    /// LMDB identifies other processes by their ids; across namespaces it would take two processes for one, or a live
    /// one for dead. So all processes that have a store open must share a namespace. Each locks a byte of `data.mdb`,
    /// far behind its end, whose number is that of its namespace, and checks whether another such byte is locked. The
    /// system releases the lock with the process.
    pub(crate) struct NameSpace(i64);

    /// Behind the end of any file.
    const FIRST: i64 = 1 << 62;
    /// More than any number of a namespace.
    const BYTES: i64 = 1 << 33;

    impl NameSpace {
        /// Returns the namespace of this process; `None` where the system does not report it.
        pub(crate) fn here() -> Option<Self> {
            use std::os::unix::fs::MetadataExt;
            let number = fs::metadata("/proc/self/ns/pid").ok()?.ino();
            i64::try_from(number)
                .ok()
                .filter(|number| (1..BYTES - 1).contains(number))
                .map(NameSpace)
        }

        /// Locks its byte as long as the file is open. Returns whether no other namespace has done so, as far as the
        /// file system supports such locks.
        pub(crate) fn is_the_only_one(&self, data_file: &File) -> io::Result<bool> {
            let NameSpace(number) = self;
            let own = lock(F_RDLCK, FIRST + number, 1);
            match fcntl(data_file, FcntlArg::F_OFD_SETLK(&own)) {
                Ok(_) => {}
                Err(Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => return Ok(true),
                Err(error) => return Err(error.into()),
            }
            let before = is_locked(data_file, FIRST, *number)?;
            let after = is_locked(data_file, FIRST + number + 1, BYTES - number - 1)?;
            Ok(!before && !after)
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn processes_of_two_name_spaces_see_each_other_and_those_of_one_do_not() {
            let file = tempfile::NamedTempFile::new().unwrap();
            let (first, second, third) = (
                file.reopen().unwrap(),
                file.reopen().unwrap(),
                file.reopen().unwrap(),
            );
            let (here, there) = (NameSpace(4_026_531_836), NameSpace(4_026_532_000));
            assert!(here.is_the_only_one(&first).unwrap());
            assert!(here.is_the_only_one(&second).unwrap());
            assert!(!there.is_the_only_one(&third).unwrap());
            drop((first, second, third));
            assert!(there.is_the_only_one(&file.reopen().unwrap()).unwrap());
        }
    }
}

/// Systems whose files have no locks of their own, or that have no namespaces of processes.
#[cfg(not(target_os = "linux"))]
mod others {
    use std::fs::File;
    use std::io;

    pub(crate) fn is_held(_: &File) -> bool {
        true
    }

    pub(crate) fn is_held_by_this_process(_: &File) -> bool {
        true
    }

    pub(crate) fn is_open_elsewhere(_: &File, _: Option<&File>) -> io::Result<bool> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this system cannot report whether others have it open",
        ))
    }

    pub(crate) struct NameSpace;

    impl NameSpace {
        pub(crate) fn here() -> Option<Self> {
            None
        }

        pub(crate) fn is_the_only_one(&self, _: &File) -> io::Result<bool> {
            Ok(true)
        }
    }
}
