//! Finds out what a folder is and renders it: plain YAML and JSON today. Pure; inputs are traced.
