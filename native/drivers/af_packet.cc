#include "drivers/af_packet.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>

#include "drivers/clock.h"

namespace headgate {
namespace {

// From linux/virtio_net.h, which is not C++ (a field named `class`).
constexpr uint8_t kNeedsChecksum = 1;
constexpr uint8_t kGsoNone = 0;
constexpr uint8_t kGsoUdp = 5;
constexpr uint8_t kGsoEcn = 0x80;

constexpr uint32_t kTagBytes = 4;
constexpr uint32_t kAddressBytes = 12;  // both MAC addresses: a tag goes behind them
// Room in a slot before the frame: its Offload, a tag from the metadata and kHeadroom for the pipeline, and the rest
// of what puts the IP header on a 16-byte boundary.
constexpr int kReserve = 22;
static_assert(kReserve >= static_cast<int>(kTagBytes + kHeadroom));
// What a full queue of the other port may cost the packets behind it before the frame counts as lost.
constexpr int kFullQueueWaitMs = 1;

Failure refused(const std::string& name, const char* what) {
  const int error = errno;
  if (error == EPERM || error == EACCES)
    return {"no_capability", "not allowed to open a packet socket on " + name +
                                 ": run as root, or give the service CAP_NET_RAW and CAP_NET_ADMIN"};
  return {"driver_unfit", std::string(what) + " on interface " + name + " failed: " + strerror(error)};
}

template <typename Value>
bool set(int fd, int level, int option, const Value& value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

// Replaces the filter that was there from one packet to the next.
template <size_t kLength>
bool set_filter(int fd, std::array<sock_filter, kLength> filter) {
  return set(fd, SOL_SOCKET, SO_ATTACH_FILTER, sock_fprog{kLength, filter.data()});
}

// Bytes of a super-packet before its payload; 0 when the frame is not what its offload state says.
uint32_t header_bytes(const uint8_t* frame, uint32_t length, const Offload& offload) {
  uint32_t transport = offload.checksum_start;
  if ((offload.flags & kNeedsChecksum) == 0) {
    // Merged by GRO on a card: the checksum is done, so nothing says where the transport header is.
    uint32_t at = kAddressBytes;
    uint16_t type = 0;
    do {
      if (at + 6 > length) return 0;
      type = static_cast<uint16_t>(frame[at] << 8 | frame[at + 1]);
      at += type == ETH_P_8021Q || type == ETH_P_8021AD ? kTagBytes : 2;
    } while (type == ETH_P_8021Q || type == ETH_P_8021AD);
    if (at + 40 > length) return 0;
    transport = at + (type == ETH_P_IP ? (frame[at] & 0x0fU) * 4 : 40);
  }
  if (transport + 20 > length) return 0;
  const bool is_udp = (offload.gso_type & ~kGsoEcn) == kGsoUdp;
  return transport + (is_udp ? 8 : (frame[transport + 12] >> 4U) * 4);
}

uint32_t* status_of(uint8_t* slot) { return &reinterpret_cast<tpacket2_hdr*>(slot)->tp_status; }

uint32_t load_status(uint8_t* slot) { return std::atomic_ref(*status_of(slot)).load(std::memory_order_acquire); }

void give_back(uint8_t* slot) { std::atomic_ref(*status_of(slot)).store(TP_STATUS_KERNEL, std::memory_order_release); }

Loss loss_of(int error) {
  switch (error) {
    case EAGAIN:
    case ENOMEM:
      return Loss::NoBuffer;
    case EMSGSIZE:
      return Loss::TooLong;
    case ENETDOWN:
    case ENXIO:
    case ENODEV:
      return Loss::PortDown;
    default:
      return Loss::Refused;
  }
}

// How many of the messages were sent, or -1. A packet that comes alone takes the shorter way into the kernel.
int send_some(int fd, mmsghdr* messages, uint32_t count) {
  if (count > 1) return sendmmsg(fd, messages, count, MSG_DONTWAIT);
  if (messages->msg_hdr.msg_iovlen > 1) return sendmsg(fd, &messages->msg_hdr, MSG_DONTWAIT) < 0 ? -1 : 1;
  const iovec& part = *messages->msg_hdr.msg_iov;
  return ::send(fd, part.iov_base, part.iov_len, MSG_DONTWAIT) < 0 ? -1 : 1;
}

}  // namespace

uint32_t segments_of(const uint8_t* frame, uint32_t length, const Offload& offload) {
  if (offload.gso_type == kGsoNone || offload.gso_size == 0) return 1;
  const uint32_t headers = header_bytes(frame, length, offload);
  if (headers >= length) return 1;
  return (length - headers + offload.gso_size - 1) / offload.gso_size;
}

AfPacketPort::~AfPacketPort() { close(); }

std::optional<Failure> AfPacketPort::open(const std::string& name, const PortFacts& facts, Intake intake) {
  // Protocol 0 until everything is set: nothing is received half-configured.
  fd_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) return refused(name, "opening a packet socket");

