#include "drivers/tcp_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace headgate {
namespace {

constexpr int kBacklog = 16;

// A descriptor that is closed unless it is given away.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_;
};

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  int family() const { return storage.ss_family; }
};

bool parse_address(const std::string& text, uint16_t port, Address* address) {
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address->storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address->storage);
  if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address->length = sizeof *v4;
    return true;
  }
  if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    address->length = sizeof *v6;
    return true;
  }
  return false;
}

int fail(Failure* failure, const char* code, const std::string& what) {
  failure->code = code;
  failure->message = what;
  return -1;
}

int fail_errno(Failure* failure, const char* code, const std::string& what) {
  return fail(failure, code, what + ": " + strerror(errno));
}

bool set_md5(int fd, const TcpPeer& peer, Failure* failure) {
  if (peer.md5.empty()) return true;
  tcp_md5sig signature{};
  Address address;
  if (peer.md5.size() > TCP_MD5SIG_MAXKEYLEN || !parse_address(peer.address, 0, &address)) {
    fail(failure, "bad_md5", "an MD5 key has at most 80 octets");
    return false;
  }
  memcpy(&signature.tcpm_addr, &address.storage, sizeof address.storage);
  signature.tcpm_keylen = static_cast<uint16_t>(peer.md5.size());
  memcpy(signature.tcpm_key, peer.md5.data(), peer.md5.size());
  if (setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &signature, sizeof signature) == 0) return true;
  fail_errno(failure, "md5_unavailable", "TCP MD5 for " + peer.address);
  return false;
}

// RFC 5082 section 3: what we send has the greatest time to live.
bool send_farthest(int fd, int family, Failure* failure) {
  const int sent = 255;
  const bool is_set = family == AF_INET
                          ? setsockopt(fd, IPPROTO_IP, IP_TTL, &sent, sizeof sent) == 0
                          : setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &sent, sizeof sent) == 0;
  if (!is_set) fail_errno(failure, "ttl_unavailable", "TTL security");
  return is_set;
}

// And nothing is taken that has passed more routers than agreed.
bool set_hops(int fd, int family, int hops, Failure* failure) {
  if (hops == 0) return true;
  if (!send_farthest(fd, family, failure)) return false;
  const int least = 256 - hops;
  const bool is_set =
      family == AF_INET
          ? setsockopt(fd, IPPROTO_IP, IP_MINTTL, &least, sizeof least) == 0
          : setsockopt(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, &least, sizeof least) == 0;
  if (!is_set) fail_errno(failure, "ttl_unavailable", "TTL security");
  return is_set;
}

bool bind_local(int fd, int family, const TcpEnd& local, Failure* failure) {
  if (local.address.empty()) return true;
  Address address;
  if (!parse_address(local.address, local.port, &address) || address.family() != family) {
    fail(failure, "bad_address", local.address + " is no address of the router's family");
    return false;
  }
  if (bind(fd, reinterpret_cast<sockaddr*>(&address.storage), address.length) == 0) return true;
  fail_errno(failure, "bind_failed", "cannot use the local address " + local.address);
  return false;
}

bool await_connection(int fd, int timeout_ms, const std::string& peer, Failure* failure) {
  pollfd waiting{fd, POLLOUT, 0};
  const int ready = poll(&waiting, 1, timeout_ms);
  if (ready == 0) {
    fail(failure, "timeout", "no answer from " + peer + " in time");
    return false;
  }
  int error = 0;
  socklen_t size = sizeof error;
  if (ready < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error == 0) return true;
  errno = error;
  fail_errno(failure, "connect_failed", "cannot connect to " + peer);
  return false;
}

}  // namespace

int connect_tcp(const TcpPeer& peer, uint16_t port, const TcpEnd& local, int timeout_ms, Failure* failure) {
  Address address;
  if (!parse_address(peer.address, port, &address)) return fail(failure, "bad_address", peer.address);
  Descriptor fd(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (fd.get() < 0) return fail_errno(failure, "socket_failed", "cannot make a socket");
  if (!set_md5(fd.get(), peer, failure) || !set_hops(fd.get(), address.family(), peer.hops, failure) ||
      !bind_local(fd.get(), address.family(), local, failure))
    return -1;
  const auto* target = reinterpret_cast<const sockaddr*>(&address.storage);
  if (connect(fd.get(), target, address.length) != 0) {
    if (errno != EINPROGRESS)
      return fail_errno(failure, "connect_failed", "cannot connect to " + peer.address);
    if (!await_connection(fd.get(), timeout_ms, peer.address, failure)) return -1;
  }
  return fd.release();
}

bool limit_hops(int fd, int hops, Failure* failure) {
  sockaddr_storage own{};
  socklen_t length = sizeof own;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&own), &length) != 0) {
    fail_errno(failure, "ttl_unavailable", "TTL security");
    return false;
  }
  return set_hops(fd, own.ss_family, hops, failure);
}

int listen_tcp(const TcpEnd& local, const std::vector<TcpPeer>& peers, Failure* failure) {
  Address address;
  if (!parse_address(local.address, local.port, &address))
    return fail(failure, "bad_address", local.address);
  Descriptor fd(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (fd.get() < 0) return fail_errno(failure, "socket_failed", "cannot make a socket");
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  int hops = peers.empty() ? 0 : 1;
  bool is_asked = false;
  for (const TcpPeer& peer : peers) {
    if (!set_md5(fd.get(), peer, failure)) return -1;
    hops = hops == 0 || peer.hops == 0 ? 0 : std::max(hops, peer.hops);
    is_asked = is_asked || peer.hops != 0;
  }
  // Also where some ask for nothing: a peer that checks does so from our very first answer on.
  if (is_asked && !send_farthest(fd.get(), address.family(), failure)) return -1;
  if (!set_hops(fd.get(), address.family(), hops, failure)) return -1;
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address.storage), address.length) != 0 ||
      listen(fd.get(), kBacklog) != 0)
    return fail_errno(failure, "listen_failed",
                      "cannot listen at " + local.address + " port " + std::to_string(local.port));
  return fd.release();
}

}  // namespace headgate
