// Answers compiled by TypeScript (src/core/wire/dns/compiled.ts, which documents the layout), read in place.
// Everything is checked once when loaded: look-ups need no bounds of their own.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/prefix_table.h"

namespace headgate::dns {

// Records of one name and type as they stand in an answer, their owner a pointer to the question.
struct Section {
  uint32_t type;
  uint32_t count;  // 0: none
  uint32_t offset;
  uint32_t length;
};

struct Zone {
  uint32_t apex_length;  // of the name's octets
  uint32_t soa_offset;   // the SOA record of negative answers; its owner is set to the apex in each answer
  uint32_t soa_length;
};

inline constexpr uint32_t kElsewhere = 1;  // CNAME, delegation: answered by TypeScript
inline constexpr uint32_t kSteered = 2;
inline constexpr uint32_t kHasRecords = 4;

struct Name {
  uint32_t key_offset;
  uint32_t key_length;
  uint32_t zone;
  uint32_t flags;
  uint32_t hash;           // FNV-1a of the key
  uint32_t first_section;  // `section_count` of them, by type
  uint32_t section_count;
  uint32_t first_steered;  // one per provider for A, then one per provider for AAAA
};

class AnswerTable {
 public:
  // Copies `bytes`. Null, and `why`, when they are no table.
  static std::unique_ptr<const AnswerTable> load(const uint8_t* bytes, size_t length, std::string* why);

  // The name with these folded octets and their hash, or null.
  const Name* find(const uint8_t* key, size_t length, uint32_t hash) const;

  const uint8_t* bytes(uint32_t offset) const { return data_ + offset; }
  const Zone& zone(uint32_t index) const { return zones_[index]; }
  const Section& section(uint32_t index) const { return sections_[index]; }
  const Section& any() const { return *any_; }

  // The section that a network gets: weighted rendezvous over the providers (choice.ts, steering.ts), or null
  // where the name has none of the type. `network` has its host bits clear; `key_length` octets of it count.
  const Section* steer(const Name& name, bool is_ipv6, uint8_t family, const uint8_t* network,
                       size_t key_length) const;

 private:
  AnswerTable() = default;
  int64_t cost(uint32_t draw) const;
  const Section* choose(const Section* sections, const uint32_t* weights, uint32_t seed) const;

  std::vector<uint8_t> blob_;
  const uint32_t* log2_ = nullptr;
  const uint32_t* hashes_ = nullptr;
  const uint32_t* rows_ = nullptr;
  const Zone* zones_ = nullptr;
  const Name* names_ = nullptr;
  const Section* sections_ = nullptr;
  const Section* any_ = nullptr;
  const uint8_t* data_ = nullptr;
  uint32_t providers_ = 0;
  PrefixTable row_of_;
  std::vector<uint32_t> slots_;  // index of a name + 1, 0 empty; at most half full
};

}  // namespace headgate::dns
