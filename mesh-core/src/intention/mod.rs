//! Compile and evaluate intentions.
