//! The sockets that a listener accepts on.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

use crate::Error;
use crate::error::words;
use crate::limits::BACKLOG;

/// Sockets that listen on these addresses, all on one port; with none given, on every address of both
/// families. Port 0 is any free one.
pub(crate) fn bind_all(addresses: &[IpAddr], port: u16) -> Result<Vec<std::net::TcpListener>, Error> {
    if addresses.is_empty() {
        // One socket for both families; where the system has no IPv6, the other alone.
        let both = bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port), true);
        return Ok(vec![match both {
            Err(Error::Bind { .. }) => bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port), false)?,
            bound => bound?,
        }]);
    }
    let mut attempts = if port == 0 { FREE_PORT_ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        match bind_each(addresses, port) {
            Err(Error::PortInUse { .. }) if attempts > 0 => {}
            bound => return bound,
        }
    }
}

/// A port that is free at one address may be taken at another.
const FREE_PORT_ATTEMPTS: u32 = 16;

fn bind_each(addresses: &[IpAddr], port: u16) -> Result<Vec<std::net::TcpListener>, Error> {
    let mut sockets: Vec<std::net::TcpListener> = Vec::new();
    for address in addresses {
        // With any free port asked for, the first socket finds it and the others follow.
        let first = sockets.first().and_then(|socket| socket.local_addr().ok());
        let port = first.map_or(port, |address| address.port());
        sockets.push(bind(SocketAddr::new(*address, port), false)?);
    }
    Ok(sockets)
}

fn bind(address: SocketAddr, both_families: bool) -> Result<std::net::TcpListener, Error> {
    let bound = || -> io::Result<std::net::TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(!both_families)?;
        }
        // On Unix this only skips the wait after an earlier listener; on Windows it would share the port.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    };
    bound().map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Error::PortInUse { port: address.port() },
        kind => Error::Bind { address, kind, text: words(&error) },
    })
}
