//! The shop in two services with a database each: orders and customers, over a bus.
#![allow(clippy::print_stderr)]

mod broker;
mod drive;
mod serve;

use broker::BusKind;
use clap::{Args, Parser, Subcommand};
use midgard::DynStore;
use midgard::store::OpenError;
use midgard_example_credit::import::ImportError;
use midgard_examples::open::open;
use midgard_examples::shop::listing::ListingError;
use midgard_examples::shop::{Cents, SAMPLE, dollars};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Places every purchase of a listing as an order, in a service that keeps orders; another, with a database of its own,
/// decides over each customer's credit. Prints the approved orders.
///
/// It may be killed at any moment: run again on the same data, it continues where it was.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    serve: Option<Serve>,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum Serve {
    /// Runs one of the services, until its standard input ends.
    #[command(hide = true)]
    Serve {
        /// Which.
        service: Service,
        #[command(flatten)]
        options: Options,
    },
}

/// Which services run in one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Service {
    Orders,
    Customers,
    Both,
}

#[derive(Debug, Clone, Args)]
struct Options {
    /// The listing: customer, [number in the sample], date, CDs, dollars.
    #[arg(default_value = SAMPLE)]
    file: PathBuf,
    /// The transport of messages between the services. With a broker, each service is a separate process.
    #[arg(long, value_enum, default_value_t = BusKind::InProcess)]
    bus: BusKind,
    /// The address of the broker: amqp://.. or nats://... Without it, one is started on loopback, and ends with the program.
    #[arg(long, value_name = "URL")]
    broker: Option<String>,
    /// The id of the broker: a broker that has lost its messages gets another id, and everything is published to it again.
    #[arg(long, hide = true, default_value = "the broker")]
    bus_id: String,
    /// The directory of the two databases.
    #[arg(long, default_value = "credit-data")]
    data: PathBuf,
    /// The address of the stores of events, such as lmdb:/var/{service}, in which {service} stands for the name of each
    /// service. Without it, they are kept on disk, in the directory.
    #[arg(long, value_name = "ADDRESS", value_parser = with_service)]
    store: Option<String>,
    /// The customer's limit for the orders of one calendar month, in dollars.
    #[arg(long, value_parser = dollars, default_value = "100.00")]
    credit_limit: Cents,
    /// After how many seconds an order that nobody has decided is cancelled.
    #[arg(long, value_name = "SECONDS", default_value_t = 24 * 3600)]
    answer_within: u64,
    /// Kills the services and the broker at random while they work, and starts them again.
    #[arg(long)]
    chaos: bool,
    /// Repeats the choices of an earlier run with --chaos, though not its moments.
    #[arg(long, requires = "chaos")]
    seed: Option<u64>,
}

impl Options {
    /// Opens the store of a service.
    async fn open(&self, service: &str) -> Result<DynStore, OpenError> {
        let address = self.store.as_ref();
        let address = address.map(|address| address.replace(SERVICE, service));
        open(address.as_deref(), &self.data.join(service)).await
    }

    const fn answer_within(&self) -> Duration {
        Duration::from_secs(self.answer_within)
    }
}

/// The part of an address that stands for the name of a service.
const SERVICE: &str = "{service}";

fn with_service(address: &str) -> Result<String, String> {
    if address.contains(SERVICE) {
        return Ok(address.to_owned());
    }
    Err(format!(
        "the services have a store each: write {SERVICE} where the address has the name of one"
    ))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = match arguments.serve {
        Some(Serve::Serve { service, options }) => serve::run(service, &options),
        None => drive::run(&arguments.options),
    };
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(if is_malformed(&*error) { 2 } else { 1 })
        }
    }
}

fn is_malformed(error: &(dyn Error + 'static)) -> bool {
    matches!(
        error.downcast_ref(),
        Some(ImportError::Row(ListingError::Malformed { .. }))
    )
}
