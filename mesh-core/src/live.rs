//! A cheap reader of the newest valid value, and its publisher.
