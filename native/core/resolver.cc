#include "resolver.h"

#include "byte_order.h"

namespace headgate {

bool is_dns_query(const Packet& packet, const Parsed& parsed) {
  uint32_t header;
  if (parsed.protocol == kProtocolUdp) {
    header = parsed.transport_offset + 8u;
  } else {
    if (!parsed.has_tcp || (parsed.tcp_flags & kTcpSyn) || packet.captured < parsed.transport_offset + 13u) return false;
    // A message over TCP has its length in front (RFC 1035 section 4.2.2).
    header = parsed.transport_offset + (packet.data[parsed.transport_offset + 12] >> 4) * 4u + 2;
  }
  if (packet.captured < header + 6 || parsed.payload_bytes < 12) return false;
  const uint8_t* dns = packet.data + header;
  // QR clear and at least one question; opcode 0 (query).
  return (dns[2] & 0xf8) == 0 && load_be16(dns + 4) != 0;
}

bool ResolverTable::notice(const uint8_t* data, const Parsed& parsed, const HashKey& secret, uint32_t now_ms) {
  const uint8_t* ip = data + parsed.network_offset;
  const uint64_t high = parsed.network == 4 ? 0 : load_be64(ip + 8);
  const uint64_t low = parsed.network == 4 ? load_be32(ip + 12) : load_be64(ip + 16);
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(high + secret.word[6]) * (low + secret.word[7]);
  const uint32_t hash =
      BrentTable<Resolver>::usable(static_cast<uint32_t>(product >> 64) ^ static_cast<uint32_t>(product >> 32));
  Resolver* resolver = table_.find(hash, [&](const Resolver& other) {
    return other.address[0] == high && other.address[1] == low && other.network == parsed.network;
  });
  if (resolver == nullptr) {
    resolver = table_.insert(
        hash, [now_ms](const Resolver& other) { return now_ms - other.last_seen_ms > kResolverIdleMs; },
        // A source that asked once is let go for a new one; those that keep asking stay.
        [now_ms](const Resolver& other) -> unsigned {
          return other.queries > 1 ? 0 : 1 + (now_ms - other.last_seen_ms);
        });
    if (resolver == nullptr) return false;
    resolver->network = parsed.network;
    resolver->address[0] = high;
    resolver->address[1] = low;
    resolver->queries = 0;
  }
  resolver->queries++;
  resolver->last_seen_ms = now_ms;
  return true;
}

}  // namespace headgate
