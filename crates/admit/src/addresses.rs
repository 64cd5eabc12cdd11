//! Addresses and networks as the API takes them: the lenient reading of its older fields, and what
//! it has come to refuse. It must not know which field holds them.

use std::net::{IpAddr, Ipv4Addr};

/// What is wrong with an address, as fields older than Kubernetes 1.36 are checked.
pub(super) fn address_problem(text: &str) -> Option<&'static str> {
    let Ok(found) = text.parse::<IpAddr>() else {
        let has_zeros = padded(text).is_some();
        return Some(if has_zeros {
            "must not have leading 0s"
        } else {
            "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        });
    };
    let is_mapped = is_mapped(&found);
    is_mapped.then_some("must not be an IPv4-mapped IPv6 address")
}

/// Whether a text means an address, with zeros before its numbers or without.
pub(super) fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || padded(text).is_some()
}

/// An older address whose numbers have zeros before them, which other programs read as octal.
fn padded(text: &str) -> Option<Ipv4Addr> {
    let mut bytes = [0; 4];
    let mut parts = text.split('.');
    for byte in &mut bytes {
        *byte = digits(parts.next()?).and_then(|number| u8::try_from(number).ok())?;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(bytes))
}

/// A number of digits alone.
fn digits(text: &str) -> Option<u32> {
    let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

fn is_mapped(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some())
}

/// An address with the number of its leading bits that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    length: u32,
}

impl Network {
    /// Reads a network; `None` when the text is none.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let length = digits(length)?;
        let address = match address.parse() {
            Ok(address) => address,
            Err(_) => IpAddr::V4(padded(address)?),
        };
        let most = if address.is_ipv4() { 32 } else { 128 };
        (length <= most).then_some(Self { address, length })
    }

    /// The bits of the address, the first one highest.
    fn bits(self) -> u128 {
        match self.address {
            IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
            IpAddr::V6(address) => address.to_bits(),
        }
    }

    fn mask(self) -> u128 {
        u128::MAX.checked_shl(128 - self.length).unwrap_or(0)
    }

    /// Whether another network is a part of this one, and not the whole.
    pub(super) fn holds(self, other: Self) -> bool {
        self.address.is_ipv4() == other.address.is_ipv4()
            && self.length < other.length
            && self.bits() & self.mask() == other.bits() & self.mask()
    }

    /// The network as it is best written, where that differs.
    pub(super) fn written_otherwise(text: &str) -> Option<String> {
        let network = Self::read(text)?;
        let IpAddr::V6(address) = network.address else {
            return None;
        };
        let written = format!("{address}/{}", network.length);
        (written != text).then_some(written)
    }
}

/// What is wrong with a network.
pub(super) fn network_problem(text: &str) -> Option<&'static str> {
    let Some(network) = Network::read(text) else {
        return Some("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
    };
    let (address, length) = text.split_once('/')?;
    if address.parse::<IpAddr>().is_err() || length.len() > 1 && length.starts_with('0') {
        Some("must not have leading 0s in IP or prefix length")
    } else if is_mapped(&network.address) {
        Some("must not have an IPv4-mapped IPv6 address")
    } else if network.bits() & !network.mask() != 0 {
        Some("must not have bits set beyond the prefix length")
    } else {
        None
    }
}
