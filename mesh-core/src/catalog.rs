//! Services, their instances and their health as known.
