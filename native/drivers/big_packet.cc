#include "drivers/big_packet.h"

#include <algorithm>
#include <cstring>

#include "core/byte_order.h"

namespace headgate {
namespace {

constexpr uint32_t kIpv6 = 40, kLengthMax = 65535;
constexpr uint8_t kHopByHop = 0, kTcp = 6;
constexpr uint8_t kFin = 0x01, kPsh = 0x08, kCwr = 0x80;
// From linux/virtio_net.h.
constexpr uint8_t kNeedsChecksum = 1, kGsoNone = 0, kGsoTcp6 = 4, kGsoEcn = 0x80;
constexpr uint16_t kChecksumOffset = 16;

// The sum over the pseudo-header (RFC 8200 section 8.1), which whoever finishes the checksum goes on from.
uint16_t pseudo_sum(const uint8_t* addresses, uint32_t bytes) {
  uint32_t sum = kTcp + (bytes >> 16) + (bytes & 0xffff);
  for (uint32_t i = 0; i < 32; i += 2) sum += load_be16(addresses + i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

}  // namespace

bool BigPacket::cut(uint8_t* frame, uint32_t length, const Offload& offload) {
  size = 0;
  if ((offload.gso_type & ~kGsoEcn) != kGsoTcp6 || offload.gso_size == 0) return false;
  uint32_t network = 14;
  for (uint32_t tags = 0; tags < 2 && network + 4 <= length; tags++) {
    const uint16_t type = load_be16(frame + network - 2);
    if (type != 0x8100 && type != 0x88a8) break;
    network += 4;
  }
  if (network + kIpv6 + 8 > length || load_be16(frame + network - 2) != 0x86dd) return false;
  if (length - network - kIpv6 <= kLengthMax) return false;
  uint32_t transport = network + kIpv6;
  uint8_t next = frame[network + 6];
  if (next == kHopByHop) {
    next = frame[transport];
    transport += (frame[transport + 1] + 1U) * 8;
  }
  if (next != kTcp || transport + 20 > length) return false;
  const uint32_t tcp = (frame[transport + 12] >> 4U) * 4U;
  if (tcp < 20 || transport + tcp >= length) return false;
  uint8_t* const payload = frame + transport + tcp;
  const auto payload_bytes = static_cast<uint32_t>(frame + length - payload);
  const uint32_t most = (kLengthMax - tcp) / offload.gso_size * offload.gso_size;
  if (most == 0 || payload_bytes > most * kPartsMax) return false;

  const uint32_t seq = load_be32(frame + transport + 4);
  for (uint32_t from = 0; from < payload_bytes; from += most, size++) {
    const uint32_t bytes = std::min(most, payload_bytes - from);
    const bool is_last = from + bytes == payload_bytes;
    uint8_t* const start = heads_[size].data();
    uint8_t* const head = start + sizeof(Offload);
    uint8_t* const ip = head + network;
    uint8_t* const segment = ip + kIpv6;
    memcpy(head, frame, network + kIpv6);
    memcpy(segment, frame + transport, tcp);
    store_be16(ip + 4, static_cast<uint16_t>(tcp + bytes));
    ip[6] = kTcp;
    store(segment + 4, __builtin_bswap32(seq + from));
    // Of a segmented packet the first has CWR, the last FIN and PSH (RFC 3168 section 6.1.2 counts on the first).
    if (from > 0) segment[13] &= static_cast<uint8_t>(~kCwr);
    if (!is_last) segment[13] &= static_cast<uint8_t>(~(kFin | kPsh));
    store_be16(segment + kChecksumOffset, pseudo_sum(ip + 8, tcp + bytes));
    const bool is_super = bytes > offload.gso_size;
    Offload own = {};
    own.flags = kNeedsChecksum;
    own.gso_type = !is_super ? kGsoNone : from == 0 ? offload.gso_type : kGsoTcp6;
    own.header_length = static_cast<uint16_t>(network + kIpv6 + tcp);
    own.gso_size = is_super ? offload.gso_size : uint16_t{0};
    own.checksum_start = static_cast<uint16_t>(network + kIpv6);
    own.checksum_offset = kChecksumOffset;
    memcpy(start, &own, sizeof own);
    parts[size] = {{{{start, sizeof own + own.header_length}, {payload + from, bytes}}},
                   (bytes + offload.gso_size - 1) / offload.gso_size};
  }
  return true;
}

}  // namespace headgate
