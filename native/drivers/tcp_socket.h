// TCP sockets with what must be set before the first packet: MD5 signatures (RFC 2385) and a time to live that
// far senders cannot reach (GTSM, RFC 5082). They are made, set and connected here, then handed over as descriptors.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "drivers/failure.h"

namespace headgate {

struct TcpPeer {
  std::string address;  // IPv4 or IPv6
  std::string md5;      // at most 80 octets; empty: no signatures
  int hops = 0;         // 1 to 254: at most this far away; 0: not checked
};

struct TcpEnd {
  std::string address;  // empty: the system's choice
  uint16_t port = 0;
};

// Connects within timeout_ms. Blocks: not for the main thread. Gives a descriptor, or -1 and the failure.
int connect_tcp(const TcpPeer& peer, uint16_t port, const TcpEnd& local, int timeout_ms, Failure* failure);

// Listens for these peers. A time to live is checked when all of them ask for it, for the farthest of them: a
// listening socket knows only one bound, and limit_hops tightens it for each connection.
int listen_tcp(const TcpEnd& local, const std::vector<TcpPeer>& peers, Failure* failure);

// Sends with the time to live of GTSM on a connected socket, and takes nothing from farther than `hops` (1 to 254).
bool limit_hops(int fd, int hops, Failure* failure);

}  // namespace headgate
