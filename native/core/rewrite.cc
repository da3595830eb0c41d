#include "rewrite.h"

#include <cstring>


namespace headgate {

bool set_vlan(Packet& packet, uint16_t first_tag_offset, uint16_t vid) {
  if (packet.link_type != 1 || packet.captured < 14) return false;
  if (packet.has_vlan) {
    if ((packet.vlan_tci & 0x0fff) == vid) return false;
    packet.vlan_tci = static_cast<uint16_t>((packet.vlan_tci & 0xf000) | vid);
    return true;
  }
  if (first_tag_offset != kNowhere) {
    uint8_t* tci = packet.data + first_tag_offset + 2;
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
