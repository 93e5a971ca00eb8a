//! What people and programs get wrong: each mistake has one clear answer, and the server goes on.

mod bodies;
mod frames;
mod names;
mod queries;
mod setup;
mod sizes;
