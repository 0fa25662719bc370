//! Starts the services, and a broker for them; kills them on request.

use crate::broker::{self, Broker, BusKind};
use crate::{Options, Service, serve};
use std::error::Error;
use std::io::{self, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// How long to check one service for its end before checking the next.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) fn run(options: &Options) -> Result<u8, Box<dyn Error>> {
    if options.bus == BusKind::InProcess && !options.chaos {
        serve::serve(Service::Both, options, broker::open(options.bus, None)?)?;
        return Ok(0);
    }
    let broker = match options.broker {
        Some(_) => None,
        None => Broker::start(options.bus)?,
    };
    let mut options = options.clone();
    if let Some(broker) = &broker {
        options.broker = Some(broker.address());
        // A new broker begins empty, without an earlier one's messages.
        options.bus_id = format!("broker {:016x}", fastrand::u64(..));
    }
    let services = match options.bus {
        BusKind::InProcess => vec![Service::Both],
        BusKind::RabbitMq | BusKind::Nats => vec![Service::Orders, Service::Customers],
    };
    let services = services.into_iter();
    let started = services.map(|service| Process::start(service, &options));
    let mut stage = Stage {
        processes: started.collect::<Result<_, _>>()?,
        broker,
    };
    if options.chaos {
        let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
        eprintln!("chaos with --seed {seed}");
        return stage.chaos(&mut fastrand::Rng::with_seed(seed));
    }
    let (status, printed) = stage.wait()?;
    io::stdout().write_all(&printed)?;
    Ok(code(status))
}

/// On a slow machine there may be no progress between two kills, so the kills have to end at some point.
const KILLS: usize = 40;

/// Everything that runs, and can be killed.
struct Stage {
    /// The orders first.
    processes: Vec<Process>,
    broker: Option<Broker>,
}

impl Stage {
    /// Kills at random, until the orders have finished or there were enough kills.
    fn chaos(&mut self, random: &mut fastrand::Rng) -> Result<u8, Box<dyn Error>> {
        for kills in 0..KILLS {
            let pause = Duration::from_millis(random.u64(300..3000));
            if let Some(ended) = self.processes[0].wait_for(pause)? {
                return report(ended, kills);
            }
            let down = Duration::from_millis(random.u64(0..500));
            let victim = random.usize(0..self.processes.len() + usize::from(self.broker.is_some()));
            match (self.processes.get_mut(victim), &mut self.broker) {
                (Some(process), _) => {
                    eprintln!("kill {:?}", process.service);
                    process.kill()?;
                    thread::sleep(down);
                    process.restart()?;
                }
                (None, Some(broker)) => {
                    eprintln!("kill the broker");
                    broker.kill();
                    thread::sleep(down);
                    broker.restart()?;
                }
                (None, None) => {}
            }
        }
        report(self.wait()?, KILLS)
    }

    /// Waits until the orders end: when all are decided, or when something is wrong. The others end only on an error.
    fn wait(&mut self) -> Result<Ended, Box<dyn Error>> {
        loop {
            for (index, process) in self.processes.iter_mut().enumerate() {
                let Some((status, printed)) = process.wait_for(LOOK)? else {
                    continue;
                };
                if index > 0 {
                    let service = process.service;
                    return Err(
                        format!("{service:?} ended before the orders, with {status}").into(),
                    );
                }
                return Ok((status, printed));
            }
        }
    }
}

/// Prints the output of the orders service.
fn report((status, printed): Ended, kills: usize) -> Result<u8, Box<dyn Error>> {
    eprintln!("killed {kills} times");
    io::stdout().write_all(&printed)?;
    Ok(code(status))
}

/// The end of a process, and its output.
type Ended = (ExitStatus, Vec<u8>);

/// A service in its own process, which ends with this one.
struct Process {
    service: Service,
    arguments: Vec<String>,
    child: Child,
    /// What it has printed, once it has ended.
    ended: Receiver<Vec<u8>>,
}

impl Process {
    fn start(service: Service, options: &Options) -> Result<Self, Box<dyn Error>> {
        let Options {
            file,
            data,
            store,
            credit_limit,
            answer_within,
            bus_id,
            broker,
            ..
        } = options;
        let (service_name, bus) = (value(&service), value(&options.bus));
        let mut arguments = vec!["serve".to_owned(), service_name];
        arguments.push(file.display().to_string());
        let mut option = |name: &str, value: String| {
            arguments.extend([format!("--{name}"), value]);
        };
        option("bus", bus);
        option("data", data.display().to_string());
        option("credit-limit", credit_limit.to_string());
        option("answer-within", answer_within.to_string());
        option("bus-id", bus_id.clone());
        if let Some(address) = store {
            option("store", address.clone());
        }
        if let Some(address) = broker {
            option("broker", address.clone());
        }
        let (child, ended) = spawn(&arguments)?;
        Ok(Process {
            service,
            arguments,
            child,
            ended,
        })
    }

    fn restart(&mut self) -> Result<(), Box<dyn Error>> {
        (self.child, self.ended) = spawn(&self.arguments)?;
        Ok(())
    }

    fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Waits for some time until it has ended by itself; returns its output.
    fn wait_for(&mut self, time: Duration) -> Result<Option<Ended>, Box<dyn Error>> {
        match self.ended.recv_timeout(time) {
            Ok(printed) => Ok(Some((self.child.wait()?, printed))),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended; there is nobody to tell.
        let _ = self.kill();
    }
}

fn spawn(arguments: &[String]) -> io::Result<(Child, Receiver<Vec<u8>>)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (tell, ended) = channel();
    if let Some(mut stdout) = child.stdout.take() {
        thread::spawn(move || {
            let mut printed = Vec::new();
            // The truncated output of a kill is useless, and nobody waits for it.
            let _ = io::Read::read_to_end(&mut stdout, &mut printed);
            let _ = tell.send(printed);
        });
    }
    Ok((child, ended))
}

/// How a value is written on the command line.
fn value(of: &impl clap::ValueEnum) -> String {
    let value = of.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

fn code(status: ExitStatus) -> u8 {
    status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1)
}
