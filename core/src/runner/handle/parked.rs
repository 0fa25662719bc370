//! Parked events and messages of consumers: listing, retrying and evicting them.

use super::MidgardHandle;
use crate::consumer::DeadLetter;
use crate::consumer::HandleError;
use crate::consumer::handle_error::notes;
use crate::inbox::ParkedMessage;
use crate::place::Place;
use std::collections::HashMap;

/// Where to look for the events that are parked.
const LISTED: &str = "look at those that `dead_letters` lists";
/// How many parked events are read, and requested to be retried, in one step.
const PAGE: usize = 1000;
/// The same for messages, which are read with their payloads.
const MESSAGES: usize = 100;

impl MidgardHandle {
    /// Returns all events that a consumer has parked, log by log and in the order of each. If there may be many, read
    /// [pages](Self::dead_letters_page).
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn dead_letters(&self, name: &str) -> Result<Vec<DeadLetter>, HandleError> {
        self.dead_letters_page(name, Place::START, usize::MAX).await
    }

    /// Returns at most `limit` of the events that a consumer has parked, log by log and in the order of each, after a place:
    /// that of the last letter of the previous page, or [`Place::START`] for the first page. A page that is not full is the
    /// last.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn dead_letters_page(
        &self,
        name: &str,
        after: Place,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, HandleError> {
        let letters = self.find(name)?.notebook.dead_letters(after, limit).await;
        letters.map_err(|error| notes(name, error))
    }

    /// Retries the parked events of a sequence, in order, until one fails. Once none is left, the sequence continues
    /// with its later events.
    ///
    /// This only leaves a request. The worker that owns the sequence handles the events: soon if it runs in this program,
    /// otherwise within its [lease](crate::consumer::ConsumerOptions::lease).
    ///
    /// # Errors
    /// [`HandleError::NotParked`], or when the request cannot be stored.
    pub async fn retry(&self, name: &str, sequence: &str) -> Result<(), HandleError> {
        let asked = self
            .retry_all(name, |letter| letter.sequence == sequence)
            .await?;
        if asked == 0 {
            return Err(HandleError::NotParked {
                name: name.to_owned(),
                which: format!("of sequence \"{sequence}\"; {LISTED}"),
            });
        }
        Ok(())
    }

    /// [Retries](Self::retry) all sequences with a parked event for which `is_wanted` returns true: all that failed for one
    /// cause, for example. Returns the number of these sequences.
    ///
    /// ```
    /// # async fn example(handle: midgard::MidgardHandle) -> Result<(), midgard::consumer::HandleError> {
    /// let sequences = handle.retry_all("mailer", |letter| letter.error.contains("connection refused")).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When they cannot be read, or a request cannot be stored. Some requests may be stored then; calling it again does
    /// no harm.
    pub async fn retry_all(
        &self,
        name: &str,
        is_wanted: impl Fn(&DeadLetter) -> bool + Send,
    ) -> Result<usize, HandleError> {
        // Each log has its own sequences.
        let (mut after, mut sequences) = (Place::START, HashMap::new());
        loop {
            let page = self.dead_letters_page(name, after, PAGE).await?;
            let is_last = page.len() < PAGE;
            after = page.last().map_or(after, |letter| letter.place);
            for letter in page {
                let is_wanted = is_wanted(&letter);
                let key = (letter.place.log, letter.sequence);
                // The request names the last event of a sequence, which stays parked until all before it were handled.
                if let Some((last, wanted)) = sequences.get_mut(&key) {
                    (*last, *wanted) = (letter.place, *wanted || is_wanted);
                } else {
                    sequences.insert(key, (letter.place, is_wanted));
                }
            }
            if is_last {
                break;
            }
        }
        let wanted = sequences.into_values().filter(|(_, is_wanted)| *is_wanted);
        let mut places: Vec<_> = wanted.map(|(last, _)| last).collect();
        places.sort_unstable_by_key(|place| (place.log, place.position));
        let mut asked = 0;
        for places in places.chunks(PAGE) {
            asked += self.ask(name, places, false).await?;
        }
        Ok(asked)
    }

