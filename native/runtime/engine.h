// All wires of a unit: opened together, published to together, read together, closed in reverse order.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "abi/engine.h"
#include "core/pipeline.h"
#include "drivers/failure.h"
#include "runtime/block_rtt.h"

namespace headgate {

// How a wire's packets are carried; Auto: by what is installed on its ports, else AF_PACKET.
enum class DriverKind : uint8_t { Auto, AfPacket, Tc, Xdp, Mirror };

struct EngineWire {
  std::string name;
  std::string inside;
  std::string outside;
  DriverKind driver = DriverKind::Auto;
  bool passes_link_state = false;
  // Packet loops that share it, 1 to HG_WORKERS_MAX; more than one with AF_PACKET only.
  uint32_t workers = 1;
  std::string spread_object;  // path of the compiled spread.bpf.o, for several workers
};

// Everything is allocated for these at open and never grows.
struct EngineCapacity {
  uint32_t blocks = 0;
  uint32_t destinations = 0;
  uint32_t links = 0;
  uint32_t session_slots = 1 << 18;  // of each wire, a power of two; its workers have equal parts, rounded up to one
  bool finds_heaviest = false;       // see PipelineSettings
  bool follows_spin = false;
  uint64_t half_share = 0;
  HashKey half_key{};
};

// Upper bounds of the buckets of hg_rtt_counts, microseconds; the last bucket has none.
inline constexpr std::array<uint32_t, HG_RTT_BUCKETS - 1> kRttBoundsUs = {
    100, 250, 500, 1000, 2500, 5000, 10'000, 25'000, 50'000, 100'000, 250'000, 500'000, 1'000'000, 2'500'000, 10'000'000};

class Engine {
 public:
  Engine();
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // What the tables of a wire with so many workers take, all of it when the wire is opened.
  static size_t bytes_of_wire(const EngineCapacity& capacity, uint32_t workers);
  // What the kernel takes for the counts of a wire where a program of ours stands at the ports.
  static size_t bytes_in_kernel(const EngineCapacity& capacity);
  // What all wires together take beside.
  static size_t bytes_shared(const EngineCapacity& capacity);

  // All wires or none.
  std::optional<Failure> open(const std::vector<EngineWire>& wires, const EngineCapacity& capacity);
  void close();

  // Tables as TypeScript laid them out (abi/tables.h): checked, built, then in force on all wires from their next
  // batch on. `bad_tables` names what is wrong with them; the old ones stay in force.
  // Any thread may call these, one after the other: with many prefixes, or where the kernel marks, they take long.
  std::optional<Failure> publish(std::span<const uint8_t> tables);
  // Other marks for the destinations in force; nothing when those are others than the marks were made for.
  std::optional<Failure> publish_marks(std::span<const uint8_t> marks);

  // Counts of all wires together, cumulative since open.
  std::vector<hg_block_cell> block_cells() const;
  std::vector<hg_destination_cell> destination_cells() const;
  std::vector<hg_link_counts> link_counts() const;
  hg_pipeline_counts pipeline_counts() const;
  std::vector<hg_resolver> resolvers() const;
  // Those that most sessions are with, at most kNetworksTold of each wire.
  std::vector<hg_network> networks() const;
  // Those of ours that send most, at most kHeaviestTold of each wire.
  std::vector<hg_heavy_session> heaviest() const;
  // Segments of half-seen sessions since the last call, of all wires; `lost`: those for which there was no room, ever.
  // One thread calls it.
  std::vector<hg_half_segment> half_segments(uint64_t* lost);
  // Round trips of so many blocks from `first` on, of the present stretch and the one before it; `ends_stretch` ends
  // theirs here. One thread calls these two. Empty records once closed, or where there is no such block.
  std::vector<hg_block_rtt> block_rtts(uint32_t first, uint32_t count, bool ends_stretch);
  // What was counted of these blocks so far was that of others.
  void forget_block_rtts(std::span<const uint32_t> blocks);
  // One record for each wire, in the order of open().
  std::vector<hg_wire_counts> wire_counts() const;
  // What opening changed or noticed, for the log.
  std::vector<std::string> findings() const;

 private:
  struct Member;

  uint64_t generation_in_use() const;
  uint64_t marks_in_use() const;
  BlockRtt block_rtt(uint32_t block) const;

  EngineCapacity capacity_;
  std::unique_ptr<RecentRtt> recent_rtt_;
  std::mutex publishing_;
  std::atomic<uint64_t> generation_{0};  // of the tables in force: ours, whatever the header says
  uint64_t marks_generation_ = 0;
  // Published tables: the last is in force, those before it may be in use by a packet loop. Outlives the members.
  std::vector<std::unique_ptr<Tables>> tables_;
  std::vector<std::unique_ptr<Marks>> marks_;
  std::vector<std::unique_ptr<Member>> members_;
};

}  // namespace headgate
