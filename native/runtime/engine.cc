#include "runtime/engine.h"

#include <sys/random.h>

#include <algorithm>
#include <string>

#include "drivers/clock.h"
#include "drivers/driver.h"
#include "kernel/install.h"
#include "kernel/publication.h"
#include "runtime/forwarding_wire.h"
#include "runtime/kernel_wire.h"
#include "runtime/memory.h"
#include "runtime/mirror_wire.h"
#include "runtime/tables.h"

namespace headgate {
namespace {

uint64_t read(const uint64_t& counter) { return __atomic_load_n(&counter, __ATOMIC_RELAXED); }

hg_traffic read(const hg_traffic& traffic) {
  return {read(traffic.packets), read(traffic.ip_bytes), read(traffic.l2_bytes)};
}

void add(hg_traffic* sum, const hg_traffic& traffic) {
  sum->packets += traffic.packets;
  sum->ip_bytes += traffic.ip_bytes;
  sum->l2_bytes += traffic.l2_bytes;
}

void add(hg_tcp_counts* sum, const hg_tcp_counts& counts) {
  sum->data_segments += read(counts.data_segments);
  sum->data_bytes += read(counts.data_bytes);
  sum->lost_beyond += read(counts.lost_beyond);
  sum->lost_before += read(counts.lost_before);
  sum->spurious += read(counts.spurious);
  sum->retransmitted_bytes += read(counts.retransmitted_bytes);
  sum->reordered += read(counts.reordered);
  sum->duplicates += read(counts.duplicates);
  sum->keep_alives += read(counts.keep_alives);
  sum->window_probes += read(counts.window_probes);
}

hg_rtt_counts summarise(const RttHistogram& histogram) {
  hg_rtt_counts counts = {};
  counts.samples = histogram.samples;
  counts.p50_us = static_cast<uint64_t>(histogram.quantile(0.50));
  counts.p95_us = static_cast<uint64_t>(histogram.quantile(0.95));
  counts.p99_us = static_cast<uint64_t>(histogram.quantile(0.99));
  uint32_t at = 0;
  for (unsigned i = 0; i < RttHistogram::kBuckets; i++) {
    while (at < kRttBoundsUs.size() && RttHistogram::value_of(i) > kRttBoundsUs[at]) at++;
    counts.bucket[at] += histogram.bucket[i];
  }
  return counts;
}

// Of one wire; TypeScript reads them once a cycle.
constexpr size_t kNetworksTold = 2048;
constexpr size_t kHeaviestTold = 1024;

// The first `most` by what `is_more` compares, in any order.
template <typename T, typename IsMore>
void keep_most(std::vector<T>* all, size_t most, IsMore is_more) {
  if (all->size() <= most) return;
  std::nth_element(all->begin(), all->begin() + static_cast<ptrdiff_t>(most), all->end(), is_more);
  all->resize(most);
}

// The octets of an address that is kept as two words, IPv4 in the low one.
void write_address(uint8_t* at, const uint64_t* words, uint8_t family) {
  if (family == 6) {
    for (unsigned i = 0; i < 16; i++) at[i] = static_cast<uint8_t>(words[i / 8] >> (56 - i % 8 * 8));
  } else {
    for (unsigned i = 0; i < 4; i++) at[i] = static_cast<uint8_t>(words[1] >> (24 - i * 8));
  }
}

}  // namespace

struct Engine::Member {
  Member(EngineWire given, const PipelineSettings& settings)
      : options(std::move(given)), memory(Pipeline::bytes(settings), Pipeline::dense_bytes(settings)) {
    if (memory.data() != nullptr) pipeline = std::make_unique<Pipeline>(settings, memory.data());
  }

  EngineWire options;
  Memory memory;
  std::unique_ptr<Pipeline> pipeline;
  Gate gate;
  hg_tallies before = {};   // of the gate, when it was opened
  Publication publication;  // open when the gate is
  std::unique_ptr<Wire> wire;  // last, so that its thread ends before what it uses

  // With tc and xdp the kernel sees every packet, and the pipeline only copies of heads.
  bool is_counted_by_kernel() const { return options.driver == DriverKind::Tc || options.driver == DriverKind::Xdp; }

