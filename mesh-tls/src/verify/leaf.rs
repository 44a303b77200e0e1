//! What a leaf certificate says, read before anything is believed.

use std::fmt::Write as _;

use super::der::{Malformed, Reader, tag, time};

const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 0x23];

/// The bits of the key usage extension (RFC 5280 section 4.2.1.3), the first one the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyUsage(u8);

impl KeyUsage {
    pub(crate) fn digital_signature(self) -> bool {
        self.0 & 0x80 != 0
    }

    pub(crate) fn signs_certificates_or_lists(self) -> bool {
        self.0 & 0x06 != 0
    }
}

/// What is read from a leaf.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaf<'a> {
    pub(crate) not_before: u64,
    pub(crate) not_after: u64,
    pub(crate) is_ca: bool,
    pub(crate) key_usage: Option<KeyUsage>,
    names: &'a [u8],
    subject: &'a [u8],
    authority_key_id: &'a [u8],
}

impl<'a> Leaf<'a> {
    pub(crate) fn read(der: &'a [u8]) -> Result<Self, Malformed> {
        let mut outer = Reader::new(der);
        let mut certificate = Reader::new(outer.expect(tag::SEQUENCE)?);
        let mut fields = Reader::new(certificate.expect(tag::SEQUENCE)?);
        fields.optional(tag::CONTEXT_0)?;
        fields.any()?; // serial number
        fields.expect(tag::SEQUENCE)?; // signature algorithm
        fields.expect(tag::SEQUENCE)?; // issuer
        let mut validity = Reader::new(fields.expect(tag::SEQUENCE)?);
        let not_before = time(validity.any()?)?;
        let not_after = time(validity.any()?)?;
        let subject = fields.expect(tag::SEQUENCE)?;
        fields.expect(tag::SEQUENCE)?; // public key
        let mut leaf = Self {
            not_before,
            not_after,
            is_ca: false,
            key_usage: None,
            names: &[],
            subject,
            authority_key_id: &[],
        };
        while !fields.is_empty() {
            let field = fields.any()?;
            if field.tag == tag::CONTEXT_3 {
                leaf.read_extensions(field.content)?;
            }
        }
        Ok(leaf)
    }

    fn read_extensions(&mut self, content: &'a [u8]) -> Result<(), Malformed> {
        let mut extensions = Reader::new(Reader::new(content).expect(tag::SEQUENCE)?);
        let mut seen = 0u8;
        while !extensions.is_empty() {
            let mut extension = Reader::new(extensions.expect(tag::SEQUENCE)?);
            let id = extension.expect(tag::OID)?;
            extension.optional(tag::BOOLEAN)?;
            let value = extension.expect(tag::OCTET_STRING)?;
            let bit = match id {
                BASIC_CONSTRAINTS => {
                    self.is_ca = is_ca(value)?;
                    1
                }
                KEY_USAGE => {
                    self.key_usage = Some(key_usage(value)?);
                    2
                }
                SUBJECT_ALT_NAME => {
                    self.names = Reader::new(value).expect(tag::SEQUENCE)?;
                    4
                }
                AUTHORITY_KEY_ID => {
                    self.authority_key_id = authority_key_id(value)?;
                    8
                }
                _ => continue,
            };
            // RFC 5280 section 4.2: a certificate must not hold two instances of an extension.
            if seen & bit != 0 {
                return Err(Malformed);
            }
            seen |= bit;
        }
        Ok(())
    }

    /// The URI names as they are written, text or not.
    pub(crate) fn uris(&self) -> Names<'a> {
        self.names(tag::URI)
    }

    /// The DNS names that are ASCII text.
    pub(crate) fn dns_names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.names(tag::DNS_NAME)
            .filter_map(|name| std::str::from_utf8(name).ok())
            .filter(|name| name.is_ascii())
    }

    /// Whether all of the alternative names can be read.
    pub(crate) fn names_are_well_formed(&self) -> bool {
        let mut reader = Reader::new(self.names);
        while !reader.is_empty() {
            if reader.any().is_err() {
                return false;
            }
        }
        true
    }

    fn names(&self, tag: u8) -> Names<'a> {
        Names {
            reader: Reader::new(self.names),
            tag,
        }
    }

    /// The identifier of the key that signed this leaf; empty when it is not given.
    pub(crate) fn authority_key_id(&self) -> &'a [u8] {
        self.authority_key_id
    }

    /// The subject as RFC 2253 writes it; empty for Consul's leaves.
    pub(crate) fn subject(&self) -> String {
        let mut parts = Vec::new();
        let mut names = Reader::new(self.subject);
        while let Ok(set) = names.expect(tag::SET) {
            let mut text = String::new();
            let mut attributes = Reader::new(set);
            while let Ok(attribute) = attributes.expect(tag::SEQUENCE) {
                if !text.is_empty() {
                    text.push('+');
                }
                write_attribute(&mut text, attribute);
            }
            parts.push(text);
        }
        parts.reverse();
        parts.join(",")
    }
}

/// Names of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Names<'a> {
    reader: Reader<'a>,
    tag: u8,
}

impl<'a> Iterator for Names<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let name = self.reader.any().ok()?;
            if name.tag == self.tag {
                return Some(name.content);
            }
        }
    }
}

