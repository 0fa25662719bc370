//! No process and no file of a server outlives the program that started it, however that ends.
//!
//! A program here is this test program, started again with a directory for temporary files of its own. All processes
//! of its servers have that in their environment or among their arguments.
#![allow(clippy::unwrap_used)]

use midgard_test_servers::{
    nats, postgres, rabbitmq, shared_nats, shared_postgres, shared_rabbitmq,
};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const CHILD: &str = "MIDGARD_TEST_CHILD";

/// A program that has servers, and the directory of their files.
struct Program {
    process: Child,
    directory: TempDir,
}

impl Program {
    /// Starts the test `name` as a program, and waits until it has its servers. `None` if they are not installed.
    fn start(name: &str) -> Option<Self> {
        let directory = TempDir::new().unwrap();
        // Servers may run as another user.
        fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", name])
            .env(CHILD, "1")
            .env("TMPDIR", directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.as_mut().unwrap());
        let has_servers = output
            .lines()
            .map_while(Result::ok)
            .any(|line| line.ends_with(HAS_SERVERS));
        if !has_servers {
            let status = process.wait().unwrap();
            assert!(status.success(), "{status}");
            return None;
        }
        Some(Self { process, directory })
    }

    /// The processes that belong to the servers, including the one that watches over them.
    fn processes(&self) -> Vec<String> {
        processes_of(self.directory.path(), self.process.id())
    }

    /// Waits until nothing is left, which those processes see to that outlive the program for a moment.
    fn assert_nothing_left(&self) {
        let started = Instant::now();
        loop {
            let processes = self.processes();
            let files = fs::read_dir(&self.directory).unwrap().count();
            if processes.is_empty() && files == 0 {
                return;
            }
            assert!(
                started.elapsed() < Duration::from_secs(180),
                "{files} files and {processes:#?}"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }
}

const HAS_SERVERS: &str = "has its servers";

/// In the program: says that it has servers, and waits to be killed or for leave to go on.
fn say_and_wait() {
    let said = std::io::stdout().write_all(format!("\n{HAS_SERVERS}\n").as_bytes());
    said.unwrap();
    let _ = std::io::stdin().read(&mut [0]);
}

/// The living processes that mention `directory`, apart from `except`.
fn processes_of(directory: &Path, except: u32) -> Vec<String> {
    let directory = directory.to_str().unwrap();
    let text = |path: &Path, file: &str| {
        let bytes = fs::read(path.join(file)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    };
    fs::read_dir("/proc")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str() != Some(&except.to_string()))
        .filter(|path| path.join("environ").exists())
        .filter(|path| (text(path, "environ") + &text(path, "cmdline")).contains(directory))
        .map(|path| text(&path, "cmdline"))
        .collect()
}

fn is_program() -> bool {
    std::env::var_os(CHILD).is_some()
}

#[test]
fn after_the_program_was_killed() {
    let name = "after_the_program_was_killed";
    if is_program() {
        let _own = nats(name);
        if shared_rabbitmq(name).is_some()
            && shared_nats(name).is_some()
            && shared_postgres(name).is_some()
        {
            say_and_wait();
        }
        return;
    }
    let Some(mut program) = Program::start(name) else {
        return;
    };
    // Two of NATS; the virtual machine of Erlang, its name service and its helpers; PostgreSQL; four that watch.
    let processes = program.processes();
    assert!(processes.len() >= 9, "{processes:#?}");
    program.process.kill().unwrap();
    program.process.wait().unwrap();
    program.assert_nothing_left();
}

#[test]
fn after_the_program_ended() {
    let name = "after_the_program_ended";
    if is_program() {
        if shared_rabbitmq(name).is_some()
            && shared_nats(name).is_some()
            && shared_postgres(name).is_some()
        {
            say_and_wait();
        }
        return;
    }
    let Some(mut program) = Program::start(name) else {
        return;
    };
    program.process.stdin.take();
    assert!(program.process.wait().unwrap().success());
    program.assert_nothing_left();
}

#[test]
fn after_the_servers_were_dropped() {
    let name = "after_the_servers_were_dropped";
    if is_program() {
        if rabbitmq(name).is_some() && nats(name).is_some() && postgres(name).is_some() {
            say_and_wait();
        }
        return;
    }
    let Some(mut program) = Program::start(name) else {
        return;
    };
    program.assert_nothing_left();
    program.process.stdin.take();
    assert!(program.process.wait().unwrap().success());
}
