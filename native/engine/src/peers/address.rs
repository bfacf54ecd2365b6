//! Where a peer was dialled.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use hawser_protocol::ticket::{Host, Ticket};

/// A host, as a ticket names it, and a port: `192.0.2.7:7707`, `[2001:db8::7]:7707`, `example.org:7707`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Where.
    pub host: Host,
    /// Not 0.
    pub port: u16,
}

impl Address {
    /// Those that a ticket names.
    pub fn all_of(ticket: &Ticket) -> impl Iterator<Item = Self> + Clone {
        ticket.addresses().iter().map(|host| Self { host: host.clone(), port: ticket.port() })
    }

    /// The one of those dialled that led to `reached`. Where it was a name, and there were several, it is not known
    /// which: a ticket must not claim for its key what leads to somebody else.
    pub fn that_led_to(mut dialled: impl Iterator<Item = Self> + Clone, reached: SocketAddr) -> Option<Self> {
        let reached = reached.ip().to_canonical();
        let is_it = |address: &Self| matches!(address.host, Host::Ip(ip) if ip.to_canonical() == reached);
        let is_name = |address: &Self| matches!(address.host, Host::Name(_));
        // Whoever is reached on this machine is not known by that, whatever name has led there.
        let elsewhere = |address: &Self| !address.is_loopback() && !is_loopback(reached);
        let mut names = dialled.clone().filter(is_name);
        let only_name = names.next().filter(|_| names.next().is_none());
        dialled.find(is_it).or(only_name).filter(elsewhere)
    }

    /// Whether it leads to this machine, for whoever dials it: there anyone may answer.
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Ip(ip) => is_loopback(ip.to_canonical()),
            Host::Name(name) => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                name == "localhost" || name.ends_with(".localhost")
            }
        }
    }

    /// Addresses that are the same have the same folded form: names have no case and may end in a dot, and an IPv4
    /// address may be written as an IPv6 one.
    pub fn folded(&self) -> String {
        match &self.host {
            Host::Ip(ip) => SocketAddr::new(ip.to_canonical(), self.port).to_string(),
            Host::Name(name) => {
                format!("{}:{}", name.trim_end_matches('.').to_ascii_lowercase(), self.port)
            }
        }
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    // Whoever dials "any address" reaches this machine.
    ip.is_loopback() || ip.is_unspecified()
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(ip) => SocketAddr::new(*ip, self.port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// Not a host and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnAddress;

impl FromStr for Address {
    type Err = NotAnAddress;

    /// Exactly what `Display` writes.
    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let (host, port) = text.rsplit_once(':').ok_or(NotAnAddress)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let address = Self {
            host: bare.parse().map_err(|_| NotAnAddress)?,
            port: port.parse().ok().filter(|&port| port != 0).ok_or(NotAnAddress)?,
        };
        // One text for one address.
        if address.to_string() == text { Ok(address) } else { Err(NotAnAddress) }
    }
}

#[cfg(test)]
mod tests {
    use hawser_protocol::identity::PublicKey;
    use hawser_protocol::ticket::{Permits, TicketSecret};

    use super::*;

    #[test]
    fn an_address_has_one_text() {
        for text in ["192.0.2.7:7707", "[2001:db8::7]:1", "example.org:65535", "Host-1:80"] {
            assert_eq!(text.parse::<Address>().map(|address| address.to_string()), Ok(text.into()));
        }
        let wrong = ["", ":", "a", "a:", ":1", "a:0", "a:65536", "a:01", "a:+1", "[a]:1", "[192.0.2.7]:1"];
        let more = ["2001:db8::7:1", "[2001:DB8::7]:1", "a b:1", "ä:1", "[::1:1", "a:1\n", "[fe80::1%1]:1"];
        for text in wrong.into_iter().chain(more) {
            // Without brackets the last group is the port, and what is before it may be an address.
            let read = text.parse::<Address>().map(|address| address.to_string());
            assert_eq!(read, Err(NotAnAddress), "{text:?}");
        }
    }

    #[test]
    fn one_address_has_one_folded_form() {
        let folded = |text: &str| text.parse::<Address>().unwrap().folded();
        assert_eq!(folded("[::ffff:192.0.2.7]:1"), folded("192.0.2.7:1"));
        assert_eq!(folded("Example.org.:1"), folded("example.ORG:1"));
        assert_ne!(folded("example.org:1"), folded("example.org:2"));
    }

    #[test]
    fn loopback_is_known_by_number_and_by_name() {
        let here = ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "0.0.0.0:1", "[::]:1"];
        let names = ["localhost:1", "LocalHost.:1", "a.localhost:1"];
        for text in here.into_iter().chain(names) {
            assert!(text.parse::<Address>().unwrap().is_loopback(), "{text}");
        }
        for text in ["192.0.2.7:1", "[2001:db8::7]:1", "localhost.example:1", "mylocalhost:1"] {
            assert!(!text.parse::<Address>().unwrap().is_loopback(), "{text}");
        }
    }

    #[test]
    fn the_address_that_led_somewhere_is_the_one_that_was_dialled() {
        let ticket = |hosts: &[&str]| {
            let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
            let permits = Permits { push: true, pull: false };
            Ticket::new(hosts, 7, PublicKey([1; 32]), TicketSecret::new([2; 16]), permits).unwrap()
        };
        let led = |hosts: &[&str], reached: &str| {
            let address = Address::that_led_to(Address::all_of(&ticket(hosts)), reached.parse().unwrap());
            address.map(|address| address.to_string())
        };
        assert_eq!(led(&["a.example", "192.0.2.1"], "192.0.2.1:7").as_deref(), Some("192.0.2.1:7"));
        assert_eq!(led(&["192.0.2.1", "a.example"], "192.0.2.9:7").as_deref(), Some("a.example:7"));
        assert_eq!(led(&["bank.example", "evil.example"], "192.0.2.9:7"), None);
        let known = led(&["bank.example", "192.0.2.9", "evil.example"], "192.0.2.9:7");
        assert_eq!(known.as_deref(), Some("192.0.2.9:7"));
        assert_eq!(led(&["192.0.2.1"], "192.0.2.9:7"), None);
        assert_eq!(led(&["127.0.0.1", "a.example"], "127.0.0.1:7"), None);
        assert_eq!(led(&["a.example"], "[::1]:7"), None);
    }
}
