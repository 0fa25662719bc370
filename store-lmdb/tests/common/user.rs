//! What a process may do: as another user, on a file system that is mounted read-only, with a small disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

/// Makes the file system of the directory that a child works in read-only.
pub(crate) const READ_ONLY_MOUNT: &str = "exec unshare --map-root-user --mount sh -c \
    'mount --bind \"$MIDGARD_TEST_CHILD\" \"$MIDGARD_TEST_CHILD\" \
    && mount -o remount,bind,ro \"$MIDGARD_TEST_CHILD\" && exec \"$0\" \"$@\"' \"$0\" \"$@\";";

/// Puts a disk of 8 MiB in the place of the directory that a child works in.
pub(crate) const SMALL_DISK: &str = "exec unshare --map-root-user --mount sh -c \
    'mount -t tmpfs -o size=8m none \"$MIDGARD_TEST_CHILD\" && exec \"$0\" \"$@\"' \"$0\" \"$@\";";

/// Makes a child a process of a user who has no rights but those of everybody. Where this process has none either, it stays what
/// it is.
pub(crate) fn unprivileged() -> &'static str {
    let id = Command::new("id").arg("-u").output().unwrap();
    match id.stdout.as_slice() {
        b"0\n" => {
            "exec setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps -all \"$0\" \"$@\";"
        }
        _ => "",
    }
}

/// Whether a file system can be mounted here; it must be where `CI` is set.
pub(crate) fn can_mount() -> bool {
    can_unshare("--mount")
}

/// Whether a process can be started in another name space here; it must be where `CI` is set.
pub(crate) fn can_unshare(options: &str) -> bool {
    let made = Command::new("unshare")
        .arg("--map-root-user")
        .args(options.split(' '))
        .arg("true")
        .status();
    if made.is_ok_and(|status| status.success()) {
        return true;
    }
    let reason = format!("unshare {options} (util-linux) is not allowed here");
    assert!(std::env::var_os("CI").is_none(), "{reason}");
    eprintln!("left out: {reason}");
    false
}

/// Says who may read and write a file or directory, whatever the umask is.
pub(crate) fn chmod(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Everything that can be seen of a directory and the files in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) modified: SystemTime,
    mode: u32,
    pub(crate) files: Vec<(String, SystemTime, u32, Vec<u8>)>,
}

impl Seen {
    pub(crate) fn of(directory: &Path) -> Self {
        let mut files: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|file| {
                let (path, name) = file.map(|file| (file.path(), file.file_name())).unwrap();
                let modified = fs::metadata(&path).unwrap().modified().unwrap();
                let name = name.into_string().unwrap();
                (name, modified, mode(&path), fs::read(path).unwrap())
            })
            .collect();
        files.sort();
        Seen {
            modified: fs::metadata(directory).unwrap().modified().unwrap(),
            mode: mode(directory),
            files,
        }
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.files.iter().map(|(name, ..)| name.as_str()).collect()
    }
}
