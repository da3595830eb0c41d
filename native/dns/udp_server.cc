#include "dns/udp_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cstring>

#include "drivers/clock.h"

namespace headgate::dns {
namespace {

constexpr unsigned kBatch = 64;
constexpr size_t kQueryMax = 2048;
constexpr int kReceiveBuffer = 4 << 20;

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

socklen_t size_of(const SocketAddress& address) {
  return address.any.sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
}

bool parse_address(const std::string& text, uint16_t port, SocketAddress* address) {
  memset(address, 0, sizeof *address);
  if (inet_pton(AF_INET, text.c_str(), &address->v4.sin_addr) == 1) {
    address->v4.sin_family = AF_INET;
    address->v4.sin_port = htons(port);
    return true;
  }
  if (inet_pton(AF_INET6, text.c_str(), &address->v6.sin6_addr) != 1) return false;
  address->v6.sin6_family = AF_INET6;
  address->v6.sin6_port = htons(port);
  return true;
}

void set(int socket, int level, int option, int value) { setsockopt(socket, level, option, &value, sizeof value); }

}  // namespace

struct Batch {
  uint8_t queries[kBatch][kQueryMax];
  uint8_t answers[kBatch][kAnswerMax];
  SocketAddress peers[kBatch];
  iovec query_parts[kBatch];
  iovec answer_parts[kBatch];
  mmsghdr received[kBatch];
  mmsghdr sent[kBatch];

