//! Makes frames readable that contain a stranger's data.
//!
//! AMQP does not define the encoding of its short texts, and tables may contain tables without limit. RabbitMQ passes
//! such properties on as they are; the client gives the connection up at a short text that is not UTF-8, and
//! overflows its stack at a table of thousands of tables. Either way the message would come again over the next
//! connection, and so on. So everything from the broker is scanned before the client sees it, and changed in place:
//! bytes that are not text become `?`, and tables that are too deep become plain bytes.

/// The deepest nesting of tables.
const DEEPEST: usize = 32;

const METHOD: u8 = 1;
const HEADER: u8 = 2;
/// The bytes before the payload of a frame: its kind, its channel and its size.
const BEFORE: usize = 7;
/// The byte after it.
const AFTER: usize = 1;

/// Returns the size of the frame that begins here, once enough of it has arrived.
pub(crate) fn frame_size(bytes: &[u8]) -> Option<usize> {
    let size = bytes.get(3..BEFORE)?;
    let size = u32::from_be_bytes(size.try_into().ok()?);
    usize::try_from(size).ok()?.checked_add(BEFORE + AFTER)
}

/// Makes a whole frame readable. Unknown parts stay as they are.
pub(crate) fn make_readable(frame: &mut [u8]) {
    let (Some(&kind), Some(end)) = (frame.first(), frame.len().checked_sub(AFTER)) else {
        return;
    };
    if let Some(payload) = frame.get_mut(BEFORE..end) {
        let mut cursor = Cursor { left: payload };
        let _ = match kind {
            METHOD => cursor.method(),
            HEADER => cursor.properties(),
            _ => Some(()),
        };
    }
}

/// The rest of a frame. Each step returns `None` at an unknown part.
struct Cursor<'f> {
    left: &'f mut [u8],
}

