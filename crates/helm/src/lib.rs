//! Helm charts: loading, values, dependencies, hooks, rendering. Pure.
