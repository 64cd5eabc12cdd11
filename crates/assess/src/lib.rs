//! Compares and judges: one differ, and health per kind. Pure.
