// The commonest packet there is, read where it lies: Ethernet without a tag, IPv4 without options or fragments, TCP
// with timestamps alone (RFC 7323 appendix A). Everything stands at a fixed place, so nothing is copied out of it.
#pragma once
#include <cstddef>
#include <cstdint>

#include "byte_order.h"
#include "packet.h"

namespace headgate {

struct CommonPacket {
  static constexpr uint16_t kNetwork = 14, kAddresses = 26, kTransport = 34;
  static constexpr uint32_t kHeaders = 66;

  const uint8_t* data;

  uint8_t tos() const { return data[15]; }
  uint32_t ip_bytes() const { return load_be16(data + 16); }
  uint16_t ip_id() const { return load_be16(data + 18); }
  uint32_t source() const { return load_be32(data + 26); }
  uint32_t destination() const { return load_be32(data + 30); }
  uint16_t source_port() const { return load_be16(data + 34); }
  uint16_t destination_port() const { return load_be16(data + 36); }
  uint32_t seq() const { return load_be32(data + 38); }
  uint32_t ack() const { return load_be32(data + 42); }
  uint8_t tcp_flags() const { return data[47]; }
  uint16_t window() const { return load_be16(data + 48); }
  uint16_t has_window() const { return load<uint16_t>(data + 48); }  // not 0 where the window is open
  uint32_t tsval() const { return load_be32(data + 58); }
  uint32_t tsecr() const { return load_be32(data + 62); }
  uint32_t payload_bytes() const { return ip_bytes() - (kHeaders - kNetwork); }
};

// Of a packet its segment_bytes, link_type and wire.
inline uint64_t origin_of(const Packet& packet) {
  static_assert(offsetof(Packet, link_type) == offsetof(Packet, segment_bytes) + 4 &&
                offsetof(Packet, wire) == offsetof(Packet, segment_bytes) + 6);
  return load<uint64_t>(reinterpret_cast<const uint8_t*>(&packet) + offsetof(Packet, segment_bytes));
}
// Of packets of Ethernet that come by one wire and are no super-packets.
inline uint64_t plain_origin(uint16_t wire) { return static_cast<uint64_t>(wire) << 48 | 1ull << 32; }

// With the origin of such a packet. One branch for all that must hold: each by itself would be one that is rarely wrong
// but always paid for. What has a length on the wire of 2^31 or more is none.
inline bool is_common(const Packet& packet, uint64_t origin) {
  if (packet.captured < CommonPacket::kHeaders) return false;
  const uint8_t* at = packet.data;
  // Written as the bytes stand: little-endian loads (byte_order.h).
  const uint32_t type = (load<uint32_t>(at + 12) & 0x00ffffff) ^ 0x00450008;      // 08 00, version 4, 5 words
  const uint32_t fragment = (load<uint32_t>(at + 20) & 0xff00ff3f) ^ 0x06000000;  // whole, TCP
  const uint32_t offset = (at[46] ^ 0x80u) & 0xf0;                                // 8 words of TCP header
  const uint32_t options = load<uint32_t>(at + 54) ^ 0x0a080101;                  // NOP NOP timestamps
  // Negative: the IP length below its headers or beyond the frame, more captured than there was.
  const uint32_t payload = load_be16(at + 16) - (CommonPacket::kHeaders - CommonPacket::kNetwork);
  const uint32_t lengths = (packet.wire_length - CommonPacket::kHeaders - payload) | payload |
                           (packet.wire_length - packet.captured) | packet.wire_length;
  return ((origin_of(packet) ^ origin) | type | fragment | offset | options | lengths >> 31) == 0;
}
inline bool is_common(const Packet& packet) {
  return packet.link_type == 1 && is_common(packet, origin_of(packet));
}

}  // namespace headgate