  hg_traffic traffic(uint32_t block, uint32_t link, Direction direction) const {
    hg_traffic sum = is_counted_by_kernel() ? hg_traffic{} : read(pipeline->traffic(block, link, direction));
    // With af_packet: what was bypassed.
    if (publication.is_open()) add(&sum, publication.traffic(block, link, direction));
    return sum;
  }

  hg_destination_count destination(uint32_t index) const {
    hg_destination_count sum = {};
    if (!is_counted_by_kernel()) {
      const DestinationTraffic& traffic = pipeline->destination(index);
      sum = {read(traffic.packets), read(traffic.l2_bytes)};
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
    const uint64_t beat = read(gate.state()->heartbeat_ns);
    const auto age = static_cast<int64_t>(clock_ns(CLOCK_MONOTONIC) - beat);
    return age > static_cast<int64_t>(gate.state()->stale_ns) ? WireState::Bypass : own;
  }
};

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

}  // namespace

namespace {
PipelineSettings settings_of(const EngineCapacity& capacity) {
  PipelineSettings settings;
  settings.session_slots = capacity.session_slots;
  settings.blocks = capacity.blocks;
  settings.destinations = capacity.destinations;
  settings.links = capacity.links;
  settings.finds_heaviest = capacity.finds_heaviest;
  settings.half_share = capacity.half_share;
  settings.half_key = capacity.half_key;
  return settings;
}
}  // namespace

Engine::Engine() = default;

Engine::~Engine() { close(); }

size_t Engine::bytes_of_wire(const EngineCapacity& capacity) { return Pipeline::bytes(settings_of(capacity)); }

std::optional<Failure> Engine::open(const std::vector<EngineWire>& wires, const EngineCapacity& capacity) {
  if (wires.size() > kWiresMax || capacity.links > HG_LINKS_MAX)
    return Failure{"bad_tables", "at most " + std::to_string(kWiresMax) + " wires and " +
                                     std::to_string(HG_LINKS_MAX) + " links fit"};
  capacity_ = capacity;
  PipelineSettings settings = settings_of(capacity);
  if (getrandom(&settings.hash_key, sizeof settings.hash_key, 0) != static_cast<ssize_t>(sizeof settings.hash_key))
    return Failure{"driver_unfit", "the system gave no random bytes for the session table's key"};
  for (const EngineWire& options : wires) {
    // A mirror copies both directions to one port.
    settings.direction_by_address = options.driver == DriverKind::Mirror;
    auto member = std::make_unique<Member>(options, settings);
    if (!member->pipeline)
      return Failure{"driver_unfit", "not enough memory for wire " + options.name + ": " +
                                         std::to_string(Pipeline::bytes(settings) >> 20) +
                                         " MiB wanted; fewer session slots or blocks take less"};
    const WireOptions wire = {options.name, options.inside, options.outside, static_cast<uint16_t>(members_.size()),
                              options.passes_link_state};
    auto failure = make_wire(&member->options, &member->gate, &member->wire);
    if (!failure && member->gate.is_open()) {
      member->before = member->gate.tallies();
      failure = member->publication.open(&member->gate, wire.index,
                                         {capacity.blocks, capacity.links, capacity.destinations, 1});
    }
    if (!failure) failure = member->wire->open(wire, member->pipeline.get());
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
  for (const auto& member : members_) member->pipeline->publish(tables.get());
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
  for (const auto& member : members_) member->pipeline->publish(marks.get());
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
  for (const auto& member : members_) oldest = std::min(oldest, member->pipeline->marks_in_use());
  return oldest;
}

uint64_t Engine::generation_in_use() const {
  uint64_t oldest = generation_;
  for (const auto& member : members_) oldest = std::min(oldest, member->pipeline->generation_in_use());
  return oldest;
}

std::vector<hg_block_cell> Engine::block_cells() const {
  std::vector<hg_block_cell> cells;
  for (uint32_t block = 0; block <= capacity_.blocks; block++) {
    for (uint32_t column = 0; column <= capacity_.links; column++) {
      const uint32_t link = column < capacity_.links ? column : HG_LINK_UNKNOWN;
      for (const Direction direction : {Direction::Inbound, Direction::Outbound}) {
        hg_traffic sum = {};
        for (const auto& member : members_) add(&sum, member->traffic(block, link, direction));
        if (sum.packets == 0) continue;
        cells.push_back({block, static_cast<hg_u16>(link), static_cast<hg_u16>(direction), sum});
      }
    }
  }
  return cells;
}

std::vector<hg_destination_cell> Engine::destination_cells() const {
  std::vector<hg_destination_cell> cells;
  for (uint32_t index = 0; index < capacity_.destinations; index++) {
    hg_destination_cell sum = {index, 0, 0, 0};
    for (const auto& member : members_) {
      const hg_destination_count traffic = member->destination(index);
      sum.packets += traffic.packets;
      sum.l2_bytes += traffic.l2_bytes;
    }
    if (sum.packets != 0) cells.push_back(sum);
  }
  return cells;
}

std::vector<hg_link_counts> Engine::link_counts() const {
  std::vector<hg_link_counts> all;
  const auto histogram = std::make_unique<RttHistogram>();
  for (uint32_t column = 0; column <= capacity_.links; column++) {
    const uint32_t link = column < capacity_.links ? column : HG_LINK_UNKNOWN;
    hg_link_counts counts = {};
    for (const Direction direction : {Direction::Inbound, Direction::Outbound}) {
      *histogram = {};
      for (const auto& member : members_) {
        add(&counts.tcp[static_cast<uint32_t>(direction)], member->pipeline->tcp(link, direction));
        histogram->add(member->pipeline->rtt(link, direction));
      }
      counts.rtt[static_cast<uint32_t>(direction)] = summarise(*histogram);
    }
    all.push_back(counts);
  }
  return all;
}

hg_pipeline_counts Engine::pipeline_counts() const {
  static_assert(HG_UNPARSED == kUnparsedReasons);
  hg_pipeline_counts sum = {};
  sum.generation = generation_in_use();
  for (const auto& member : members_) {
    const PipelineCounts& counts = member->pipeline->counts();
    for (uint32_t reason = 0; reason < HG_UNPARSED; reason++) sum.unparsed[reason] += read(counts.unparsed[reason]);
    sum.sessions_begun += read(counts.sessions);
    sum.sessions_refused += read(counts.sessions_refused);
    sum.sessions_occupied += member->wire->sessions_occupied();
    sum.session_slots += capacity_.session_slots;
    sum.resyncs += read(counts.resyncs);
    sum.resolvers_refused += read(counts.resolvers_refused);
    sum.networks_refused += read(counts.networks_refused);
    const hg_tallies tallies = member->tallies();
    const bool is_marked_here = !member->is_counted_by_kernel();
    sum.marked += tallies.marked + (is_marked_here ? read(counts.marked) : 0);
    sum.cleared += tallies.cleared + (is_marked_here ? read(counts.cleared) : 0);
    sum.sessions_kept += tallies.kept + (is_marked_here ? read(counts.sessions_kept) : 0);
    sum.sessions_remarked += tallies.remarked + (is_marked_here ? read(counts.sessions_remarked) : 0);
    sum.exceptions += is_marked_here ? read(counts.exceptions) : member->wire->exceptions();
    sum.exceptions_max += HG_EXCEPTIONS_MAX;
    sum.exceptions_lost += is_marked_here ? read(counts.exceptions_lost) : 0;
    for (uint32_t link = 0; link < HG_LINKS_MAX; link++)
      sum.sessions_marked[link] += tallies.sessions[link] + (is_marked_here ? read(counts.sessions_marked[link]) : 0);
  }
  return sum;
}

std::vector<hg_network> Engine::networks() const {
  std::vector<hg_network> all;
  for (const auto& member : members_) {
    std::vector<Network> own = member->wire->networks();
    keep_most(&own, kNetworksTold, [](const Network& a, const Network& b) { return a.sessions > b.sessions; });
    for (const Network& each : own) {
      hg_network record = {};
      const uint64_t prefix[2] = {each.family == 6 ? each.prefix : 0, each.family == 4 ? each.prefix : 0};
      write_address(record.prefix, prefix, each.family);
      write_address(record.host, each.host, each.family);
      write_address(record.resolver, each.resolver, each.resolver_family);
      record.resolver_votes = each.resolver_votes;
      record.sessions = each.sessions;
      record.family = each.family;
      record.resolver_family = each.resolver_family;
      for (unsigned i = 0; i < HG_NETWORK_LINKS; i++)
        record.rtt[i] = {each.rtt[i].rtt_us, each.rtt[i].samples, each.rtt[i].link, 0};
      all.push_back(record);
    }
  }
  return all;
}

std::vector<hg_heavy_session> Engine::heaviest() const {
  std::vector<hg_heavy_session> all;
  for (const auto& member : members_) {
    std::vector<HeavySession> own = member->wire->heaviest();
    keep_most(&own, kHeaviestTold, [](const HeavySession& a, const HeavySession& b) { return a.bytes > b.bytes; });
    for (const HeavySession& each : own) {
      hg_heavy_session record = {};
      write_address(record.source, each.source, each.family);
      write_address(record.destination, each.destination, each.family);
      record.l2_bytes = each.bytes;
      record.source_port = each.source_port;
      record.destination_port = each.destination_port;
      record.family = each.family;
      record.protocol = each.protocol;
      all.push_back(record);
    }
  }
  return all;
}

std::vector<hg_half_segment> Engine::half_segments(uint64_t* lost) {
  std::vector<hg_half_segment> all;
  *lost = 0;
  if (capacity_.half_share == 0) return all;
  for (const auto& member : members_) {
    member->pipeline->halves().drain(&all);
    *lost += member->pipeline->halves().lost();
  }
  return all;
}

std::vector<hg_resolver> Engine::resolvers() const {
  std::vector<hg_resolver> all;
  for (const auto& member : members_) {
    for (const Resolver& each : member->wire->resolvers()) {
      hg_resolver record = {};
      write_address(record.address, each.address, each.network);
      record.queries = each.queries;
      record.family = each.network;
      all.push_back(record);
    }
  }
  return all;
}

std::vector<hg_wire_counts> Engine::wire_counts() const {
  static_assert(HG_LOSSES == kLosses);
  std::vector<hg_wire_counts> all;
  for (const auto& member : members_) {
    hg_wire_counts counts = {};
    const std::array<hg_passed, 2> passed = member->wire->passed();
    for (const uint32_t direction : {HG_INBOUND, HG_OUTBOUND}) {
      counts.unit[direction] = passed[direction];
      // With tc and xdp the unit is never bypassed: the kernel's counts are the unit's.
      if (member->options.driver == DriverKind::AfPacket && member->gate.is_open())
        counts.bypass[direction] = member->gate.bypassed(direction);
    }
    for (uint32_t why = 0; why < kLosses; why++) {
      counts.lost_inbound[why] = member->wire->losses()[HG_INBOUND].by_reason[why].get();
      counts.lost_outbound[why] = member->wire->losses()[HG_OUTBOUND].by_reason[why].get();
    }
    counts.discarded = member->wire->discarded();
    const hg_tallies tallies = member->tallies();
    counts.copies_due = tallies.copies_due;
    counts.copies_lost = tallies.copies_lost;
    counts.copies_left_out = tallies.copies_left_out;
    if (member->options.driver == DriverKind::AfPacket) {
      // What is forwarded here needs no copy; what is not followed is left out all the same.
      const PipelineCounts& measured = member->pipeline->counts();
      counts.copies_due = read(measured.tcp_segments);
      counts.copies_left_out = read(measured.left_out);
    }
    counts.unmarked = tallies.unmarked;
    counts.driver = static_cast<uint64_t>(member->options.driver);
    counts.state = static_cast<uint64_t>(member->state());
    all.push_back(counts);
  }
  return all;
}

std::vector<std::string> Engine::findings() const {
  std::vector<std::string> all;
  for (const auto& member : members_) {
    for (const std::string& line : member->wire->findings()) all.push_back(line);
    if (member->options.driver == DriverKind::AfPacket && !member->gate.is_open())
      all.push_back("wire " + member->options.name +
                    " has nothing installed: it is cut while headgate does not run; `headgate wire install` changes that");
  }
  return all;
}

}  // namespace headgate
