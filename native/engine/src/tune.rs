//! What the socket of a lane is set to, by how far away the peer is.
//!
//! All of it may fail, and is then done without: the system's own settings carry a file, too.

use std::net::TcpStream;
use std::time::Duration;

/// Sets up a lane whose peer takes `rtt` to answer.
#[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "other systems choose by themselves"))]
pub(crate) fn tune(stream: &TcpStream, rtt: Duration) {
    #[cfg(target_os = "linux")]
    if rtt <= linux::NEAR { linux::near(stream) } else { linux::far(stream) }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::read_to_string;
    use std::net::TcpStream;
    use std::sync::LazyLock;
    use std::time::Duration;

    use rustix::net::sockopt::{set_tcp_congestion, tcp_congestion};
    use socket2::SockRef;

    /// Up to here the peer is on this machine or in the same building, and the line is not what
    /// limits.
    pub const NEAR: Duration = Duration::from_millis(2);

    /// Bytes that a lane takes from the session before the network takes them from it. What waits
    /// here cannot go out on a faster lane.
    const UNSENT_BYTES: u32 = 1024 * 1024;

    /// BBR sends by a timer, which costs a third more of the processor than the network gains.
    pub fn near(stream: &TcpStream) {
        if tcp_congestion(stream).is_ok_and(|name| name == "bbr") {
            let _ = set_tcp_congestion(stream, "cubic").or_else(|_| set_tcp_congestion(stream, "reno"));
        }
    }

    /// BBR keeps going where packets are lost that no queue has dropped.
    pub fn far(stream: &TcpStream) {
        let socket = SockRef::from(stream);
        let _ = set_tcp_congestion(stream, "bbr");
        let _ = socket.set_tcp_notsent_lowat(UNSENT_BYTES);
        if let Some(bytes) = *SEND_BUFFER {
            let _ = socket.set_send_buffer_size(bytes);
        }
    }

    /// The send buffer to ask for: only where that gives a larger one than the kernel finds by
    /// itself. It doubles what is asked for, up to twice `wmem_max`, and never goes beyond the
    /// last of `tcp_wmem` by itself (tcp(7), socket(7)).
    static SEND_BUFFER: LazyLock<Option<usize>> = LazyLock::new(|| {
        let read = |name| -> Option<usize> {
            let numbers = read_to_string(format!("/proc/sys/net/{name}")).ok()?;
            numbers.split_whitespace().next_back()?.parse().ok()
        };
        let (most, automatic) = (read("core/wmem_max")?, read("ipv4/tcp_wmem")?);
        (most.saturating_mul(2) > automatic).then_some(most)
    });
}
