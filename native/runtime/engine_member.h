// One wire of an engine: its packet loops' pipelines and what the kernel has of it. Of engine*.cc alone.
#pragma once
#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "drivers/clock.h"
#include "kernel/install.h"
#include "kernel/publication.h"
#include "runtime/engine.h"
#include "runtime/memory.h"
#include "runtime/wire.h"

namespace headgate {

// Counters are written by a packet loop while they are read.
inline uint64_t read(const uint64_t& counter) { return __atomic_load_n(&counter, __ATOMIC_RELAXED); }

inline hg_traffic read(const hg_traffic& traffic) {
  return {read(traffic.packets), read(traffic.ip_bytes), read(traffic.l2_bytes)};
}

inline void add(hg_traffic* sum, const hg_traffic& traffic) {
  sum->packets += traffic.packets;
  sum->ip_bytes += traffic.ip_bytes;
  sum->l2_bytes += traffic.l2_bytes;
}

struct Engine::Member {
  explicit Member(EngineWire given) : options(std::move(given)) {}

  // One for each worker. False where there is no memory for them.
  bool make_pipelines(const PipelineSettings& settings) {
    for (uint32_t worker = 0; worker < options.workers; worker++) {
      memories.push_back(std::make_unique<Memory>(Pipeline::bytes(settings), Pipeline::dense_bytes(settings)));
      if (memories.back()->data() == nullptr) return false;
      pipelines.push_back(std::make_unique<Pipeline>(settings, memories.back()->data()));
    }
    return true;
  }

  EngineWire options;
  std::vector<std::unique_ptr<Memory>> memories;
  std::vector<std::unique_ptr<Pipeline>> pipelines;  // of the wire's packet loops
  Gate gate;
  hg_tallies before = {};   // of the gate, when it was opened
  Publication publication;  // open when the gate is
  std::unique_ptr<Wire> wire;  // last, so that its thread ends before what it uses

  // With tc and xdp the kernel sees every packet, and the pipeline only copies of heads.
  bool is_counted_by_kernel() const { return options.driver == DriverKind::Tc || options.driver == DriverKind::Xdp; }

  hg_traffic traffic(uint32_t block, uint32_t link, Direction direction) const {
    hg_traffic sum = {};
    if (!is_counted_by_kernel()) {
      for (const auto& pipeline : pipelines) add(&sum, read(pipeline->traffic(block, link, direction)));
    }
    // With af_packet: what was bypassed.
    if (publication.is_open()) add(&sum, publication.traffic(block, link, direction));
    return sum;
  }

  hg_destination_count destination(uint32_t index) const {
    hg_destination_count sum = {};
    if (!is_counted_by_kernel()) {
      for (const auto& pipeline : pipelines) {
        const DestinationTraffic& traffic = pipeline->destination(index);
        sum = {sum.packets + read(traffic.packets), sum.l2_bytes + read(traffic.l2_bytes)};
      }
    }
    if (!publication.is_open()) return sum;
    const hg_destination_count kernel = publication.destination(index);
    return {sum.packets + kernel.packets, sum.l2_bytes + kernel.l2_bytes};
  }

  // What the kernel's programs did since this engine was opened.
  hg_tallies tallies() const {
    if (!gate.is_open()) return {};
    const hg_tallies now = gate.tallies();
    hg_tallies since = {now.copies_due - before.copies_due,
            now.copies_lost - before.copies_lost,
            now.copies_left_out - before.copies_left_out,
            now.marked - before.marked,
            now.cleared - before.cleared,
            now.unmarked - before.unmarked,
            now.kept - before.kept,
                        now.remarked - before.remarked,
                        {}};
    for (uint32_t link = 0; link < HG_LINKS_MAX; link++) since.sessions[link] = now.sessions[link] - before.sessions[link];
    return since;
  }

  // As the kernel sees it: a packet loop that hangs is bypassed, whatever it believes.
  WireState state() const {
    const WireState own = wire->state();
    if (options.driver != DriverKind::AfPacket || !gate.is_open() || own != WireState::Forwarding) return own;
    const uint64_t beat = gate.oldest_beat();
    const auto age = static_cast<int64_t>(clock_ns(CLOCK_MONOTONIC) - beat);
    return age > static_cast<int64_t>(gate.state()->stale_ns) ? WireState::Bypass : own;
  }
};

}  // namespace headgate
