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

Network* NetworkTable::find(uint64_t prefix, uint8_t family, uint32_t hash) {
  const NetworkSlot* const slot = table_.find(hash, [&](const NetworkSlot& other) {
    const Network& network = table_.rest_of(other);
    return network.prefix == prefix && network.family == family;
  });
  return slot == nullptr ? nullptr : &table_.rest_of(*slot);
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
  Network* network = find(prefix, family, hash);
  if (network == nullptr) {
    // A full table is searched in vain for most of a scan: one newcomer of several is enough to let in who stays.
    const bool is_full = table_.stats().occupied > table_.slots() / 8 * 7;
    if (is_full && ++newcomers_ % kAdmitEvery != 0) return false;
    const NetworkSlot* const slot = table_.insert(
        hash,
        [&](const NetworkSlot& other) { return now_ms - table_.rest_of(other).last_seen_ms > kNetworkIdleMs; },
        // A network that came once is let go for a new one: a scan forgets only its own.
        [&](const NetworkSlot& other) -> unsigned {
          const Network& known = table_.rest_of(other);
          return known.sessions > 2 ? 0 : 1 + (now_ms - known.last_seen_ms);
        });
    if (slot == nullptr) return false;
    network = &table_.rest_of(*slot);
    network->prefix = prefix;
    network->family = family;
    network->resolver_votes = network->sessions = 0;
    network->resolver_family = 0;
    for (NetworkRtt& rtt : network->rtt) rtt = {};
  }
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
  Network* network = find(prefix, family, hash_of(prefix, secret));
  if (network == nullptr) return;
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
