//! What lies underneath an error, as a part of its sentence.
//!
//! A message of Midgard has its cause in it, as many logs print the message alone. What a message has is not its
//! [`source`](Error::source) as well: who prints the chain would read it twice.

use std::error::Error;
use std::fmt;

/// An error, followed by those underneath it that its own message leaves out.
pub(crate) struct Whole<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Whole<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            let text = error.to_string();
            // Many errors print their source and return it too.
            if !said.contains(&text) {
                write!(f, ": {text}")?;
                said.push_str(&text);
            }
            next = error.source();
        }
        Ok(())
    }
}
