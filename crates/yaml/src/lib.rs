//! Reads and writes YAML and JSON exactly as Go's libraries do (v2 and v3 rules). Pure.
