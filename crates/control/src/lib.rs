//! The control plane's objects over any Kubernetes API.