impl<'f> Cursor<'f> {
    fn take(&mut self, bytes: usize) -> Option<&'f mut [u8]> {
        let left = std::mem::take(&mut self.left);
        let (taken, left) = left.split_at_mut_checked(bytes)?;
        self.left = left;
        Some(taken)
    }

    fn number<const BYTES: usize>(&mut self) -> Option<[u8; BYTES]> {
        self.take(BYTES).and_then(|bytes| (&*bytes).try_into().ok())
    }

    fn size(&mut self) -> Option<usize> {
        usize::try_from(u32::from_be_bytes(self.number()?)).ok()
    }

    /// Scans the methods with a stranger's data: how a message was addressed.
    fn method(&mut self) -> Option<()> {
        match (
            u16::from_be_bytes(self.number()?),
            u16::from_be_bytes(self.number()?),
        ) {
            // A delivery: the consumer, its tag, whether it was delivered before.
            (60, 60) => {
                self.text()?;
                self.take(9)?;
            }
            // A returned message: the reason, as a number and a text.
            (60, 50) => {
                self.take(2)?;
                self.text()?;
            }
            // The answer to `get`: its tag, and whether it was delivered before.
            (60, 71) => {
                self.take(9)?;
            }
            _ => return Some(()),
        }
        // The exchange, and the routing key.
        self.text()?;
        self.text()
    }

    fn properties(&mut self) -> Option<()> {
        // The class, the weight, and the size of the body.
        self.take(12)?;
        let flags = u16::from_be_bytes(self.number()?);
        // From the content type on, in the order of their flags: texts, with some exceptions.
        for flag in (2..16).rev() {
            if flags & (1 << flag) == 0 {
                continue;
            }
            match flag {
                13 => self.table(0)?,
                // The delivery mode and the priority.
                11 | 12 => {
                    self.take(1)?;
                }
                // The time.
                6 => {
                    self.take(8)?;
                }
                _ => self.text()?,
            }
        }
        Some(())
    }

    fn text(&mut self) -> Option<()> {
        let [size] = self.number()?;
        let mut rest = self.take(size.into())?;
        while let Err(error) = str::from_utf8(rest) {
            let (from, bytes) = (error.valid_up_to(), error.error_len());
            let until = bytes.map_or(rest.len(), |bytes| from + bytes);
            rest.get_mut(from..until)?.fill(b'?');
            rest = rest.get_mut(until..)?;
        }
        Some(())
    }

    fn table(&mut self, depth: usize) -> Option<()> {
        let size = self.size()?;
        let mut fields = Cursor {
            left: self.take(size)?,
        };
        while !fields.left.is_empty() {
            fields.text()?;
            fields.value(depth)?;
        }
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        let kind = self.take(1)?.first_mut()?;
        if depth >= DEEPEST && matches!(*kind, b'F' | b'A') {
            // The size of bytes is written like that of a table.
            *kind = b'x';
        }
        let bytes = match *kind {
            b'F' => return self.table(depth + 1),
            b'A' => {
                let size = self.size()?;
                let mut values = Cursor {
                    left: self.take(size)?,
                };
                while !values.left.is_empty() {
                    values.value(depth + 1)?;
                }
                return Some(());
            }
            b'S' | b'x' => self.size()?,
            b't' | b'b' | b'B' => 1,
            b's' | b'U' | b'u' => 2,
            b'I' | b'i' | b'f' => 4,
            b'D' => 5,
            b'L' | b'l' | b'd' | b'T' => 8,
            b'V' => 0,
            _ => return None,
        };
        self.take(bytes).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a frame with the headers of a message, with this table.
    fn header_frame(table: &[u8]) -> Vec<u8> {
        let mut payload = vec![0; 12];
        payload.extend((1_u16 << 15 | 1 << 13 | 1 << 11 | 1 << 5).to_be_bytes());
        // The content type, in Latin-1.
        payload.extend([4, b'c', 0xe9, b'd', b'e']);
        payload.extend(u32::try_from(table.len()).unwrap().to_be_bytes());
        payload.extend(table);
        payload.push(7);
        payload.extend([2, 0xff, 0xfe]);
        let mut frame = vec![HEADER, 0, 1];
        frame.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
        frame.extend(payload);
        frame.push(0xce);
        frame
    }

    #[test]
    fn short_texts_become_utf8_and_nothing_else_changes() {
        let mut table = vec![2, 0xc3, 0x28, b'S', 0, 0, 0, 2, 0xff, 0xff];
        table.extend([1, b'n', b'F', 0, 0, 0, 4, 1, 0x80, b't', 1]);
        let mut frame = header_frame(&table);
        assert_eq!(frame_size(&frame), Some(frame.len()));
        let before = frame.clone();
        make_readable(&mut frame);
        let changed: Vec<_> = (0..frame.len())
            .filter(|at| frame[*at] != before[*at])
            .collect();
        let bytes: Vec<_> = changed.iter().map(|at| before[*at]).collect();
        assert_eq!(bytes, [0xe9, 0xc3, 0x80, 0xff, 0xfe]);
        assert!(changed.iter().all(|at| frame[*at] == b'?'));
    }

    #[test]
    fn deep_tables_become_bytes() {
        let mut table: Vec<u8> = Vec::new();
        for _ in 0..10_000 {
            let mut outer = vec![0, b'F'];
            outer.extend(u32::try_from(table.len()).unwrap().to_be_bytes());
            outer.extend(&table);
            table = outer;
        }
        let mut frame = header_frame(&table);
        let before = frame.clone();
        make_readable(&mut frame);
        let kinds = frame.iter().zip(&before).filter(|(now, then)| now != then);
        let kinds: Vec<_> = kinds.map(|(now, then)| (*now, *then)).collect();
        assert!(kinds.contains(&(b'x', b'F')));
        assert_eq!(kinds.iter().filter(|(now, _)| *now == b'x').count(), 1);
    }

    #[test]
    fn frames_of_any_bytes_do_no_harm() {
        let whole = header_frame(&[1, b'n', b'A', 0, 0, 0, 3, b't', 1, b'V']);
        for end in 0..whole.len() {
            make_readable(&mut whole[..end].to_vec());
        }
        for at in 0..whole.len() {
            for value in [0, 1, 2, 0x7f, 0xff] {
                let mut frame = whole.clone();
                frame[at] = value;
                make_readable(&mut frame);
            }
        }
    }
}