  // The largest slot that still divides a page block; longer frames go by the queue.
  const uint32_t wanted = std::bit_ceil(facts.mtu + ETH_HLEN + 2 * kTagBytes + TPACKET2_HDRLEN + kReserve + 32U);
  slot_bytes_ = std::clamp<size_t>(wanted, 2048, 16384);
  const size_t block_bytes = std::max<size_t>(slot_bytes_, 65536);
  tpacket_req ring = {};
  ring.tp_frame_size = static_cast<uint32_t>(slot_bytes_);
  ring.tp_frame_nr = kSlots;
  ring.tp_block_size = static_cast<uint32_t>(block_bytes);
  ring.tp_block_nr = static_cast<uint32_t>(kSlots * slot_bytes_ / block_bytes);

  constexpr int kQueueBytes = 64 << 20;
  const int on = 1;
  const bool is_set = set(fd_, SOL_PACKET, PACKET_VERSION, static_cast<int>(TPACKET_V2)) &&
                      set(fd_, SOL_PACKET, PACKET_VNET_HDR, on) && set(fd_, SOL_PACKET, PACKET_RESERVE, kReserve) &&
                      set(fd_, SOL_PACKET, PACKET_COPY_THRESH, on) &&
                      set(fd_, SOL_PACKET, PACKET_IGNORE_OUTGOING, on) &&
                      (set(fd_, SOL_SOCKET, SO_RCVBUFFORCE, kQueueBytes) || set(fd_, SOL_SOCKET, SO_RCVBUF, kQueueBytes)) &&
                      (set(fd_, SOL_SOCKET, SO_SNDBUFFORCE, kQueueBytes) || set(fd_, SOL_SOCKET, SO_SNDBUF, kQueueBytes)) &&
                      set(fd_, SOL_PACKET, PACKET_RX_RING, ring);
  if (!is_set) return refused(name, "setting up the packet ring");
  // Populated now: a page fault in the packet loop costs more than a batch.
  void* memory = mmap(nullptr, kSlots * slot_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_, 0);
  if (memory == MAP_FAILED) return refused(name, "mapping the packet ring");
  ring_ = static_cast<uint8_t*>(memory);
  large_ = std::make_unique_for_overwrite<uint8_t[]>(kLargeBuffers * kLargeBytes);
  big_ = std::make_unique<BigPacket[]>(kLargeBuffers);

  sockaddr_ll address = {};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = facts.index;
  packet_mreq promiscuous = {};
  promiscuous.mr_ifindex = facts.index;
  promiscuous.mr_type = PACKET_MR_PROMISC;
  if (intake == Intake::Held && !set_filter(fd_, std::array{sock_filter BPF_STMT(BPF_RET | BPF_K, 0)}))
    return refused(name, "holding what comes in");
  if (!set(fd_, SOL_PACKET, PACKET_ADD_MEMBERSHIP, promiscuous)) return refused(name, "setting promiscuous mode");
  if (bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return refused(name, "binding");
  return std::nullopt;
}

bool AfPacketPort::let_in() {
  // A group of sockets may hear what goes out although none of them wants to (Linux before PACKET_FANOUT_FLAG_IGNORE_OUTGOING).
  constexpr auto kPacketType = static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE);
  return set_filter(fd_, std::array{sock_filter BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kPacketType),
                                    sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
                                    sock_filter BPF_STMT(BPF_RET | BPF_K, 0),
                                    sock_filter BPF_STMT(BPF_RET | BPF_K, UINT32_MAX)});
}

