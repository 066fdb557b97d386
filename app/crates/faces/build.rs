//! Finds the model of the SeetaFace detector, which lies inside the crate `rustface`, and copies it for
//! `include_bytes!`.
//!
//! It is the one detector that needs no file at run time, so its model becomes part of the program; the
//! crate's checksum in Cargo.lock vouches for it.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the model lies in the crate.
const MODEL: &str = "model/seeta_fd_frontal_v1.0.bin";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../../../Cargo.lock");
    let target = PathBuf::from(std::env::var("OUT_DIR")?).join("seetaface.bin");
    std::fs::copy(rustface_dir()?.join(MODEL), target)?;
    Ok(())
}

/// The folder of the crate's sources, wherever cargo keeps them (registry, vendored, patched).
fn rustface_dir() -> Result<PathBuf, Box<dyn Error>> {
    let metadata = Command::new(std::env::var("CARGO")?)
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        // Without it cargo wants the packages of every other platform, too, which nobody fetched.
        .args(["--filter-platform", &std::env::var("TARGET")?])
        .output()?;
    if !metadata.status.success() {
        return Err(String::from_utf8_lossy(&metadata.stderr).into());
    }
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout)?;
    metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| package["name"] == "rustface")
        .and_then(|package| Path::new(package["manifest_path"].as_str()?).parent().map(Path::to_owned))
        .ok_or_else(|| "cargo metadata does not list rustface".into())
}
