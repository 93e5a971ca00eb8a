//! Builds the crate again when the web app was built again: its files are inside the binary.

fn main() {
    println!("cargo:rerun-if-changed=../../web/app/dist");
}
