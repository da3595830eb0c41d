#include "heavy_table.h"

#include <cstring>

#include "byte_order.h"

namespace headgate {
namespace {

// IPv4 in the low word.
void read_address(const uint8_t* ip, uint8_t family, bool is_source, uint64_t* word) {
  const uint8_t* at = ip + (family == 4 ? (is_source ? 12 : 16) : (is_source ? 8 : 24));
  word[0] = family == 4 ? 0 : load_be64(at);
  word[1] = family == 4 ? load_be32(at) : load_be64(at + 8);
}

bool is_same(const HeavySession& a, const HeavySession& b) {
  return a.source_port == b.source_port && a.destination_port == b.destination_port && a.protocol == b.protocol &&
         a.family == b.family && std::memcmp(a.source, b.source, sizeof a.source) == 0 &&
         std::memcmp(a.destination, b.destination, sizeof a.destination) == 0;
}

uint64_t hash_of(const HeavySession& session, const HashKey& secret) {
  const uint64_t* k = secret.word;
  const uint64_t ports = static_cast<uint64_t>(session.source_port) << 16 | session.destination_port;
  uint64_t hash = fold(session.source[0] + k[0], session.source[1] + k[1]);
  hash = fold(hash ^ k[2], session.destination[0] + k[3]);
  hash = fold(hash ^ k[4], session.destination[1] + k[5]);
  return fold(hash ^ k[6], (ports << 8 | session.protocol) + k[7]);
}

}  // namespace

void HeavyTable::note(const uint8_t* ip, uint8_t family, uint8_t protocol, const uint8_t* ports, const SessionTag& tag,
                      uint32_t bytes, const HashKey& secret, uint32_t now_ms) {
  HeavySession packet = {};
  read_address(ip, family, true, packet.source);
  read_address(ip, family, false, packet.destination);
  packet.source_port = load_be16(ports);
  packet.destination_port = load_be16(ports + 2);
  packet.family = family;
  packet.protocol = protocol;
  packet.tag = tag;
  packet.bytes = bytes;
  packet.last_seen_ms = now_ms;
  HeavySession* const set = slots_ + (hash_of(packet, secret) >> 32) % kHeavySets * kHeavyWays;
  HeavySession* lightest = set;
  for (HeavySession* at = set; at < set + kHeavyWays; at++) {
    if (at->bytes != 0 && is_same(*at, packet)) {
      at->bytes += bytes;
      at->last_seen_ms = now_ms;
      return;
    }
    // What has sent nothing for long is no session any more, however heavy it was.
    if (now_ms - at->last_seen_ms > kOneSidedMs) at->bytes = 0;
    if (at->bytes < lightest->bytes) lightest = at;
  }
  if (lightest->bytes > bytes) {
    lightest->bytes -= bytes;
  } else {
    *lightest = packet;
  }
}

}  // namespace headgate
