//! Storing messages that were set aside, whatever their size.
//!
//! A message may be as large as the server accepts, without room for the reason; or the stream for such messages
//! accepts less. Then it is stored in parts: if it could not be stored, it would be handed out forever.

use crate::binding::{self, LARGEST_HEADERS};
use crate::session::Session;
use async_nats::HeaderMap;
use async_nats::jetstream::message::PublishMessage;
use midgard::bus::BusError;

/// The header with the reason why a message was set aside.
pub(crate) const REASON: &str = "Midgard-Reason";
/// The header with the number of the part, if there are several: `1/2`.
const PART: &str = "Midgard-Part";
pub(crate) const SET_ASIDE: &str = "set a message aside";
/// The longest reason that is stored, in bytes.
const LONGEST_REASON: usize = 8192;
/// What a part takes in addition to its headers, its reason, its payload and its id.
const BESIDE: usize = 128;

/// A message that is set aside.
pub(crate) struct Letter<'m> {
    /// The subject to store it under.
    pub(crate) subject: String,
    /// Distinguishes it from others.
    pub(crate) id: String,
    /// Its own headers.
    pub(crate) headers: HeaderMap,
    pub(crate) reason: &'m str,
    pub(crate) payload: &'m [u8],
}

impl Letter<'_> {
    /// Stores it, and waits until it is safe.
    pub(crate) async fn keep(self, session: &Session) -> Result<(), BusError> {
        let largest = session.largest_letter();
        let mut reason = binding::encoded_lines(self.reason);
        reason.truncate(reason.floor_char_boundary(LONGEST_REASON.min(largest / 4)));
        let beside = reason.len() + self.id.len() + BESIDE;
        let most = LARGEST_HEADERS.min(largest / 2);
        let mut headers = shortened(self.headers, most.saturating_sub(beside));
        headers.insert(REASON, reason);
        let room = largest.saturating_sub(binding::size(&headers, 0) + self.id.len() + BESIDE);
        if room == 0 {
            return Err(session.unavailable(
                SET_ASIDE,
                format!("the stream for them takes {largest} bytes at most; raise its `max_msg_size`, or `max_payload` in the server's configuration"),
            ));
        }
        let parts = self.payload.len().div_ceil(room).max(1);
        for part in 0..parts {
            let (from, to) = (part * room, self.payload.len().min((part + 1) * room));
            let (mut headers, mut id) = (headers.clone(), self.id.clone());
            if parts > 1 {
                let which = format!("{}/{parts}", part + 1);
                id = format!("{id}/{which}");
                headers.insert(PART, which);
            }
            let publish = PublishMessage::build()
                .headers(headers)
                .message_id(id)
                .payload(self.payload[from..to].to_vec().into());
            let published = async {
                let sent = session
                    .jetstream
                    .send_publish(self.subject.clone(), publish);
                sent.await?.await
            };
            session.answer(SET_ASIDE, published).await?;
        }
        Ok(())
    }
}

/// Removes the longest headers until the rest has room.
fn shortened(headers: HeaderMap, room: usize) -> HeaderMap {
    if binding::size(&headers, 0) <= room {
        return headers;
    }
    let mut lines: Vec<_> = headers
        .iter()
        .flat_map(|(name, values)| values.iter().map(move |value| (name, value)))
        .collect();
    lines.sort_by_key(|(_, value)| value.as_str().len());
    let mut kept = HeaderMap::new();
    for (name, value) in lines {
        let name_size = AsRef::<str>::as_ref(name).len();
        if binding::size(&kept, 0) + name_size + value.as_str().len() + ": \r\n".len() > room {
            break;
        }
        kept.append(name.clone(), value.clone());
    }
    kept
}
