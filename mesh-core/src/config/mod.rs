//! Config entries: one file per kind, HCL 1 and JSON, diagnostics.
