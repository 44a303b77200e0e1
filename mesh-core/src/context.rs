//! How layers speak: the outbound and inbound context of a request.
