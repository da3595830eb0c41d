// Marks on outbound packets: a DSCP or an 802.1q tag that the border router routes by.
// Everything else of the packet stays as it is; the ECN bits never change.
#pragma once
#include "byte_order.h"
#include "checksum.h"
#include "parse.h"

namespace headgate {

// Sets the DSCP of the IPv4 header at `ip`, all of it there, and adjusts its checksum. False when it has it already.
inline bool set_dscp4(uint8_t* ip, uint8_t dscp) {
  const uint8_t tos = hg_tos_with_dscp(ip[1], dscp);
  if (tos == ip[1]) return false;
  const uint16_t before = load_be16(ip);
  // Reckoned, since a read of both bytes would have to wait until the one just written has left the store buffer.
  const auto after = static_cast<uint16_t>((before & 0xff00) | tos);
  ip[1] = tos;
  store_be16(ip + 10, hg_checksum_adjust(load_be16(ip + 10), before, after));
  return true;
}

// The traffic class of IPv6 lies across two octets (RFC 8200 section 3), and there is no header checksum.
inline bool set_dscp6(uint8_t* ip, uint8_t dscp) {
  const uint16_t before = load_be16(ip);
  const auto after = static_cast<uint16_t>((before & 0xf03f) | dscp << 6);
  store_be16(ip, after);
  return after != before;
}

inline uint8_t dscp_of(const Packet& packet, uint8_t network, uint16_t network_offset) {
  const uint8_t* ip = packet.data + network_offset;
  return network == 4 ? ip[1] >> 2 : (load_be16(ip) >> 6) & 63;
}

// The same of either family, by where the whole fixed IP header stands.
inline bool set_dscp(Packet& packet, uint8_t network, uint16_t network_offset, uint8_t dscp) {
  uint8_t* ip = packet.data + network_offset;
  return network == 4 ? set_dscp4(ip, dscp) : set_dscp6(ip, dscp);
}

// Sets the VID of the outermost tag, keeping its priority bits, or puts an 802.1q tag in front of an
// untagged Ethernet frame (into the headroom: `packet.data` moves). `first_tag_offset` as in Parsed. False when
// nothing was changed.
bool set_vlan(Packet& packet, uint16_t first_tag_offset, uint16_t vid);

}  // namespace headgate
