//! Tests of the engine's own parts; its scenarios run on clusters, in the test bed.
