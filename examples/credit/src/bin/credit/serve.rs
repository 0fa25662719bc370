//! Runs services.

use crate::{Options, Service, broker};
use futures_util::future::{Either, join, select};
use midgard::bus::DynBus;
use midgard::{DynStore, Midgard};
use midgard_example_credit::books::Books;
use midgard_example_credit::import::import;
use midgard_example_credit::{customers, orders};
use midgard_examples::shop::listing::Rows;
use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::pin::pin;
use std::thread;

/// Runs services until their standard input ends, so that they end with their parent process; the orders, until all
/// are decided.
pub(crate) fn run(service: Service, options: &Options) -> Result<u8, Box<dyn Error>> {
    let bus = broker::open(options.bus, options.broker.as_deref())?;
    thread::spawn(|| {
        // Whatever comes: when it ends, so does the program.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(1);
    });
    serve(service, options, bus)?;
    Ok(0)
}

/// Runs services; the orders, until all are decided.
pub(crate) fn serve(
    service: Service,
    options: &Options,
    bus: DynBus,
) -> Result<(), Box<dyn Error>> {
    // Brokers' clients ask for this runtime; nothing else does.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match service {
            Service::Customers => Ok(customers(options, bus).await?.run().await?),
            Service::Orders => orders(options, bus).await,
            Service::Both => {
                let customers = customers(options, bus.clone()).await?;
                // Before anything is sent: a queue that is not there yet would miss it.
                customers.declare().await?;
                let handle = customers.handle();
                let orders = async {
                    let ended = orders(options, bus).await;
                    handle.stop();
                    ended
                };
                let (orders, customers) = join(orders, customers.run()).await;
                orders?;
                Ok(customers?)
            }
        }
    })
}

async fn customers(options: &Options, bus: DynBus) -> Result<Midgard<DynStore>, Box<dyn Error>> {
    let store = options.open("customers").await?;
    Ok(customers::service(
        store,
        bus,
        &options.bus_id,
        options.credit_limit,
    ))
}

/// Places the orders, waits until all are decided, and prints the outcome.
async fn orders(options: &Options, bus: DynBus) -> Result<(), Box<dyn Error>> {
    let store = options.open("orders").await?;
    let service = orders::service(store.clone(), bus, &options.bus_id);
    let handle = service.handle();
    let work = async {
        let ended = place_and_wait(options, &store).await;
        handle.stop();
        ended
    };
    let (work, running) = (pin!(work), pin!(service.run()));
    match select(work, running).await {
        Either::Left((books, running)) => {
            running.await?;
            writeln!(io::stdout(), "{}", books?)?;
            Ok(())
        }
        // It was not stopped from outside: the error explains its end.
        Either::Right((ended, _)) => Ok(ended?),
    }
}

async fn place_and_wait(options: &Options, store: &DynStore) -> Result<Books, Box<dyn Error>> {
    let name = options.file.display().to_string();
    let file = File::open(&options.file)
        .map_err(|error| format!("{name} could not be opened: {error}"))?;
    let rows = Rows::new(BufReader::new(file), name);
    let placed = import(store, rows, options.answer_within()).await?;
    let mut books = Books::default();
    books.follow_until_decided(store, placed).await?;
    Ok(books)
}
