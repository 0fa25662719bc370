//! Tuples of models.

use super::definition::DecisionModel;
use super::part::Part;
use crate::aggregate::State;
use crate::event::{DecidedEvent, EncodeError};
use crate::store::QueryItem;

macro_rules! tuples {
    ($($model:ident $index:tt),+) => {
        impl<$($model: State),+> State for ($($model,)+) {
            type Decided = DecidedEvent;

            fn __take(&mut self, decided: DecidedEvent) {
                self.__take_own(&decided);
            }

            fn __take_own(&mut self, decided: &DecidedEvent) {
                $(self.$index.__take_own(decided);)+
            }

            fn __check(&mut self, decided: &DecidedEvent) -> Result<(), EncodeError> {
                self.__check_own(decided)
            }

            fn __check_own(&mut self, decided: &DecidedEvent) -> Result<(), EncodeError> {
                $(self.$index.__check_own(decided)?;)+
                Ok(())
            }
        }

        impl<$($model: DecisionModel),+> DecisionModel for ($($model,)+) {
            fn items(&self) -> Vec<QueryItem> {
                let mut items = Vec::new();
                $(items.extend(self.$index.items());)+
                items
            }

            fn __parts(&mut self) -> Vec<&mut dyn Part> {
                let mut parts = Vec::new();
                $(parts.extend(self.$index.__parts());)+
                parts
            }

            fn __initial(&self) -> Self {
                ($(self.$index.__initial(),)+)
            }

            fn __copy(&self) -> Self {
                ($(self.$index.__copy(),)+)
            }
        }
    };
}

tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);
tuples!(A 0, B 1, C 2, D 3);
tuples!(A 0, B 1, C 2, D 3, E 4);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5);
