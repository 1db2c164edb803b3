//! What a pool promises.
#![cfg(test)]

mod admission;
mod at_once;
mod closing;
mod deadlock;
mod priority;
mod stats;
mod stress;
mod support;
mod waiting;
mod withdrawing;
