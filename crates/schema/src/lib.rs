//! Compact tables of Kubernetes types by profile: fields, scope, merge keys, list types, defaults. Pure.
