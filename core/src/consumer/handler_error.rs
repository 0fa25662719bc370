//! The error of a handler.

use std::error::Error;
use std::fmt;
use std::ops::Deref;

/// Any error of a handler.
///
/// `?` converts every error into one that implements [`Error`], [`Send`] and [`Sync`]; `.into()` also converts a text.
///
/// It does not implement [`Error`] itself, which that conversion rules out, but dereferences to the error that it
/// holds: so it has [`source`](Error::source), `is` and `downcast_ref`.
///
/// ```
/// use midgard::HandlerError;
///
/// fn cents(text: &str) -> Result<u64, HandlerError> {
///     if text.is_empty() {
///         return Err("there is no amount".into());
///     }
///     Ok(text.parse()?)
/// }
///
/// assert_eq!(cents("").unwrap_err().to_string(), "there is no amount");
/// let error = cents("five").unwrap_err();
/// assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
/// ```
///
/// An error of your own needs `Debug`, `Display` and `impl std::error::Error`, or `#[derive(thiserror::Error)]`:
///
/// ```
/// use midgard::HandlerError;
///
/// #[derive(Debug)]
/// struct NoSuchOrder(u64);
///
/// impl std::fmt::Display for NoSuchOrder {
///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
///         write!(f, "there is no order {}", self.0)
///     }
/// }
///
/// impl std::error::Error for NoSuchOrder {}
///
/// let error = HandlerError::from(NoSuchOrder(7));
/// assert!(error.is::<NoSuchOrder>());
/// ```
pub struct HandlerError(Box<dyn Error + Send + Sync>);

/// The result of a handler: `HandlerResult` returns nothing, `HandlerResult<CreditReserved>` a reply.
///
/// ```
/// use midgard::{Done, Handle, HandlerResult, Inbox, MessageContext, RemoteCommand};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
/// #[remote_command(name = "door.open", service = "doors")]
/// struct Open {}
///
/// #[derive(Inbox)]
/// #[inbox(name = "doors", commands(Open))]
/// struct Doors;
///
/// impl Handle<Open> for Doors {
///     async fn handle(&self, _: Open, _: &mut MessageContext<'_>) -> HandlerResult<Done> {
///         Ok(Done {})
///     }
/// }
/// ```
pub type HandlerResult<T = ()> = Result<T, HandlerError>;

impl HandlerError {
    /// Returns the error that it holds, if that is an `E`; otherwise returns itself unchanged.
    ///
    /// # Errors
    /// The same `HandlerError`, when it holds another error.
    pub fn downcast<E: Error + 'static>(self) -> Result<E, Self> {
        match self.0.downcast() {
            Ok(error) => Ok(*error),
            Err(other) => Err(HandlerError(other)),
        }
    }

    /// Returns the error that it holds, for functions that take any error.
    #[must_use]
    pub fn into_boxed(self) -> Box<dyn Error + Send + Sync> {
        self.0
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Deref for HandlerError {
    type Target = dyn Error + Send + Sync;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl AsRef<dyn Error + Send + Sync> for HandlerError {
    fn as_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &**self
    }
}

impl AsRef<dyn Error> for HandlerError {
    fn as_ref(&self) -> &(dyn Error + 'static) {
        &**self
    }
}

impl<E: IntoHandlerError> From<E> for HandlerError {
    fn from(error: E) -> Self {
        HandlerError(error.into_boxed())
    }
}

/// For `?` in functions such as `main`, which return any error.
impl From<HandlerError> for Box<dyn Error> {
    fn from(error: HandlerError) -> Self {
        error.0
    }
}

/// Marks what `?` and `.into()` convert to a [`HandlerError`](crate::HandlerError): every error that implements
/// [`Error`], [`Send`] and [`Sync`], boxed or not, and texts.
// Of these attributes, rustc shows the label alone where `?` is used: it says what to do.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be converted to a `HandlerError`",
    label = "implement `std::error::Error` for `{Self}`, for example with `#[derive(Debug, thiserror::Error)]`, or write `.map_err(|error| format!(\"..\"))?`",
    note = "an error of a handler implements `std::error::Error`, `Send` and `Sync`"
)]
pub trait IntoHandlerError {
    #[doc(hidden)]
    fn into_boxed(self) -> Box<dyn Error + Send + Sync>;
}

#[diagnostic::do_not_recommend]
impl<E: Into<Box<dyn Error + Send + Sync>>> IntoHandlerError for E {
    fn into_boxed(self) -> Box<dyn Error + Send + Sync> {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::HandlerError;
    use crate::command::Refused;
    use std::error::Error;
    use std::fmt;

    #[derive(Debug, PartialEq)]
    struct Outer(Refused);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the order was not placed")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    fn outer() -> Outer {
        Outer(Refused::new("the shop is closed"))
    }

    #[test]
    fn errors_boxed_errors_and_texts_are_converted() {
        fn any(which: u8) -> Result<(), HandlerError> {
            let boxed: Box<dyn Error + Send + Sync> = Box::new(outer());
            match which {
                0 => Err(outer())?,
                1 => Err(boxed)?,
                2 => Err("the order was not placed")?,
                3 => Err(String::from("the order was not placed"))?,
                _ => any(0)?,
            }
            Ok(())
        }
        for which in 0..5 {
            assert!(any(which).is_err_and(|error| error.to_string() == "the order was not placed"));
        }
    }

    #[test]
    fn error_that_it_holds_is_found_and_given_back() {
        let error = HandlerError::from(outer());
        let source = error.source().map(ToString::to_string);
        assert_eq!(source.as_deref(), Some("the shop is closed"));
        assert_eq!(format!("{error:?}"), format!("{:?}", outer()));
        assert!(error.is::<Outer>() && error.downcast_ref::<Refused>().is_none());
        let error = error.downcast::<Refused>().err();
        assert_eq!(error.and_then(|error| error.downcast().ok()), Some(outer()));
    }

    #[test]
    fn functions_that_return_any_error_take_it() {
        fn any() -> Result<(), Box<dyn Error>> {
            Err(HandlerError::from(outer()))?;
            Ok(())
        }
        assert!(any().is_err_and(|error| error.is::<Outer>()));
        assert!(HandlerError::from(outer()).into_boxed().is::<Outer>());
    }
}
