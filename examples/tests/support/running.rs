//! Running a program to its end.

use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// A program that takes longer hangs. It is ended, and the test says what the program has said until then.
const ENDS_WITHIN: Duration = Duration::from_secs(600);

/// What a run gave: exit code, standard output, standard error.
pub fn run(shop: &mut Command) -> (Option<i32>, String, String) {
    let (status, output, errors) = run_for(shop, ENDS_WITHIN);
    let text = |bytes| String::from_utf8(bytes).expect("the shop prints text");
    let (output, errors) = (text(output), text(errors));
    let status = status.unwrap_or_else(|| {
        panic!(
            "{shop:?} had not ended after {ENDS_WITHIN:?}. It printed {output:?}, and:\n{errors}"
        )
    });
    (status.code(), output, errors)
}

/// Runs a program, and kills it after `limit`. Without a status, it was killed.
fn run_for(command: &mut Command, limit: Duration) -> (Option<ExitStatus>, Vec<u8>, Vec<u8>) {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let output = read_to_end(child.stdout.take());
    let errors = read_to_end(child.stderr.take());
    // Its output ends with it.
    let printed = output.recv_timeout(limit);
    let in_time = printed.is_ok();
    if !in_time {
        child.kill().expect("the program is killed");
    }
    let status = child.wait().expect("the program ends");
    let printed = printed.or_else(|_| output.recv());
    let errors = errors.recv();
    (
        in_time.then_some(status),
        printed.unwrap_or_default(),
        errors.unwrap_or_default(),
    )
}

fn read_to_end(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (tell, ended) = channel();
    thread::spawn(move || {
        let mut read = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut read).expect("a pipe can be read");
        }
        // Nobody waits for it after a panic.
        let _ = tell.send(read);
    });
    ended
}
