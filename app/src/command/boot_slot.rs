//! `attendance boot-slot`: RAUC's custom bootloader backend.
//!
//! RAUC calls it as root, by the link /usr/lib/attendance/boot-slot, with one of the words below, reads one
//! line from standard output and looks at the exit code. Reference: RAUC manual, "Custom".

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use time::OffsetDateTime;

use update::record::System;
use update::slot::Slot;
use update::store::{Places, Store, StoreError};

/// What RAUC may ask.
#[derive(Debug, Subcommand)]
pub(super) enum Request {
    /// Print the slot whose turn is next.
    GetPrimary,
    /// Let a slot be the next.
    SetPrimary {
        /// "a" or "b".
        slot: Slot,
    },
    /// Print whether a slot is "good" or "bad".
    GetState {
        /// "a" or "b".
        slot: Slot,
    },
    /// Call a slot good or bad.
    SetState {
        /// "a" or "b".
        slot: Slot,
        /// What to call it.
        state: State,
    },
    /// Print the slot that runs.
    GetCurrent,
}

/// RAUC's words for a slot.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum State {
    /// It can be expected to boot.
    Good,
    /// It is being written.
    Bad,
}

pub(super) fn execute(request: &Request) -> anyhow::Result<ExitCode> {
    if let Some(answer) = answer(&Places::default(), request)? {
        println!("{answer}");
    }
    Ok(ExitCode::SUCCESS)
}

fn answer(places: &Places, request: &Request) -> Result<Option<&'static str>, StoreError> {
    let store = Store::open(places)?;
    let answer = match *request {
        Request::GetPrimary => store.flow()?.primary().bootname(),
        Request::GetState { slot } => {
            if store.flow()?.is_good(slot) {
                "good"
            } else {
                "bad"
            }
        }
        Request::GetCurrent => store.flow()?.booted.slot.bootname(),
        Request::SetPrimary { slot } => return store.change(|flow| flow.set_primary(slot)).map(|()| None),
        Request::SetState { slot, state: State::Good } => {
            return store.change(|flow| flow.set_good(slot)).map(|()| None);
        }
        Request::SetState { slot, state: State::Bad } => {
            // The outcome of a trial that is not noted yet would be forgotten with it.
            let (flow, history) = (store.flow()?, store.history()?);
            store.apply(flow.arrive(System::running(), &history, OffsetDateTime::now_utc()))?;
            return store.change(|flow| flow.set_bad(slot)).map(|()| None);
        }
    };
    Ok(Some(answer))
}
