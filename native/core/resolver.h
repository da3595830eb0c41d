// Which foreign name servers ask ours: sources of DNS queries, in a table like that of the sessions.
#pragma once
#include <cstdint>

#include "brent_table.h"
#include "parse.h"
#include "session.h"

namespace headgate {

inline constexpr uint32_t kResolverIdleMs = 24 * 3600 * 1000u;

struct Resolver {
  uint32_t hash;
  uint8_t reach : 4;
  uint8_t displaced : 4;
  uint8_t network;  // 4 or 6
  uint8_t spare[2];
  uint64_t address[2];  // high, low; IPv4 in the low word
  uint32_t queries;
  uint32_t last_seen_ms;
};
static_assert(sizeof(Resolver) == 32);

class ResolverTable {
 public:
  ResolverTable(void* memory, size_t slots) : table_(memory, slots) {}
  static size_t bytes(size_t slots) { return slots * sizeof(Resolver); }

  // Counts one query of the packet's source. False when the table is full.
  bool notice(const uint8_t* data, const Parsed& parsed, const HashKey& secret, uint32_t now_ms);

  BrentTable<Resolver>& table() { return table_; }

 private:
  BrentTable<Resolver> table_;
};

// Whether the packet asks a name server: to port 53, a header that says query (RFC 1035 section 4.1.1).
bool is_dns_query(const Packet& packet, const Parsed& parsed);

}  // namespace headgate