void AfPacketPort::close() {
  if (ring_ != nullptr) munmap(ring_, kSlots * slot_bytes_);
  if (fd_ >= 0) ::close(fd_);
  ring_ = nullptr;
  fd_ = -1;
}

uint32_t AfPacketPort::receive(Batch* batch, Losses* losses) {
  // Slots are stamped with the wall clock; the pipeline's clock never jumps.
  uint64_t to_monotonic = 0;
  uint32_t large = 0;
  batch->size = 0;
  while (batch->size < kBatch && held_ < kBatch && large < kLargeBuffers) {
    uint8_t* const at = slot((head_ + held_) % kSlots);
    const uint32_t status = load_status(at);
    if ((status & TP_STATUS_USER) == 0) break;
    if (held_ == 0) to_monotonic = clock_ns(CLOCK_MONOTONIC) - clock_ns(CLOCK_REALTIME);
    held_++;
    __builtin_prefetch(slot((head_ + held_) % kSlots));

    const auto* head = reinterpret_cast<const tpacket2_hdr*>(at);
    Packet& packet = batch->packets[batch->size];
    Offload& offload = batch->offloads[batch->size];
    uint8_t* data = at + head->tp_mac;
    if ((status & TP_STATUS_COPY) != 0) {
      data = fetch_large(large, head->tp_len, &offload);
      if (data != nullptr) large++;
    } else if (head->tp_snaplen < head->tp_len) {
      data = nullptr;
    } else {
      memcpy(&offload, data - sizeof offload, sizeof offload);
    }
    if (data == nullptr) {
      losses->add(Loss::Truncated);
      continue;
    }
    packet.data = data;
    packet.captured = head->tp_len;
    packet.wire_length = head->tp_len;
    packet.time_ns = to_monotonic + head->tp_sec * 1'000'000'000ULL + head->tp_nsec;
    packet.frame = 0;
    packet.segment_bytes = offload.gso_type == kGsoNone ? 0 : offload.gso_size;
    packet.link_type = 1;
    packet.has_vlan = (status & TP_STATUS_VLAN_VALID) != 0;
    packet.vlan_tci = head->tp_vlan_tci;
    packet.vlan_tpid = (status & TP_STATUS_VLAN_TPID_VALID) != 0 ? head->tp_vlan_tpid : uint16_t{ETH_P_8021Q};
    packet.verdict = Verdict::Forward;
    batch->origins[batch->size] = data;
    batch->size++;
  }
  return held_;
}

uint8_t* AfPacketPort::fetch_large(uint32_t index, uint32_t length, Offload* offload) {
  uint8_t* const frame = large_buffer(index) + kLargeRoom;
  uint8_t* const start = frame - sizeof *offload;
  // The queue holds the frames of COPY slots in the slots' order. A length that does not fit is a frame whose slot
  // was lost; its successors are found again by skipping it.
  for (;;) {
    const ssize_t size = recv(fd_, start, kLargeBytes - kLargeRoom, MSG_DONTWAIT | MSG_TRUNC);
    if (size < 0) return nullptr;
    if (static_cast<size_t>(size) != length + sizeof *offload) continue;
    if (static_cast<size_t>(size) > kLargeBytes - kLargeRoom) return nullptr;
    memcpy(offload, start, sizeof *offload);
    return frame;
  }
}

void AfPacketPort::mark_sent(uint32_t mark) { set(fd_, SOL_SOCKET, SO_MARK, mark); }

