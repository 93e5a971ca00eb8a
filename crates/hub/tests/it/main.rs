//! The hub from outside: what readers hold after frames against what the views and streams really are.

mod concurrent;
mod pace;
mod refollow;
mod resume;
mod tails;
mod world;
