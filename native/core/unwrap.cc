#include "unwrap.h"

#include "byte_order.h"
#include "parse.h"

namespace headgate {
namespace {

constexpr uint8_t kProtocolGre = 47;
constexpr uint16_t kVxlanPort = 4789;
constexpr uint32_t kVxlanBytes = 8;
constexpr uint32_t kEthernetBytes = 14;

constexpr uint16_t kGreSequence = 0x1000;
// Checksum, key and version: a mirror sends none of them, nor the routing bits of old.
constexpr uint16_t kGreRefused = 0xefff;
constexpr uint16_t kErspanType = 0x88be;
constexpr uint16_t kErspanBytes = 8;

// The 802.1q tag that the copying switch took off, as the ERSPAN header keeps it.
struct Tag {
  bool is_there = false;
  uint16_t tci = 0;
};

// Offset of the copied frame from the GRE header on; 0 when there is none.
uint32_t erspan_payload(const uint8_t* gre, uint32_t bytes, Tag& tag) {
  if (bytes < 4) return 0;
  const uint16_t flags = load_be16(gre);
  if ((flags & kGreRefused) != 0 || load_be16(gre + 2) != kErspanType) return 0;
  // Type I has no sequence number, and no header of its own.
  if ((flags & kGreSequence) == 0) return 4;
  if (bytes < 8 + kErspanBytes) return 0;
  const uint16_t version_vlan = load_be16(gre + 8);
  if (version_vlan >> 12 != 1) return 0;
  const uint16_t flags_session = load_be16(gre + 10);
  // Encapsulation type 2: the frame had a tag, which stands here; with 3 it is still in the frame.
  if ((flags_session >> 11 & 3) == 2) {
    tag.is_there = true;
    tag.tci = static_cast<uint16_t>((flags_session & 0xe000) | (version_vlan & 0x0fff));
  }
  return 8 + kErspanBytes;
}

uint32_t vxlan_payload(const uint8_t* vxlan, uint32_t bytes) {
  // The flag says that the network identifier is valid, without which it is no VXLAN.
  return bytes >= kVxlanBytes && (vxlan[0] & 0x08) != 0 ? kVxlanBytes : 0;
}

}  // namespace

bool unwrap(Packet& packet) {
  Parsed outer;
  parse(packet, outer);
  if (outer.network == 0 || outer.reason != Unparsed::None || outer.fragment != Fragment::Whole) return false;
  uint32_t at = outer.transport_offset;
  Tag tag;
  uint32_t header = 0;
  if (outer.protocol == kProtocolGre && packet.captured > at) {
    header = erspan_payload(packet.data + at, packet.captured - at, tag);
  } else if (outer.protocol == kProtocolUdp && outer.has_ports && outer.destination_port == kVxlanPort) {
    at += 8;
    if (packet.captured > at) header = vxlan_payload(packet.data + at, packet.captured - at);
  }
  at += header;
  if (header == 0 || packet.captured < at + kEthernetBytes) return false;
  packet.data += at;
  packet.captured -= at;
  packet.wire_length -= at;
  packet.link_type = 1;
  packet.has_vlan = tag.is_there;
  packet.vlan_tci = tag.tci;
  packet.vlan_tpid = 0x8100;
  return true;
}

}  // namespace headgate
