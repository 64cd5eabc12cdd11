//! An embedded Kubernetes API server as a tower service, with the controllers a GitOps engine needs to see.