uint32_t AfPacketPort::send(Batch* batch, Passed* passed, Losses* losses) {
  std::array<iovec, kBatch> whole;
  std::array<mmsghdr, kMessages> messages;
  std::array<uint32_t, kMessages> segments;
  uint32_t count = 0, big = 0;
  const auto prepare = [&](iovec* pieces, size_t size, uint32_t stands_for) {
    messages[count] = {};
    messages[count].msg_hdr.msg_iov = pieces;
    messages[count].msg_hdr.msg_iovlen = size;
    segments[count++] = stands_for;
  };
  for (uint32_t i = 0; i < batch->size; i++) {
    Packet& packet = batch->packets[i];
    Offload offload = batch->offloads[i];
    const uint32_t stands_for = segments_of(packet.data, packet.captured, offload);
    // The pipeline may have moved the start to insert a tag of its own.
    auto inserted = static_cast<uint32_t>(batch->origins[i] - packet.data);
    if (packet.has_vlan) {
      uint8_t* const tagged = packet.data - kTagBytes;
      memmove(tagged, packet.data, kAddressBytes);
      const std::array<uint16_t, 2> tag = {htons(packet.vlan_tpid), htons(packet.vlan_tci)};
      memcpy(tagged + kAddressBytes, tag.data(), kTagBytes);
      packet.data = tagged;
      packet.captured += kTagBytes;
      packet.has_vlan = false;
      inserted += kTagBytes;
    }
    if ((offload.flags & kNeedsChecksum) != 0)
      offload.checksum_start = static_cast<uint16_t>(offload.checksum_start + inserted);
    if (offload.header_length != 0) offload.header_length = static_cast<uint16_t>(offload.header_length + inserted);
    if (packet.captured > UINT16_MAX && big < kLargeBuffers && big_[big].cut(packet.data, packet.captured, offload)) {
      for (uint32_t part = 0; part < big_[big].size; part++)
        prepare(big_[big].parts[part].pieces.data(), 2, big_[big].parts[part].segments);
      big++;
      continue;
    }
    uint8_t* const start = packet.data - sizeof offload;
    memcpy(start, &offload, sizeof offload);
    whole[i] = {start, packet.captured + sizeof offload};
    prepare(&whole[i], 1, stands_for);
  }

  uint64_t frames = 0;
  uint64_t packets = 0;
  uint64_t bytes = 0;
  uint32_t refused = 0;
  bool has_waited = false;
  for (uint32_t at = 0; at < count;) {
    const int sent = send_some(fd_, &messages[at], count - at);
    if (sent > 0) {
      for (const uint32_t end = at + static_cast<uint32_t>(sent); at < end; at++) {
        frames++;
        packets += segments[at];
        const msghdr& message = messages[at].msg_hdr;
        bytes += message.msg_iov[0].iov_len + (message.msg_iovlen > 1 ? message.msg_iov[1].iov_len : 0) - sizeof(Offload);
      }
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN && !has_waited) {
      pollfd room = {fd_, POLLOUT, 0};
      poll(&room, 1, kFullQueueWaitMs);
      has_waited = true;
      continue;
    }
    if (errno == ENOBUFS)
      refused++;
    else
      losses->add(loss_of(errno));
    at++;
  }
  passed->frames.add(frames);
  passed->packets.add(packets);
  passed->bytes.add(bytes);
  return refused;
}

double AfPacketPort::fill() const {
  constexpr uint32_t kSteps = 8;
  for (uint32_t step = kSteps - 1; step > 0; step--) {
    if ((load_status(slot((head_ + step * (kSlots / kSteps)) % kSlots)) & TP_STATUS_USER) != 0)
      return static_cast<double>(step) / kSteps;
  }
  return 0;
}

void AfPacketPort::release() {
  for (; held_ > 0; held_--, head_ = (head_ + 1) % kSlots) give_back(slot(head_));
}

uint64_t AfPacketPort::discard(uint64_t until_ns) {
  uint64_t gone = 0;
  for (;; gone++, head_ = (head_ + 1) % kSlots) {
    uint8_t* const at = slot(head_);
    const uint32_t status = load_status(at);
    const auto* head = reinterpret_cast<const tpacket2_hdr*>(at);
    if ((status & TP_STATUS_USER) == 0) return gone;
    if (head->tp_sec * 1'000'000'000ULL + head->tp_nsec > until_ns) return gone;
    // A frame of length 0 ends up in nobody's way: the byte only takes it off the queue.
    uint8_t byte = 0;
    if ((status & TP_STATUS_COPY) != 0) recv(fd_, &byte, 1, MSG_DONTWAIT);
    give_back(at);
  }
}

uint64_t AfPacketPort::take_drops() {
  tpacket_stats stats = {};
  socklen_t size = sizeof stats;
  if (fd_ < 0 || getsockopt(fd_, SOL_PACKET, PACKET_STATISTICS, &stats, &size) != 0) return 0;
  return stats.tp_drops;
}

int AfPacketPort::take_error() {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

}  // namespace headgate
