//! Testing without a store.
//!
//!
//! [`testing::given`] tests an aggregate without a store, [`testing::given_process`] a process manager. The derive of an aggregate adds one test to your
//! crate: that no two event types of the program claim one name.
//!
//! [`testing::given`]: crate::testing::given
//! [`testing::given_process`]: crate::testing::given_process
