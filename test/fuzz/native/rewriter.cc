// Marks on any bytes: a right IPv4 header checksum stays right, ECN stays, and setting twice changes nothing.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/rewrite.h"

using namespace headgate;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

uint16_t checksum_of(const uint8_t* ip) {
  uint32_t sum = 0;
  for (unsigned i = 0; i < (ip[0] & 15u) * 4; i += 2) sum += static_cast<uint32_t>(ip[i] << 8 | ip[i + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

}  // namespace

// DSCP, VID (two bytes), then the frame.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const uint8_t dscp = data[0] & 63;
  const auto vid = static_cast<uint16_t>((data[1] | data[2] << 8) & 0x0fff);
  std::vector<uint8_t> bytes(kHeadroom + size - 3);
  std::memcpy(bytes.data() + kHeadroom, data + 3, size - 3);
  bytes.shrink_to_fit();
  Packet packet{};
  packet.data = bytes.data() + kHeadroom;
  packet.captured = packet.wire_length = static_cast<uint32_t>(size - 3);
  packet.link_type = 1;
  Parsed parsed;
  parse(packet, parsed);
  const bool is_whole_ipv4 = parsed.network == 4 && parsed.reason == Unparsed::None;
  if (is_whole_ipv4) {
    // The checksum is made right first: a wrong one must stay as wrong, which nobody can check.
    uint8_t* ip = packet.data + parsed.network_offset;
    ip[10] = ip[11] = 0;
    const uint16_t right = checksum_of(ip);
    ip[10] = static_cast<uint8_t>(right >> 8);
    ip[11] = static_cast<uint8_t>(right);
  }
  const bool has_header =
      parsed.network != 0 && parsed.network_offset + (parsed.network == 4 ? 20u : 40u) <= packet.captured;
  const bool is_changed = has_header && set_dscp(packet, parsed.network, parsed.network_offset, dscp);
  if (is_whole_ipv4) require(checksum_of(packet.data + parsed.network_offset) == 0);
  Parsed after;
  parse(packet, after);
  if (is_changed) {
    require(after.tos == ((dscp << 2) | (parsed.tos & 3)));
    require(!set_dscp(packet, after.network, after.network_offset, dscp));
  }
  after.tos = parsed.tos;
  require(after == parsed);
  if (set_vlan(packet, parsed.first_tag_offset, vid)) {
    parse(packet, after);
    require(after.vlan == vid);
    require(!set_vlan(packet, after.first_tag_offset, vid));
  }
  return 0;
}
