#include "network_table.h"

#include "byte_order.h"

namespace headgate {

NetworkTable::Address NetworkTable::address_of(const uint8_t* ip, uint8_t family, bool is_source) {
  if (family == 4) return {{0, load_be32(ip + (is_source ? 12 : 16))}};
  const uint8_t* at = ip + (is_source ? 8 : 24);
  return {{load_be64(at), load_be64(at + 8)}};
}

uint32_t NetworkTable::hash_of(uint64_t prefix, const HashKey& secret) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(prefix + secret.word[4]) * (secret.word[5] | 1);
  return BrentTable<NetworkSlot>::usable(static_cast<uint32_t>(product >> 64) ^ static_cast<uint32_t>(product >> 32));
}

NetworkSlot* NetworkTable::find(uint64_t prefix, uint8_t family, uint32_t hash) {
  return table_.find(hash, [&](const NetworkSlot& other) {
    const Network& network = table_.rest_of(other);
    return network.prefix == prefix && network.family == family;
  });
}

void NetworkTable::note_query(const uint8_t* ip, uint8_t family, uint32_t now_ms) {
  last_resolver_ = address_of(ip, family, true);
  last_family_ = family;
  last_query_ms_ = now_ms;
}

bool NetworkTable::note_session(const uint8_t* ip, uint8_t family, bool is_inbound, const HashKey& secret,
                                uint32_t now_ms) {
  const Address host = address_of(ip, family, is_inbound);
  const uint64_t prefix = host.prefix(family);
  const uint32_t hash = hash_of(prefix, secret);
  const auto now = static_cast<uint16_t>(now_ms >> kSeenShift);
  NetworkSlot* slot = find(prefix, family, hash);
  if (slot == nullptr) {
    // A full table is searched in vain for most of a scan: one newcomer of several is enough to let in who stays.
    const bool is_full = table_.stats().occupied > table_.slots() / 8 * 7;
    if (is_full && ++newcomers_ % kAdmitEvery != 0) return false;
    const auto age = [now](const NetworkSlot& other) { return static_cast<uint16_t>(now - other.last_seen); };
    slot = table_.insert(
        hash, [&](const NetworkSlot& other) { return age(other) > kNetworkIdleMs >> kSeenShift; },
        // A network that came once is let go for a new one: a scan forgets only its own.
        [&](const NetworkSlot& other) -> unsigned { return other.sessions < kNetworkReturns ? 1u + age(other) : 0; });
    if (slot == nullptr) return false;
    slot->sessions = 0;
    Network& added = table_.rest_of(*slot);
    added.prefix = prefix;
    added.family = family;
    added.resolver_votes = added.sessions = 0;
    added.resolver_family = 0;
    for (NetworkRtt& rtt : added.rtt) rtt = {};
  }
  slot->last_seen = now;
  slot->sessions = static_cast<uint8_t>(slot->sessions + (slot->sessions < kNetworkReturns));
  Network* const network = &table_.rest_of(*slot);
  network->sessions++;
  network->last_seen_ms = now_ms;
  network->host[0] = host.word[0];
  network->host[1] = host.word[1];
  if (!is_inbound || last_family_ == 0 || now_ms - last_query_ms_ > kFollowMs) return true;
  const bool is_same = network->resolver_family == last_family_ && network->resolver[0] == last_resolver_.word[0] &&
                       network->resolver[1] == last_resolver_.word[1];
  if (is_same) {
    network->resolver_votes++;
  } else if (network->resolver_votes > 0) {
    network->resolver_votes--;
  } else {
    network->resolver[0] = last_resolver_.word[0];
    network->resolver[1] = last_resolver_.word[1];
    network->resolver_family = last_family_;
    network->resolver_votes = 1;
  }
  return true;
}

void NetworkTable::note_rtt(const uint8_t* ip, uint8_t family, uint8_t link, uint32_t rtt_us,
                            const HashKey& secret) {
  const uint64_t prefix = address_of(ip, family, true).prefix(family);
  const NetworkSlot* const slot = find(prefix, family, hash_of(prefix, secret));
  if (slot == nullptr) return;
  Network* const network = &table_.rest_of(*slot);
  NetworkRtt* chosen = &network->rtt[0];
  for (NetworkRtt& rtt : network->rtt) {
    if (rtt.samples > 0 && rtt.link == link) {
      chosen = &rtt;
      break;
    }
    if (rtt.samples < chosen->samples) chosen = &rtt;
  }
  if (chosen->samples == 0 || chosen->link != link) *chosen = {link, 0, 0, 0};
  if (chosen->samples < UINT16_MAX) chosen->samples++;
  const int64_t part = chosen->samples < 8 ? chosen->samples : 8;
  const int64_t mean = chosen->rtt_us;
  chosen->rtt_us = static_cast<uint32_t>(mean + (static_cast<int64_t>(rtt_us) - mean) / part);
}

}  // namespace headgate
