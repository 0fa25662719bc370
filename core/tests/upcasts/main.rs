//! Records of old events that stand for none, one or several events of today, and upcasts that see the record.

mod kit;
mod readers;
mod records;