  // The octets of the peer's address and its family.
  const uint8_t* address(unsigned i, uint8_t* family) const {
    const SocketAddress& peer = peers[i];
    *family = peer.any.sa_family == AF_INET ? 4 : 6;
    return *family == 4 ? reinterpret_cast<const uint8_t*>(&peer.v4.sin_addr) : peer.v6.sin6_addr.s6_addr;
  }
};

std::optional<Failure> UdpServer::open(const std::vector<std::string>& addresses, uint16_t port,
                                       std::unique_ptr<const AnswerTable> table, std::function<void()> wake) {
  table_ = std::move(table);
  wake_ = std::move(wake);
  const auto failed = [this](const std::string& what) -> Failure {
    const Failure failure{"listen_failed", "dns: cannot listen on " + what + ": " + strerror(errno)};
    close();
    return failure;
  };
  poll_ = epoll_create1(EPOLL_CLOEXEC);
  stop_ = eventfd(0, EFD_CLOEXEC);
  port_ = port;
  for (const std::string& text : addresses) {
    SocketAddress address;
    if (!parse_address(text, port_, &address)) {
      errno = EINVAL;
      return failed(text);
    }
    const int socket = ::socket(address.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket < 0) return failed(text);
    sockets_.push_back(socket);
    if (address.any.sa_family == AF_INET6) set(socket, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    // Answers fit any path; a forged "too big" must not make us send fragments (RFC 9715).
    if (address.any.sa_family == AF_INET) set(socket, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
    else set(socket, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT);
    set(socket, SOL_SOCKET, SO_RCVBUF, kReceiveBuffer);
    set(socket, SOL_SOCKET, SO_RCVBUFFORCE, kReceiveBuffer);
    if (bind(socket, &address.any, size_of(address)) < 0) return failed(text + " port " + std::to_string(port_));
    socklen_t size = sizeof address;
    getsockname(socket, &address.any, &size);
    port_ = ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = static_cast<uint32_t>(sockets_.size() - 1);
    epoll_ctl(poll_, EPOLL_CTL_ADD, socket, &event);
  }
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u32 = UINT32_MAX;
  epoll_ctl(poll_, EPOLL_CTL_ADD, stop_, &event);
  thread_ = std::thread([this] { run(); });
  return std::nullopt;
}

void UdpServer::publish(std::unique_ptr<const AnswerTable> table) {
  std::shared_ptr<const AnswerTable> next = std::move(table);
  const std::lock_guard lock(mutex_);
  // The old one ends with its last batch, or here, outside the lock.
  table_.swap(next);
}

void UdpServer::run() {
  const auto batch = std::make_unique<Batch>();
  for (unsigned i = 0; i < kBatch; i++) {
    batch->query_parts[i] = {batch->queries[i], kQueryMax};
    batch->answer_parts[i] = {batch->answers[i], 0};
  }
  epoll_event events[16];
  while (true) {
    const int ready = epoll_wait(poll_, events, 16, -1);
    if (ready < 0 && errno != EINTR) return;
    for (int i = 0; i < ready; i++) {
      if (events[i].data.u32 == UINT32_MAX) return;
      serve(static_cast<uint16_t>(events[i].data.u32), *batch);
    }
  }
}

void UdpServer::serve(uint16_t socket, Batch& batch) {
  for (unsigned i = 0; i < kBatch; i++) {
    batch.received[i] = {};
    batch.received[i].msg_hdr.msg_name = &batch.peers[i];
    batch.received[i].msg_hdr.msg_namelen = sizeof(SocketAddress);
    batch.received[i].msg_hdr.msg_iov = &batch.query_parts[i];
    batch.received[i].msg_hdr.msg_iovlen = 1;
  }
  const int received = recvmmsg(sockets_[socket], batch.received, kBatch, MSG_DONTWAIT, nullptr);
  // A pending ICMP error is reported here once, and is nobody's query.
  if (received <= 0) return;

  std::shared_ptr<const AnswerTable> table;
  {
    const std::lock_guard lock(mutex_);
    table = table_;
  }
  const uint64_t now_ms = clock_ns(CLOCK_REALTIME) / 1'000'000;
  unsigned answers = 0, oversized = 0;
  bool is_mine[kBatch];
  for (int i = 0; i < received; i++) {
    uint8_t family;
    const uint8_t* address = batch.address(i, &family);
    is_mine[i] = true;
    if (batch.received[i].msg_hdr.msg_flags & MSG_TRUNC) {
      oversized++;
      continue;
    }
    const int length = responder_.answer(*table, batch.queries[i], batch.received[i].msg_len, address, family, now_ms,
                                         batch.answers[answers]);
    is_mine[i] = length != Responder::kNotMine;
    if (length <= 0) continue;
    batch.answer_parts[answers].iov_len = static_cast<size_t>(length);
    msghdr& header = batch.sent[answers].msg_hdr;
    header = {};
    header.msg_name = &batch.peers[i];
    header.msg_namelen = batch.received[i].msg_hdr.msg_namelen;
    header.msg_iov = &batch.answer_parts[answers];
    header.msg_iovlen = 1;
    answers++;
  }
  unsigned failed = 0;
  for (unsigned at = 0; at < answers;) {
    const int sent = sendmmsg(sockets_[socket], batch.sent + at, answers - at, MSG_DONTWAIT);
    // The message that failed is skipped: a full buffer or an unreachable asker is no reason to wait.
    if (sent < 0) failed++;
    at += sent < 0 ? 1 : static_cast<unsigned>(sent);
  }

  bool begins_to_wait = false;
  {
    const std::lock_guard lock(mutex_);
    const bool was_empty = waiting_count_ == 0;
    for (int i = 0; i < received; i++) {
      uint8_t family;
      const uint8_t* address = batch.address(i, &family);
      census_.note(address, family);
      if (is_mine[i]) continue;
      if (waiting_count_ >= kQueueMax) {
        counts_.queue_full++;
        continue;
      }
      const SocketAddress& peer = batch.peers[i];
      Parcel parcel{};
      memcpy(parcel.address, address, family == 4 ? 4 : 16);
      parcel.scope = family == 4 ? 0 : peer.v6.sin6_scope_id;
      parcel.family = family;
      parcel.port = ntohs(family == 4 ? peer.v4.sin_port : peer.v6.sin6_port);
      parcel.socket = socket;
      parcel.length = static_cast<uint16_t>(batch.received[i].msg_len);
      const auto* octets = reinterpret_cast<const uint8_t*>(&parcel);
      waiting_.insert(waiting_.end(), octets, octets + sizeof parcel);
      waiting_.insert(waiting_.end(), batch.queries[i], batch.queries[i] + parcel.length);
      waiting_count_++;
      counts_.handed_on++;
    }
    begins_to_wait = was_empty && waiting_count_ > 0;
    counts_.answers = responder_.counts();
    counts_.queries += static_cast<uint64_t>(received);
    counts_.oversized += oversized;
    counts_.send_failed += failed;
  }
  if (begins_to_wait) wake_();
}

std::vector<uint8_t> UdpServer::take_parcels() {
  std::vector<uint8_t> taken;
  const std::lock_guard lock(mutex_);
  taken.swap(waiting_);
  waiting_count_ = 0;
  return taken;
}

void UdpServer::send_parcels(const uint8_t* bytes, size_t length) {
  uint64_t failed = 0;
  while (length >= sizeof(Parcel)) {
    Parcel parcel;
    memcpy(&parcel, bytes, sizeof parcel);
    bytes += sizeof parcel;
    length -= sizeof parcel;
    if (parcel.length > length || parcel.socket >= sockets_.size()) break;
    SocketAddress peer;
    memset(&peer, 0, sizeof peer);
    if (parcel.family == 4) {
      peer.v4.sin_family = AF_INET;
      peer.v4.sin_port = htons(parcel.port);
      memcpy(&peer.v4.sin_addr, parcel.address, 4);
    } else {
      peer.v6.sin6_family = AF_INET6;
      peer.v6.sin6_port = htons(parcel.port);
      peer.v6.sin6_scope_id = parcel.scope;
      memcpy(&peer.v6.sin6_addr, parcel.address, 16);
    }
    if (sendto(sockets_[parcel.socket], bytes, parcel.length, MSG_DONTWAIT, &peer.any, size_of(peer)) < 0) failed++;
    bytes += parcel.length;
    length -= parcel.length;
  }
  const std::lock_guard lock(mutex_);
  counts_.send_failed += failed;
}

ServerCounts UdpServer::counts() {
  const std::lock_guard lock(mutex_);
  counts_.census_skipped = census_.skipped();
  return counts_;
}

std::vector<ResolverQueries> UdpServer::drain_census() {
  const std::lock_guard lock(mutex_);
  return census_.drain();
}

void UdpServer::close() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    while (write(stop_, &one, sizeof one) < 0 && errno == EINTR) {
    }
    thread_.join();
  }
  for (const int socket : sockets_) ::close(socket);
  sockets_.clear();
  for (int* descriptor : {&poll_, &stop_}) {
    if (*descriptor >= 0) ::close(*descriptor);
    *descriptor = -1;
  }
}

}  // namespace headgate::dns
