#include "session.h"

#include "byte_order.h"

namespace headgate {
namespace {

// One step of a keyed multiply-and-fold hash (the NH idea of UMAC, RFC 4418 section 5.2): without the key
// nobody can choose words that make the product collide.
inline uint64_t fold(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

}  // namespace

SessionKey session_key(const uint8_t* data, const Parsed& parsed, const HashKey& secret) {
  SessionKey key;
  key.network = parsed.network;
  const uint8_t* ip = data + parsed.network_offset;
  uint64_t source_high = 0, source_low, destination_high = 0, destination_low;
  if (parsed.network == 4) {
    source_low = load_be32(ip + 12);
    destination_low = load_be32(ip + 16);
  } else {
    source_high = load_be64(ip + 8);
    source_low = load_be64(ip + 16);
    destination_high = load_be64(ip + 24);
    destination_low = load_be64(ip + 32);
  }
  // Whether the source is endpoint b, without a branch: in traffic both ways nobody can predict it.
  const uint32_t source_port = parsed.source_port, destination_port = parsed.destination_port;
  const unsigned high_differs = source_high != destination_high, low_differs = source_low != destination_low;
  const unsigned by_high = source_high > destination_high, by_low = source_low > destination_low;
  const unsigned side = high_differs ? by_high : low_differs ? by_low : source_port > destination_port;
  const uint64_t swap = uint64_t{0} - side;
  const uint64_t high_change = (source_high ^ destination_high) & swap, low_change = (source_low ^ destination_low) & swap;
  const uint32_t port_change = (source_port ^ destination_port) & static_cast<uint32_t>(swap);
  key.side = static_cast<uint8_t>(side);
  key.address[0] = source_high ^ high_change;
  key.address[1] = source_low ^ low_change;
  key.address[2] = destination_high ^ high_change;
  key.address[3] = destination_low ^ low_change;
  key.ports = (source_port ^ port_change) << 16 | (destination_port ^ port_change);
  const uint64_t* k = secret.word;
  uint64_t hash = fold(key.address[1] + k[0], key.address[3] + k[1]);
  if (parsed.network == 6) hash ^= fold(key.address[0] + k[2], key.address[2] + k[3]);
  hash = fold(hash ^ k[4], (static_cast<uint64_t>(key.network) << 32 | key.ports) + k[5]);
  key.hash = BrentTable<Session>::usable(static_cast<uint32_t>(hash >> 32));
  return key;
}

Session* SessionTable::insert(const SessionKey& key, uint32_t now_ms) {
  const auto is_free = [now_ms](const Session& session) {
    return now_ms - session.last_seen_ms > lifetime_ms(session.state);
  };
  const auto rank = [now_ms](const Session& session) -> unsigned {
    if (session.state == SessionState::Established) return 0;
    const uint32_t idle = now_ms - session.last_seen_ms;
    return 1 + (idle < 1'000'000 ? idle : 1'000'000);
  };
  Session* session = table_.insert(key.hash, is_free, rank);
  if (session == nullptr) return nullptr;
  const uint8_t reach = session->reach, displaced = session->displaced;
  *session = Session{};
  session->hash = key.hash;
  session->reach = reach & 15;
  session->displaced = displaced & 15;
  session->network = key.network;
  for (int i = 0; i < 4; i++) session->address[i] = key.address[i];
  session->ports = key.ports;
  session->last_seen_ms = now_ms;
  return session;
}

}  // namespace headgate
