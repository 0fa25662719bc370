//! Processes that can be talked to.

use super::child_command;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Longer than anything takes that works.
pub(crate) const LONG: Duration = Duration::from_secs(180);

/// A further process of this program that runs one test and can be talked to. It is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    all: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts the test `name` as a process, with some more variables in its environment.
    pub(crate) fn start(name: &str, directory: &Path, variables: &[(&str, &str)]) -> Self {
        Self::start_in("", name, directory, variables)
    }

    /// The same, with commands of a shell before it.
    pub(crate) fn start_in(
        shell: &str,
        name: &str,
        directory: &Path,
        variables: &[(&str, &str)],
    ) -> Self {
        let mut child = child_command(name, directory, shell)
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        let all = Arc::<Mutex<Vec<String>>>::default();
        let heard = all.clone();
        // Read all the time, so that the process never waits for somebody to read.
        let reader = thread::spawn(move || {
            for line in output.lines() {
                let line = line.unwrap();
                heard.lock().unwrap().push(line.clone());
                let _ = sender.send(line);
            }
        });
        Process {
            child,
            lines,
            all,
            reader: Some(reader),
        }
    }

    /// The rest of the next line with these words. The test harness may have written its own before them.
    pub(crate) fn next(&self, words: &str) -> String {
        let next = self.next_within(words, LONG);
        next.unwrap_or_else(|| panic!("the process never said \"{words}\""))
    }

    /// The same, if it comes in time.
    pub(crate) fn next_within(&self, words: &str, time: Duration) -> Option<String> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).ok()?;
            if let Some((_, rest)) = line.split_once(words) {
                return Some(rest.to_owned());
            }
        }
    }

    /// The rests of all lines with these words so far, whether they were looked at or not.
    pub(crate) fn said(&self, words: &str) -> Vec<String> {
        let all = self.all.lock().unwrap();
        let rests = all.iter().filter_map(|line| line.split_once(words));
        rests.map(|(_, rest)| rest.to_owned()).collect()
    }

    /// Says a line to it.
    pub(crate) fn say(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
        input.flush().unwrap();
    }

    /// Sends it a signal, such as `STOP`.
    pub(crate) fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(status.success());
    }

    /// Kills it with signal 9; what it said before is all there then.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.end();
    }

    /// Whether a thread of it holds LMDB's lock of the one writer of the store in a directory: whether it is in a transaction that
    /// writes. The lock file says which thread does.
    #[cfg(target_os = "linux")]
    pub(crate) fn is_writing(&self, directory: &Path) -> bool {
        // By another process: to close the file would give up the locks that this one has on it.
        let lock = Command::new("cat").arg(directory.join("lock.mdb")).output();
        let lock = lock.unwrap().stdout;
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let mut threads = threads.unwrap().map(|thread| {
            let name = thread.unwrap().file_name();
            name.to_str().unwrap().parse::<u32>().unwrap()
        });
        threads.any(|thread| {
            // The first thread has the number of the process, which stands in the slots of readers, and writes nothing.
            let is_here = |word: &[u8]| word == thread.to_le_bytes();
            thread != self.child.id() && lock.chunks_exact(4).any(is_here)
        })
    }

    /// Whether it is no more.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end; what it said is all there then.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        status
    }

    /// The same, if it ends in time.
    pub(crate) fn end_within(&mut self, time: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return Some(self.end()),
                Err(RecvTimeoutError::Timeout) => return None,
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What this process is told, a line at a time.
pub(crate) fn told() -> Option<String> {
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line).unwrap();
    (read > 0).then(|| line.trim().to_owned())
}

/// Ends this process when the one that started it is gone.
pub(crate) fn end_when_left_alone() {
    thread::spawn(|| {
        while told().is_some() {}
        std::process::exit(1);
    });
}
