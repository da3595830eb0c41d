// Foreign networks that our TCP sessions are with, in a table like that of the sessions: how many begin, how far away
// they are by each link, one host of each, and which resolver it was that asked for our names before they came.
#pragma once
#include <cstdint>

#include "../abi/records.h"
#include "brent_table.h"
#include "resolver.h"
#include "session.h"

namespace headgate {

// A network that no session has come from for so long may be forgotten.
inline constexpr uint32_t kNetworkIdleMs = 3600 * 1000u;
// A session that begins within this after a query may be the client that the answer was for: clients connect at once.
inline constexpr uint32_t kFollowMs = 2000;
// Of the round trips so many are counted: enough to know a network by, and next to no work.
inline constexpr uint32_t kRttEvery = 4;

// Of the networks that are new to a nearly full table so many: an insert costs as much as following ten packets.
inline constexpr uint32_t kAdmitEvery = 16;

// Links whose round trips are kept for one network; of more the one with the fewest samples gives way.
inline constexpr unsigned kNetworkLinks = 4;

struct NetworkRtt {
  uint8_t link;
  uint8_t spare;
  uint16_t samples;  // stays at its largest value
  uint32_t rtt_us;   // a mean that forgets: each sample counts an eighth once there are eight
};

struct Network {
  uint64_t prefix;   // IPv4: the /24 in the low word; IPv6: the /48 in the upper bits
  uint64_t host[2];  // the latest that was seen there
  // The resolver that most sessions followed, by majority vote (Boyer and Moore, 1981): one candidate, one count.
  uint64_t resolver[2];
  uint32_t resolver_votes;
  uint32_t sessions;
  uint32_t last_seen_ms;
  uint8_t family;  // 4 or 6
  uint8_t resolver_family;  // 0 none yet
  uint8_t spare[2];
  NetworkRtt rtt[kNetworkLinks];
};
static_assert(sizeof(Network) == 88);

// What a search or an insert looks at, dense: most of a scan is searched for in vain.
struct NetworkSlot {
  uint32_t hash;
  uint8_t reach : 4;
  uint8_t displaced : 4;
  uint8_t sessions;    // stays at kNetworkReturns, above which it is no longer asked
  uint16_t last_seen;  // in units of 2^kSeenShift ms
};
static_assert(sizeof(NetworkSlot) == 8);
// 4 s: of an hour it is enough to know, and three days pass before a time looks like another.
inline constexpr unsigned kSeenShift = 12;
// So many sessions make a network one that comes again and again.
inline constexpr uint8_t kNetworkReturns = 3;

class NetworkTable {
 public:
  NetworkTable(void* memory, size_t slots)
      : table_(memory, slots, static_cast<uint8_t*>(memory) + slots * sizeof(NetworkSlot)) {}
  static size_t bytes(size_t slots) { return slots * (sizeof(NetworkSlot) + sizeof(Network)); }

  // `ip` is the whole fixed header of IPv4 or IPv6, by `family`.
  //
  // A query of the packet's source for our names.
  void note_query(const uint8_t* ip, uint8_t family, uint32_t now_ms);

  // A session begins with a foreign host. False when the table is full of networks that come again and again, or
  // nearly full and this newcomer is not one of those let in.
  bool note_session(const uint8_t* ip, uint8_t family, bool is_inbound, const HashKey& secret, uint32_t now_ms);

  // Asks for the memory of the foreign network of a packet that will soon be noted, if it is known.
  __attribute__((always_inline)) void prefetch(const uint8_t* ip, uint8_t family, bool is_inbound, const HashKey& secret) {
    const uint32_t hash = hash_of(address_of(ip, family, is_inbound).prefix(family), secret);
    const NetworkSlot* const slot = table_.find(hash, [](const NetworkSlot&) { return true; });
    if (slot == nullptr) return;
    const auto* const network = reinterpret_cast<const uint8_t*>(&table_.rest_of(*slot));
    __builtin_prefetch(network, 1);
    __builtin_prefetch(network + sizeof(Network) - 1, 1);
  }

  // Whether the next round trip is one of those that count.
  bool wants_rtt() { return ++rtts_seen_ % kRttEvery == 0; }
  // A round trip to the packet's source ended, on a link below HG_LINKS_MAX.
  void note_rtt(const uint8_t* ip, uint8_t family, uint8_t link, uint32_t rtt_us, const HashKey& secret);

  size_t occupied() const { return table_.stats().occupied; }
  // All that are known, as visit(network).
  template <typename Visit>
  void each(Visit&& visit) {
    for (size_t i = 0; i < table_.slots(); i++) {
      if (table_.at(i).hash != 0) visit(static_cast<const Network&>(table_.rest_of(table_.at(i))));
    }
  }

 private:
  struct Address {
    uint64_t word[2];  // high, low; IPv4 in the low word
    uint64_t prefix(uint8_t family) const { return family == 4 ? word[1] >> 8 << 8 : word[0] >> 16 << 16; }
  };
  static Address address_of(const uint8_t* ip, uint8_t family, bool is_source);
  static uint32_t hash_of(uint64_t prefix, const HashKey& secret);
  NetworkSlot* find(uint64_t prefix, uint8_t family, uint32_t hash);

  BrentTable<NetworkSlot, Network> table_;
  Address last_resolver_{};
  uint8_t last_family_ = 0;
  uint32_t last_query_ms_ = 0;
  uint32_t rtts_seen_ = 0;
  uint32_t newcomers_ = 0;
};

}  // namespace headgate
