//! Which addresses belong to everybody.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// The addresses that are no host of the public internet (RFC 6890 and what came after it), as networks.
const NOT_PUBLIC: &[(Ipv4Addr, u8)] = &[
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    // Shared by the customers of a carrier; one cloud has its metadata there.
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local, and the metadata of most clouds.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast, what is reserved, and broadcast.
    (Ipv4Addr::new(224, 0, 0, 0), 3),
    // Azure's own services for its machines, which only these reach.
    (Ipv4Addr::new(168, 63, 129, 16), 32),
];

/// Returns whether an address is a host of the public internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            !NOT_PUBLIC.iter().any(|&(network, length)| contains(network.into(), length, address.into()))
        }
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_public(Ipv4Addr::new(a, b, c, d).into())
    };
    match address.segments() {
        // A translator (RFC 6052) or a relay (6to4) leads on to an address of the other kind.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => embedded(high, low),
        // Tunnels (Teredo, whose end is disguised), benchmarks, examples and other special purposes.
        [0x2001, second, ..] if second < 0x200 || second == 0x0db8 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// Returns whether an address is one of this machine's own.
///
/// Asks the kernel from which address it would talk to it: to itself, from the same. Nothing is sent.
pub(super) fn is_own(address: IpAddr) -> bool {
    let unspecified: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let source = UdpSocket::bind((unspecified, 0)).and_then(|socket| {
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    // What there is no way to is nobody's.
    source.is_ok_and(|source| source.ip() == address)
}

/// Returns whether a network, of which so many bits count, has the address. Both are of one family, or it has not.
pub(super) fn contains(network: IpAddr, length: u8, address: IpAddr) -> bool {
    let (network, address, width) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => (network.to_bits().into(), address.to_bits().into(), 32),
        (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits(), address.to_bits(), 128),
        _ => return false,
    };
    let different: u128 = network ^ address;
    different.checked_shr(width - u32::from(length)).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_public_is_told_from_what_is_not() {
        let is_public = |text: &str| is_public(text.parse().expect(text));
        for public in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:1.1.1.1", "2002:101:101::1"] {
            assert!(is_public(public), "{public}");
        }
        for other in [
            "0.0.0.0",
            "10.1.2.3",
            "100.100.100.200",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.31.255.255",
            "192.168.0.1",
            "192.0.0.192",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
        ] {
            assert!(!is_public(other), "{other}");
        }
    }

    #[test]
    fn networks_end_where_they_end() {
        let contains = |network: &str, length, address: &str| {
            contains(network.parse().expect(network), length, address.parse().expect(address))
        };
        assert!(contains("10.0.0.0", 8, "10.255.0.1") && !contains("10.0.0.0", 8, "11.0.0.0"));
        assert!(contains("10.0.0.1", 32, "10.0.0.1") && !contains("10.0.0.1", 32, "10.0.0.2"));
        assert!(contains("0.0.0.0", 0, "255.0.0.1") && contains("::", 0, "ffff::") && !contains("::", 0, "1.1.1.1"));
        assert!(contains("fd00::", 8, "fdff::1") && !contains("fd00::", 8, "fe00::1"));
    }

    #[test]
    fn this_machine_knows_itself() {
        assert!(is_own(Ipv4Addr::LOCALHOST.into()));
        assert!(!is_own(Ipv4Addr::new(198, 51, 100, 7).into()));
    }
}
