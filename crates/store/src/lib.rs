//! The journal: history, audit, approvals.
