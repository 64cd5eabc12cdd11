//! Kustomize overlays: `kustomize build`, the whole of it. Pure.
