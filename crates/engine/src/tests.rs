//! Tests of the engine's own parts, without a network; its scenarios run on clusters, in the test
//! bed.

mod approving;
mod depending;
mod ending;
mod holes;
mod hooks;
mod moving;
mod owning;
mod passing;
mod sources;
mod strays;
mod target;
mod telling;
mod tenants;
mod viewing;
mod world;
