//! Tests of the parts that need no server; the rest is tested on real ones in the test bed.
