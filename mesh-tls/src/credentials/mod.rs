//! Who this process is: leaves with their keys, where they come from, and how they are renewed.
//!
//! [`Identity`] is the handle that connectors and servers take. It holds the newest [`Credentials`] and the roots that
//! are trusted; both may be replaced at any time and apply to handshakes that begin afterwards. A [`CertificateSource`]
//! obtains leaves: [`FilesSource`] reads PEM files, the development authority (feature `dev-ca`) signs its own.
//!
//! The rules:
//!
//! 1. A leaf is renewed in the background by [`Renewal`]; an error keeps the old leaf and is tried again.
//! 2. An expired leaf is never used: no new handshake succeeds with it, in either role.
//! 3. Keys are never logged and never written by this module.

mod files;
mod identity;
mod leaf;
mod renewal;
mod source;

pub use self::files::FilesSource;
pub use self::identity::Identity;
pub use self::leaf::{Credentials, CredentialsError, read_bundle};
pub use self::renewal::Renewal;
pub use self::source::{CertificateSource, SourceError};
