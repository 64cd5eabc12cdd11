//! Tests of the engine's own parts, without a network; its scenarios run on clusters, in the test
//! bed.

mod ending;
mod holes;
mod moving;
mod owning;
mod passing;
mod target;
mod world;
