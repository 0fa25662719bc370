//! The processes of one server, which never outlive this program.

use crate::ServerError;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Waits until this program closes the pipe, by itself or because it was killed. Then kills the last process group
/// that it was given, and removes the directory. Killed processes may still write for a moment, so the removal is
/// retried.
const WATCH: &str = r#"
group=
while read -r line; do group=$line; done
[ -z "$group" ] || kill -s KILL -- "-$group"
tries=0
until rm -rf -- "$1" || [ "$tries" -eq 100 ]; do
    tries=$((tries + 1))
    sleep 0.1
done
"#;

const STOPS_WITHIN: Duration = Duration::from_secs(60);
const LOG_LINES: usize = 20;

/// The processes and the directory of one server.
#[derive(Debug)]
pub(crate) struct Processes {
    what: &'static str,
    directory: TempDir,
    watcher: Child,
    /// In the order in which they started. The first leads the process group of all, and the last is the server.
    members: Vec<Child>,
}

impl Processes {
    /// Creates a directory for the server `what`, and starts to watch over it.
    pub(crate) fn new(what: &'static str) -> Result<Self, ServerError> {
        let directory = tempfile::Builder::new()
            .prefix(&format!("midgard-{what}-"))
            .tempdir()
            .map_err(ServerError::prepare(what, "making its directory"))?;
        let watcher = Command::new("sh")
            .args(["-c", WATCH, "watch"])
            .arg(directory.path())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(ServerError::prepare(what, "starting sh to watch over it"))?;
        Ok(Self {
            what,
            directory,
            watcher,
            members: Vec::new(),
        })
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts one more process of the server. Its output goes to the log.
    pub(crate) fn start(&mut self, command: &mut Command) -> Result<(), ServerError> {
        let prepare = |action| ServerError::prepare(self.what, action);
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.log_file())
            .map_err(prepare("opening its log"))?;
        let errors = log.try_clone().map_err(prepare("opening its log"))?;
        // The first one gets a group of its own.
        let leader = self.members.first().map_or(0, Child::id);
        let member = command
            .process_group(leader.cast_signed())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(prepare("starting its program"))?;
        if leader == 0 {
            self.tell_watcher(&member.id().to_string());
        }
        self.members.push(member);
        Ok(())
    }

    /// Waits until `ready` holds, unless the server ends first.
    pub(crate) fn wait_until(
        &mut self,
        limit: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> Result<(), ServerError> {
        let started = Instant::now();
        while !ready() {
            if self.has_ended() {
                return Err(ServerError::Ended {
                    what: self.what,
                    status: self.kill().unwrap_or_default(),
                    log: self.end_of_log(),
                });
            }
            if started.elapsed() > limit {
                self.kill();
                return Err(ServerError::Silent {
                    what: self.what,
                    waited: limit,
                    log: self.end_of_log(),
                });
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Kills all processes at once, and returns when none is left. Returns how the server ended, if there was one.
    pub(crate) fn kill(&mut self) -> Option<ExitStatus> {
        if let Some(leader) = self.members.first().and_then(pid) {
            // It fails when all have ended already, which is fine.
            let _ = kill_process_group(leader, Signal::KILL);
        }
        // Before waiting for the leader, since its number may belong to another process afterwards.
        self.tell_watcher("");
        let mut end = None;
        for mut member in self.members.drain(..) {
            end = member.wait().ok();
        }
        end
    }

    /// Does what [`kill`](Self::kill) does, also to processes of the server that have left its group.
    pub(crate) fn kill_with_descendants(&mut self) {
        let server = self.members.last().map(Child::id);
        let descendants = server.map(children_of).unwrap_or_default();
        self.kill();
        // They end by themselves soon after the server, but may do some more work before.
        for child in descendants.into_iter().filter_map(Pid::from_raw) {
            let _ = kill_process(child, Signal::KILL);
            while rustix::process::test_kill_process(child).is_ok() {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Asks the server to stop, and waits until it has.
    pub(crate) fn stop(&mut self) -> Result<(), ServerError> {
        self.stop_by(Signal::TERM)
    }

    /// Asks the server to stop without waiting for its clients, and waits until it has.
    pub(crate) fn interrupt(&mut self) -> Result<(), ServerError> {
        self.stop_by(Signal::INT)
    }

    fn stop_by(&mut self, signal: Signal) -> Result<(), ServerError> {
        let Some(server) = self.members.last().and_then(pid) else {
            return Ok(());
        };
        // It fails when the server has ended already, which the loop sees.
        let _ = kill_process(server, signal);
        let started = Instant::now();
        while !self.has_ended() {
            if started.elapsed() > STOPS_WITHIN {
                self.kill();
                return Err(ServerError::Unstoppable {
                    what: self.what,
                    waited: STOPS_WITHIN,
                    log: self.end_of_log(),
                });
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.kill();
        Ok(())
    }

    /// Returns whether the server has ended. The process is not reaped, so its number stays its own.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let server = self.members.last().and_then(pid);
        server.is_none_or(|server| !matches!(waitid(WaitId::Pid(server), options), Ok(None)))
    }

    /// Returns whether the server was started and has not ended.
    pub(crate) fn is_running(&self) -> bool {
        !self.has_ended()
    }

    fn log_file(&self) -> PathBuf {
        self.directory().join("log")
    }

    fn end_of_log(&self) -> String {
        let log = fs::read(self.log_file()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    /// Tells the watcher which process group to kill when this program ends.
    fn tell_watcher(&mut self, group: &str) {
        if let Some(pipe) = &mut self.watcher.stdin {
            // It fails only if somebody killed the watcher.
            let _ = writeln!(pipe, "{group}");
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.kill();
        // The pipe closes, and the watcher removes the directory.
        let _ = self.watcher.wait();
    }
}

fn pid(child: &Child) -> Option<Pid> {
    Pid::from_raw(child.id().cast_signed())
}

/// Returns the processes that a process has started and that have not ended.
fn children_of(parent: u32) -> Vec<i32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = all.filter_map(|process| process.file_name().to_str()?.parse().ok());
    numbers
        .filter(|process: &i32| {
            let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
            let mut lines = status.lines();
            let line = lines.find_map(|line| line.strip_prefix("PPid:"));
            line.is_some_and(|number| number.trim().parse() == Ok(parent))
        })
        .collect()
}

/// Runs `command` to its end and returns its output. If it fails, the output is in the error.
pub(crate) fn run(command: &mut Command) -> io::Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(io::Error::other(format!(
        "{command:?} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    )))
}
