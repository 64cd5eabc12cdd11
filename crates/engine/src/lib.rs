//! The engine: reconcile, operate, queue.
