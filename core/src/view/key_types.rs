//! The types that are keys by themselves.

use super::key::{KeyBytes, ViewKey};
use super::lookup::some;
use crate::event::metadata::EventId;
use crate::place::{Position, Version};
use crate::stream_name::StreamName;
use crate::time::Timestamp;
use uuid::Uuid;

macro_rules! unsigned {
    ($($type:ident)*) => {$(
        /// Big endian.
        impl ViewKey for $type {
            fn describe(form: &mut String) {
                form.push_str(stringify!($type));
            }

            fn encode(&self, bytes: &mut KeyBytes) {
                bytes.push_fixed(&self.to_be_bytes());
            }
        }
    )*};
}

macro_rules! signed {
    ($($type:ident)*) => {$(
        /// Big endian, with the sign bit flipped: negative numbers come first.
        impl ViewKey for $type {
            fn describe(form: &mut String) {
                form.push_str(stringify!($type));
            }

            fn encode(&self, bytes: &mut KeyBytes) {
                bytes.push_fixed(&(*self ^ $type::MIN).to_be_bytes());
            }
        }
    )*};
}

unsigned!(u8 u16 u32 u64 u128);
signed!(i8 i16 i32 i64 i128);

impl ViewKey for bool {
    fn describe(form: &mut String) {
        form.push_str("bool");
    }

    fn encode(&self, bytes: &mut KeyBytes) {
        bytes.push_fixed(&[u8::from(*self)]);
    }
}

/// Its code point.
impl ViewKey for char {
    fn describe(form: &mut String) {
        form.push_str("char");
    }

    fn encode(&self, bytes: &mut KeyBytes) {
        u32::from(*self).encode(bytes);
    }
}

/// Sorts by code points, as `String` does.
impl ViewKey for String {
    fn describe(form: &mut String) {
        form.push_str("text");
    }

    fn encode(&self, bytes: &mut KeyBytes) {
        bytes.push_text(self);
    }
}

impl ViewKey for Vec<u8> {
    fn describe(form: &mut String) {
        form.push_str("bytes");
    }

    fn encode(&self, bytes: &mut KeyBytes) {
        bytes.push_bytes(self);
    }
}

impl<const N: usize> ViewKey for [u8; N] {
    fn describe(form: &mut String) {
        form.push_str("[u8; ");
        form.push_str(&N.to_string());
        form.push(']');
    }

    fn encode(&self, bytes: &mut KeyBytes) {
        bytes.push_fixed(self);
    }
}

/// How the form of an `Option` begins.
pub(super) const OPTIONAL: &str = "optional ";

/// `None` comes first.
impl<T: ViewKey> ViewKey for Option<T> {
    const __IS_OPTIONAL: bool = true;

    fn describe(form: &mut String) {
        form.push_str(OPTIONAL);
        T::describe(form);
    }

    fn encode(&self, bytes: &mut KeyBytes) {
        match self {
            None => bytes.push_none(),
            Some(value) => value.encode(some(bytes)),
        }
    }

    fn column(form: &mut String) {
        form.push_str(OPTIONAL);
        T::column(form);
    }
}

macro_rules! tuple {
    ($first:ident $($other:ident)*) => {
        /// Sorts by the first, then by the second, and so on.
        impl<$first: ViewKey $(, $other: ViewKey)*> ViewKey for ($first, $($other,)*) {
            fn describe(form: &mut String) {
                form.push('(');
                $first::describe(form);
                $(
                    form.push_str(", ");
                    $other::describe(form);
                )*
                form.push(')');
            }

            #[allow(non_snake_case)]
            fn encode(&self, bytes: &mut KeyBytes) {
                let ($first, $($other,)*) = self;
                $first.encode(bytes);
                $($other.encode(bytes);)*
            }

            fn column(form: &mut String) {
                form.push('(');
                $first::column(form);
                $(
                    form.push_str(", ");
                    $other::column(form);
                )*
                form.push(')');
            }
        }
    };
}

tuple!(A);
tuple!(A B);
tuple!(A B C);
tuple!(A B C D);
tuple!(A B C D E);
tuple!(A B C D E F);

macro_rules! as_another {
    ($($type:ident as $form:ty, $column:literal: |$value:ident| $bytes:expr;)*) => {$(
        impl ViewKey for $type {
            fn describe(form: &mut String) {
                <$form>::describe(form);
            }

            fn column(form: &mut String) {
                form.push_str($column);
            }

            fn encode(&self, bytes: &mut KeyBytes) {
                let $value = self;
                bytes.push_fixed($bytes);
            }
        }
    )*};
}

as_another! {
    Position as u64, "u64": |position| &position.get().to_be_bytes();
    Version as u64, "u64": |version| &version.get().to_be_bytes();
    Timestamp as u64, "timestamp": |time| &time.as_micros().to_be_bytes();
    EventId as [u8; 16], "uuid": |id| id.as_bytes();
    Uuid as [u8; 16], "uuid": |id| id.as_bytes();
}

impl ViewKey for StreamName {
    fn describe(form: &mut String) {
        String::describe(form);
    }

    fn encode(&self, bytes: &mut KeyBytes) {
        bytes.push_text(self.as_str());
    }
}