    /// Gives up a parked event for good: it is never handled. The events parked behind it stay parked until their
    /// sequence is [retried](Self::retry).
    ///
    /// # Errors
    /// [`HandleError::NotParked`], or when the request cannot be stored.
    pub async fn evict(&self, name: &str, place: Place) -> Result<(), HandleError> {
        if self.ask(name, &[place], true).await? == 0 {
            return Err(HandleError::NotParked {
                name: name.to_owned(),
                which: format!("at position {place}; {LISTED}"),
            });
        }
        Ok(())
    }

    /// Returns all messages that an inbox has parked, with their payloads, in the order in which they came. If there may be
    /// many, read [pages](Self::parked_messages_page).
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn parked_messages(&self, name: &str) -> Result<Vec<ParkedMessage>, HandleError> {
        self.parked_messages_page(name, "", usize::MAX).await
    }

    /// Returns at most `limit` of the messages that an inbox has parked, in the order in which they came, after a
    /// [number](ParkedMessage::number): that of the last message of the previous page, or `""` for the first page. A page
    /// that is not full is the last.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn parked_messages_page(
        &self,
        name: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<ParkedMessage>, HandleError> {
        let parked = self
            .find(name)?
            .notebook
            .parked_messages(after, limit)
            .await;
        parked.map_err(|error| notes(name, error))
    }

    /// Retries a parked message, by its [number](ParkedMessage::number). If later messages of its source with its key are
    /// parked behind it, all of them are handled, in order, until one fails.
    ///
    /// This only leaves a request. The worker that receives handles the messages, within a second.
    ///
    /// # Errors
    /// [`HandleError::NotParked`], or when the request cannot be stored.
    pub async fn retry_message(&self, name: &str, number: &str) -> Result<(), HandleError> {
        self.ask_message(name, number, false).await
    }

    /// [Retries](Self::retry_message) all parked messages for which `is_wanted` returns true: all that failed for one cause,
    /// for example. Returns their number, without the messages parked behind them.
    ///
    /// # Errors
    /// When they cannot be read, or a request cannot be stored. Some requests may be stored then; calling it again does no
    /// harm.
    pub async fn retry_all_messages(
        &self,
        name: &str,
        is_wanted: impl Fn(&ParkedMessage) -> bool + Send,
    ) -> Result<usize, HandleError> {
        let (mut after, mut asked) = (String::new(), 0);
        loop {
            let page = self.parked_messages_page(name, &after, MESSAGES).await?;
            let wanted = page.iter().filter(|parked| is_wanted(parked));
            let numbers: Vec<_> = wanted.map(|parked| parked.number.clone()).collect();
            asked += self.ask_messages(name, &numbers, false).await?;
            match page.last() {
                Some(last) if page.len() == MESSAGES => after.clone_from(&last.number),
                _ => return Ok(asked),
            }
        }
    }

    /// Gives up a parked message for good: it is never handled. If it is a command whose sender waits for an answer, the
    /// answer is a refusal. Messages parked behind it stay parked until they are retried.
    ///
    /// # Errors
    /// [`HandleError::NotParked`], or when the request cannot be stored.
    pub async fn evict_message(&self, name: &str, number: &str) -> Result<(), HandleError> {
        self.ask_message(name, number, true).await
    }

    async fn ask_message(
        &self,
        name: &str,
        number: &str,
        is_eviction: bool,
    ) -> Result<(), HandleError> {
        let numbers = [number.to_owned()];
        if self.ask_messages(name, &numbers, is_eviction).await? == 0 {
            return Err(HandleError::NotParked {
                name: name.to_owned(),
                which: format!(
                    "of number \"{number}\"; look at the numbers that `parked_messages` lists"
                ),
            });
        }
        Ok(())
    }

    async fn ask_messages(
        &self,
        name: &str,
        numbers: &[String],
        is_eviction: bool,
    ) -> Result<usize, HandleError> {
        let notebook = &self.find(name)?.notebook;
        let ask = async || notebook.ask_messages(numbers, is_eviction).await;
        let asked = self.tried(name, ask).await?;
        self.control.wake();
        Ok(asked)
    }

    async fn ask(
        &self,
        name: &str,
        places: &[Place],
        is_eviction: bool,
    ) -> Result<usize, HandleError> {
        let notebook = &self.find(name)?.notebook;
        let ask = async || notebook.ask(places, is_eviction).await;
        let asked = self.tried(name, ask).await?;
        self.control.wake();
        Ok(asked)
    }
}
