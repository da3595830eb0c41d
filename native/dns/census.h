// Who asks: queries per resolver since the last look, in a fixed table with Brent's method.
#pragma once
#include <cstdint>
#include <cstring>
#include <vector>

#include "core/brent_table.h"
#include "core/byte_order.h"
#include "core/resolver.h"
#include "dns/hash.h"

namespace headgate::dns {

struct ResolverQueries {
  uint8_t address[16];  // IPv4 in the first four
  uint32_t family;      // 4 or 6
  uint32_t queries;
};
static_assert(sizeof(ResolverQueries) == 24);

class Census {
 public:
  // A power of two of 32-byte records.
  explicit Census(size_t slots = 16'384) : memory_(slots), table_(memory_.data(), slots) {}

  void note(const uint8_t* address, uint8_t family) {
    const uint64_t high = family == 4 ? 0 : load_be64(address);
    const uint64_t low = family == 4 ? load_be32(address) : load_be64(address + 8);
    const uint32_t hash = BrentTable<Resolver>::usable(mix(fnv1a(address, family == 4 ? 4 : 16)));
    Resolver* resolver = table_.find(hash, [&](const Resolver& other) {
      return other.address[0] == high && other.address[1] == low && other.network == family;
    });
    if (resolver == nullptr) {
      // Those that asked once give way: a flood of forged sources does not fill the table for good.
      resolver = table_.insert(
          hash, [](const Resolver&) { return false; },
          [](const Resolver& other) -> unsigned { return other.queries > 1 ? 0 : 1; });
      if (resolver == nullptr) {
        skipped_++;
        return;
      }
      resolver->network = family;
      resolver->address[0] = high;
      resolver->address[1] = low;
      resolver->queries = 0;
    }
    resolver->queries++;
  }

  // Hands out what was counted and begins anew.
  std::vector<ResolverQueries> drain() {
    std::vector<ResolverQueries> drained;
    skipped_ += table_.stats().evicted;
    for (const Resolver& resolver : memory_) {
      if (resolver.hash == 0) continue;
      ResolverQueries& entry = drained.emplace_back();
      entry.family = resolver.network;
      entry.queries = resolver.queries;
      const uint64_t high = __builtin_bswap64(resolver.address[0]), low = __builtin_bswap64(resolver.address[1]);
      if (resolver.network == 4) {
        const uint32_t v4 = __builtin_bswap32(static_cast<uint32_t>(resolver.address[1]));
        memcpy(entry.address, &v4, 4);
      } else {
        memcpy(entry.address, &high, 8);
        memcpy(entry.address + 8, &low, 8);
      }
    }
    memory_.assign(memory_.size(), Resolver{});
    table_ = BrentTable<Resolver>(memory_.data(), memory_.size());
    return drained;
  }

  // Queries of resolvers that found no place or lost it; cumulative up to the last drain.
  uint64_t skipped() const { return skipped_; }

 private:
  std::vector<Resolver> memory_;
  BrentTable<Resolver> table_;
  uint64_t skipped_ = 0;
};

}  // namespace headgate::dns
