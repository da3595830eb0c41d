// What a unit publishes to the kernel's programs of one wire, and what they have counted by it. Both stay in force when
// the unit ends: the kernel goes on marking by the last tables.
#pragma once
#include <cstdint>
#include <optional>

#include "core/pipeline.h"
#include "drivers/failure.h"
#include "kernel/flat_tables.h"
#include "kernel/install.h"

namespace headgate {

class Publication {
 public:
  Publication() = default;
  ~Publication() { close(); }
  Publication(const Publication&) = delete;
  Publication& operator=(const Publication&) = delete;

  // Makes room for counts, which begin at nothing; until the first publish() the kernel uses what a unit before us left.
  // `gate` is open and outlives this; `wire` is the wire's index in Tables. `layout.processors` is found here.
  std::optional<Failure> open(const Gate* gate, uint32_t wire, const CountLayout& layout);
  void close();
  bool is_open() const { return counts_ != nullptr; }

  // In force from the kernel's next packet on; waits until no packet is on its way by the old ones (some 30 ms).
  std::optional<Failure> publish(const Tables& tables);

  // The same of marks alone, for the tables that they name.
  std::optional<Failure> publish(const Marks& marks);

  // Counted since open(), all processors together. `link` may be HG_LINK_UNKNOWN.
  hg_traffic traffic(uint32_t block, uint32_t link, Direction direction) const;
  hg_destination_count destination(uint32_t index) const;

  // Bytes of kernel memory that the counts take.
  static size_t count_bytes(const CountLayout& layout);

 private:
  const Gate* gate_ = nullptr;
  uint32_t wire_ = 0;
  uint32_t slot_ = 0;
  CountLayout layout_;
  hg_page* counts_ = nullptr;
};

}  // namespace headgate
