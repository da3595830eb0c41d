#include "session.h"

#include "byte_order.h"

namespace headgate {
SessionTag session_tag(const uint8_t* data, const Parsed& parsed, const HashKey& secret) {
  const uint8_t* ip = data + parsed.network_offset;
  if (parsed.network == 4) return session_tag4(ip + 12, data + parsed.transport_offset, secret);
  const uint64_t source[2] = {load_be64(ip + 8), load_be64(ip + 16)};
  const uint64_t destination[2] = {load_be64(ip + 24), load_be64(ip + 32)};
  const bool by_port = parsed.source_port > parsed.destination_port;
  const bool by_low = source[1] > destination[1], by_high = source[0] > destination[0];
  const bool side = source[0] != destination[0] ? by_high : source[1] != destination[1] ? by_low : by_port;
  const uint64_t* const a = side ? destination : source;
  const uint64_t* const b = side ? source : destination;
  const uint32_t ports = side ? static_cast<uint32_t>(parsed.destination_port) << 16 | parsed.source_port
                              : static_cast<uint32_t>(parsed.source_port) << 16 | parsed.destination_port;
  const uint64_t* k = secret.word;
  const uint64_t hash = fold(a[1] + k[1], b[1] + k[2]) ^ fold(a[0] + k[3], b[0] + k[6]);
  return finish_tag(fold(hash ^ k[7], ports + k[5]), side, secret);
}

Session* SessionTable::insert(const SessionTag& key, uint32_t now_ms) {
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
  session->tag = key.tag;
  session->last_seen_ms = now_ms;
  return session;
}

}  // namespace headgate