fn is_ca(value: &[u8]) -> Result<bool, Malformed> {
    let mut constraints = Reader::new(Reader::new(value).expect(tag::SEQUENCE)?);
    match constraints.optional(tag::BOOLEAN)? {
        None => Ok(false),
        Some([0]) => Ok(false),
        Some([_]) => Ok(true),
        Some(_) => Err(Malformed),
    }
}

fn key_usage(value: &[u8]) -> Result<KeyUsage, Malformed> {
    match Reader::new(value).expect(tag::BIT_STRING)? {
        // The first byte counts the unused bits of the last one; an empty string has no bit set.
        [0] => Ok(KeyUsage(0)),
        [0..=7, bits, ..] => Ok(KeyUsage(*bits)),
        _ => Err(Malformed),
    }
}

fn authority_key_id(value: &[u8]) -> Result<&[u8], Malformed> {
    const KEY_ID: u8 = 0x80;
    let mut fields = Reader::new(Reader::new(value).expect(tag::SEQUENCE)?);
    Ok(fields.optional(KEY_ID)?.unwrap_or_default())
}

fn write_attribute(out: &mut String, attribute: &[u8]) {
    let mut attribute = Reader::new(attribute);
    let (Ok(id), Ok(value)) = (attribute.expect(tag::OID), attribute.any()) else {
        return;
    };
    let name = match id {
        [0x55, 0x04, 0x03] => "CN",
        [0x55, 0x04, 0x06] => "C",
        [0x55, 0x04, 0x07] => "L",
        [0x55, 0x04, 0x08] => "ST",
        [0x55, 0x04, 0x0a] => "O",
        [0x55, 0x04, 0x0b] => "OU",
        _ => "OID",
    };
    let _ = write!(out, "{name}=");
    match std::str::from_utf8(value.content) {
        Ok(text) if name != "OID" => {
            for c in text.chars() {
                if matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '#' | '=') {
                    out.push('\\');
                }
                out.push(c);
            }
        }
        _ => {
            out.push('#');
            for byte in value.content {
                let _ = write!(out, "{byte:02x}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{
        CertificateParams, CustomExtension, DnType, IsCa, KeyPair, KeyUsagePurpose, SanType,
    };

    use super::*;

    fn certificate(edit: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::default();
        edit(&mut params);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().unwrap())
    }

    #[test]
    fn usage_names_subject_and_validity_are_read() {
        let der = certificate(|params| {
            params.not_before = rcgen::date_time_ymd(2024, 2, 29);
            params.not_after = rcgen::date_time_ymd(2051, 1, 1);
            params.distinguished_name = rcgen::DistinguishedName::new();
            params
                .distinguished_name
                .push(DnType::OrganizationName, "A, B");
            params.distinguished_name.push(DnType::CommonName, "leaf");
            params.key_usages = vec![
                KeyUsagePurpose::DigitalSignature,
                KeyUsagePurpose::KeyEncipherment,
            ];
            params.subject_alt_names = vec![
                uri("spiffe://td/a"),
                SanType::DnsName("d.test".try_into().unwrap()),
                uri("spiffe://td/b"),
            ];
        });
        let leaf = Leaf::read(&der).unwrap();
        assert_eq!(
            leaf.uris().collect::<Vec<_>>(),
            [b"spiffe://td/a", b"spiffe://td/b"]
        );
        assert_eq!(leaf.dns_names().collect::<Vec<_>>(), ["d.test"]);
        assert_eq!(leaf.subject(), "CN=leaf,O=A\\, B");
        assert_eq!(
            (leaf.not_before, leaf.not_after),
            (1_709_164_800, 2_556_144_000)
        );
        let usage = leaf.key_usage.unwrap();
        assert!(usage.digital_signature() && !usage.signs_certificates_or_lists());
        assert!(!leaf.is_ca && leaf.names_are_well_formed());
    }

    #[test]
    fn an_authority_is_recognised() {
        let der = certificate(|params| {
            params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        });
        let leaf = Leaf::read(&der).unwrap();
        assert!(leaf.is_ca && leaf.key_usage.unwrap().signs_certificates_or_lists());
    }

    #[test]
    fn a_repeated_extension_is_malformed() {
        let der = certificate(|params| {
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            let again =
                CustomExtension::from_oid_content(&[2, 5, 29, 15], vec![0x03, 0x02, 0x07, 0x80]);
            params.custom_extensions.push(again);
        });
        assert_eq!(Leaf::read(&der).err(), Some(Malformed));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Leaf::read(&bytes);
            let _ = is_ca(&bytes);
            let _ = key_usage(&bytes);
            let _ = authority_key_id(&bytes);
            write_attribute(&mut String::new(), &bytes);
        }

        #[test]
        fn a_damaged_certificate_never_panics(at in 0usize..400, byte in any::<u8>(), cut in 0usize..400) {
            thread_local! {
                static DER: Vec<u8> = certificate(|params| {
                    params.subject_alt_names = vec![uri("spiffe://td/a")];
                    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
                });
            }
            DER.with(|der| {
                let mut der = der.clone();
                let at = at % der.len();
                der[at] = byte;
                if let Ok(leaf) = Leaf::read(&der) {
                    let _ = (leaf.uris().count(), leaf.dns_names().count(), leaf.subject());
                    let _ = leaf.names_are_well_formed();
                }
                der.truncate(cut);
                let _ = Leaf::read(&der);
            });
        }
    }
}
