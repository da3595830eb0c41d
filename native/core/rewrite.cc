#include "rewrite.h"

#include <cstring>

#include "byte_order.h"
#include "checksum.h"

namespace headgate {

bool set_dscp(Packet& packet, const Parsed& parsed, uint8_t dscp) {
  if (parsed.network == 0 || (parsed.tos >> 2) == dscp) return false;
  // Of a header that is not all there `parsed` knows no TOS: it is left alone.
  const uint32_t needed = parsed.network == 4 ? 20 : 40;
  if (packet.captured < parsed.network_offset + needed) return false;
  uint8_t* ip = packet.data + parsed.network_offset;
  const uint8_t tos = hg_tos_with_dscp(parsed.tos, dscp);
  if (parsed.network == 4) {
    const uint16_t before = load_be16(ip);
    ip[1] = tos;
    store_be16(ip + 10, hg_checksum_adjust(load_be16(ip + 10), before, load_be16(ip)));
  } else {
    // The traffic class lies across two octets (RFC 8200 section 3); IPv6 has no header checksum.
    store_be16(ip, static_cast<uint16_t>((load_be16(ip) & 0xf00f) | tos << 4));
  }
  return true;
}

bool set_vlan(Packet& packet, const Parsed& parsed, uint16_t vid) {
  if (packet.link_type != 1 || packet.captured < 14) return false;
  if (packet.has_vlan) {
    if ((packet.vlan_tci & 0x0fff) == vid) return false;
    packet.vlan_tci = static_cast<uint16_t>((packet.vlan_tci & 0xf000) | vid);
    return true;
  }
  if (parsed.first_tag_offset != kNowhere) {
    uint8_t* tci = packet.data + parsed.first_tag_offset + 2;
    if ((load_be16(tci) & 0x0fff) == vid) return false;
    store_be16(tci, static_cast<uint16_t>((load_be16(tci) & 0xf000) | vid));
    return true;
  }
  packet.data -= 4;
  std::memmove(packet.data, packet.data + 4, 12);
  store_be16(packet.data + 12, 0x8100);
  store_be16(packet.data + 14, vid);
  packet.captured += 4;
  packet.wire_length += 4;
  return true;
}

}  // namespace headgate
