#include "runtime/engine.h"

#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <string>

#include "drivers/clock.h"
#include "runtime/engine_member.h"
#include "runtime/forwarding_wire.h"
#include "runtime/kernel_wire.h"
#include "runtime/mirror_wire.h"
#include "runtime/tables.h"

namespace headgate {
namespace {

uint32_t program_of(DriverKind driver) {
  if (driver == DriverKind::Tc) return HG_PROGRAM_TC;
  if (driver == DriverKind::Xdp) return HG_PROGRAM_XDP;
  return HG_PROGRAM_GATE;
}

// Settles `auto` and makes the wire that the driver asks for; its gate is open when there is one.
std::optional<Failure> make_wire(EngineWire* options, Gate* gate, std::unique_ptr<Wire>* out) {
  if (options->driver == DriverKind::Mirror) {
    *out = std::make_unique<MirrorWire>();
    return std::nullopt;
  }
  if (const auto failure = gate->open(options->name); failure && failure->code != "not_installed") return failure;
  const uint32_t installed = gate->is_open() ? gate->state()->program : 0;
  if (options->driver == DriverKind::Auto)
    options->driver = installed == HG_PROGRAM_TC    ? DriverKind::Tc
                      : installed == HG_PROGRAM_XDP ? DriverKind::Xdp
                                                    : DriverKind::AfPacket;
  const uint32_t wanted = program_of(options->driver);
  if (options->driver == DriverKind::AfPacket && installed == 0) {
    *out = std::make_unique<ForwardingWire>(nullptr);
    return std::nullopt;
  }
  if (installed != wanted)
    return Failure{"not_installed", "wire " + options->name + " has " +
                                        (installed == 0 ? "nothing" : "another driver's program") +
                                        " on its ports: `headgate wire install` first"};
  if (options->driver == DriverKind::AfPacket)
    *out = std::make_unique<ForwardingWire>(gate);
  else
    *out = std::make_unique<KernelWire>(gate);
  return std::nullopt;
}

// Of each of so many workers.
PipelineSettings settings_of(const EngineCapacity& capacity, uint32_t workers) {
  PipelineSettings settings;
  settings.session_slots = std::bit_ceil((capacity.session_slots + workers - 1) / workers);
  settings.blocks = capacity.blocks;
  settings.destinations = capacity.destinations;
  settings.links = capacity.links;
  settings.finds_heaviest = capacity.finds_heaviest;
  settings.follows_spin = capacity.follows_spin;
  settings.half_share = capacity.half_share;
  settings.half_key = capacity.half_key;
  return settings;
}

}  // namespace

Engine::Engine() = default;

Engine::~Engine() { close(); }

size_t Engine::bytes_of_wire(const EngineCapacity& capacity, uint32_t workers) {
  return workers * Pipeline::bytes(settings_of(capacity, workers));
}

size_t Engine::bytes_in_kernel(const EngineCapacity& capacity) {
  return Publication::count_bytes({capacity.blocks, capacity.links, capacity.destinations, 1});
}

size_t Engine::bytes_shared(const EngineCapacity& capacity) { return RecentRtt::bytes(capacity.blocks); }

std::optional<Failure> Engine::open(const std::vector<EngineWire>& wires, const EngineCapacity& capacity) {
  if (wires.size() > kWiresMax || capacity.links > HG_LINKS_MAX)
    return Failure{"bad_tables", "at most " + std::to_string(kWiresMax) + " wires and " +
                                     std::to_string(HG_LINKS_MAX) + " links fit"};
  capacity_ = capacity;
  recent_rtt_ = std::make_unique<RecentRtt>(capacity.blocks);
  if (!recent_rtt_->has_room())
    return Failure{"driver_unfit", "not enough memory for the round trips of blocks: " +
                                       std::to_string(bytes_shared(capacity) >> 20) + " MiB wanted; fewer blocks take less"};
  HashKey key;
  if (getrandom(&key, sizeof key, 0) != static_cast<ssize_t>(sizeof key))
    return Failure{"driver_unfit", "the system gave no random bytes for the session table's key"};
  for (const EngineWire& options : wires) {
    PipelineSettings settings = settings_of(capacity, options.workers);
    settings.hash_key = key;
    // A mirror copies both directions to one port.
    settings.direction_by_address = options.driver == DriverKind::Mirror;
    auto member = std::make_unique<Member>(options);
    if (!member->make_pipelines(settings))
      return Failure{"driver_unfit", "not enough memory for wire " + options.name + ": " +
                                         std::to_string(bytes_of_wire(capacity, options.workers) >> 20) +
                                         " MiB wanted; fewer session slots, blocks or workers take less"};
    const WireOptions wire = {options.name,
                              options.inside,
                              options.outside,
                              static_cast<uint16_t>(members_.size()),
                              options.passes_link_state,
                              options.spread_object};
    auto failure = make_wire(&member->options, &member->gate, &member->wire);
    if (!failure && member->gate.is_open()) {
      member->before = member->gate.tallies();
      failure = member->publication.open(&member->gate, wire.index,
                                         {capacity.blocks, capacity.links, capacity.destinations, 1});
    }
    if (!failure && options.workers > 1 && member->options.driver != DriverKind::AfPacket)
      failure = Failure{"driver_unfit", "wire " + options.name + ": several workers share a wire of driver af_packet only"};
    if (!failure) {
      std::vector<Pipeline*> pipelines;
      for (const auto& pipeline : member->pipelines) pipelines.push_back(pipeline.get());
      failure = member->wire->open(wire, pipelines);
    }
    if (failure) {
      close();
      return failure;
    }
    members_.push_back(std::move(member));
  }
  return std::nullopt;
}

void Engine::close() {
  const std::lock_guard lock(publishing_);
  while (!members_.empty()) members_.pop_back();
  tables_.clear();
  marks_.clear();
}

std::optional<Failure> Engine::publish(std::span<const uint8_t> bytes) {
  std::string error;
  const TableLimits limits = {capacity_.blocks, capacity_.destinations, capacity_.links};
  std::unique_ptr<Tables> tables = decode_tables(bytes.data(), bytes.size(), limits, error);
  if (tables == nullptr) return Failure{"bad_tables", error};
  const std::lock_guard lock(publishing_);
  // What was closed meanwhile has nothing to publish to.
  if (members_.empty()) return std::nullopt;
  tables->generation = generation_ + 1;
  tables->marks.table.tables = clock_ns(CLOCK_MONOTONIC);
  for (const auto& member : members_) {
    if (!member->publication.is_open()) continue;
    if (auto failure = member->publication.publish(*tables)) return failure;
  }
  for (const auto& member : members_) {
    for (const auto& pipeline : member->pipelines) pipeline->publish(tables.get());
  }
  tables_.push_back(std::move(tables));
  generation_++;
  const uint64_t in_use = generation_in_use();
  std::erase_if(tables_, [&](const auto& old) { return old->generation < in_use; });
  return std::nullopt;
}

std::optional<Failure> Engine::publish_marks(std::span<const uint8_t> bytes) {
  std::string error;
  std::unique_ptr<Marks> marks = decode_marks(bytes, capacity_.links, error);
  if (marks == nullptr) return Failure{"bad_tables", error};
  const std::lock_guard lock(publishing_);
  if (members_.empty() || marks->generation != generation_) return std::nullopt;
  if (marks->table.ways < tables_.back()->ways) return Failure{"bad_tables", "marks: a way of a destination is missing"};
  marks->generation = ++marks_generation_;
  marks->table.tables = tables_.back()->marks.table.tables;
  // The packet loops first: what a failed link needs is there at once.
  for (const auto& member : members_) {
    for (const auto& pipeline : member->pipelines) pipeline->publish(marks.get());
  }
  std::optional<Failure> failure;
  for (const auto& member : members_) {
    if (failure || !member->publication.is_open()) continue;
    failure = member->publication.publish(*marks);
  }
  marks_.push_back(std::move(marks));
  const uint64_t in_use = marks_in_use();
  std::erase_if(marks_, [&](const auto& old) { return old->generation < in_use; });
  return failure;
}

uint64_t Engine::marks_in_use() const {
  uint64_t oldest = marks_generation_;
  for (const auto& member : members_) {
    for (const auto& pipeline : member->pipelines) oldest = std::min(oldest, pipeline->marks_in_use());
  }
  return oldest;
}

uint64_t Engine::generation_in_use() const {
  uint64_t oldest = generation_;
  for (const auto& member : members_) {
    for (const auto& pipeline : member->pipelines) oldest = std::min(oldest, pipeline->generation_in_use());
  }
  return oldest;
}

}  // namespace headgate
