#include "runtime/forwarding_wire.h"

#include <poll.h>

#include <utility>

#include "drivers/clock.h"

namespace headgate {
namespace {

// How often the ports' existence, state and MTU are looked at: aside, since asking the kernel takes as long as many packets.
constexpr int kInspectMs = 200;
constexpr int kWatchNice = 0;

}  // namespace

std::optional<Failure> ForwardingWire::open(const WireOptions& options, std::span<Pipeline* const> pipelines) {
  options_ = options;
  undo_lowering(gate_, options);
  names_[kInbound] = options.outside;
  names_[kOutbound] = options.inside;
  if (auto failure = check_pair(options.name, options.inside, options.outside, &facts_[kOutbound], &facts_[kInbound]))
    return failure;
  for (const uint32_t side : {kOutbound, kInbound}) {
    if (auto failure = claims_[side].take(names_[side], facts_[side], kept(side))) return failure;
  }
  const auto workers = static_cast<uint32_t>(pipelines.size());
  if (gate_ != nullptr) {
    gate_->begin(workers);
    // Sessions keep their links from one unit to the next, and while there is none. Whose they are is not written down.
    inherited_ = gate_->each_exception([pipelines](const hg_exception_key& key, uint8_t link) {
      for (Pipeline* const pipeline : pipelines) pipeline->keep(key, link);
    });
  }
  if (workers > 1) {
    if (auto failure = spreader_.open(options.spread_object)) return failure;
  }
  for (uint32_t worker = 0; worker < workers; worker++)
    loops_.push_back(std::make_unique<ForwardingLoop>(gate_, worker, options.index));
  std::array<PortGroup, 2> groups;
  for (const uint32_t side : {kOutbound, kInbound}) {
    if (auto failure = open_group(names_[side], facts_[side], workers, spreader_.program(), &groups[side])) return failure;
  }
  for (const uint32_t side : {kOutbound, kInbound}) {
    if (auto failure = share_out(side, &groups[side])) return failure;
  }
  for (uint32_t worker = 0; worker < workers; worker++) {
    const std::string number = workers == 1 ? "" : std::to_string(worker);
    loops_[worker]->begin("wire" + number + " " + options.name, pipelines[worker]);
  }
  watch_.start("watch " + options.name, kWatchNice, [this] { watch(); });
  return std::nullopt;
}

void ForwardingWire::close() {
  watch_.stop();
  for (const auto& loop : loops_) loop->end();
  for (const auto& loop : loops_) loop->close_ports();
  raise_ports(gate_);
  for (PortClaim& claim : claims_) claim.release();
}

std::vector<const PacketLoop*> ForwardingWire::loops() const {
  std::vector<const PacketLoop*> all;
  for (const auto& loop : loops_) all.push_back(loop.get());
  return all;
}

std::vector<std::string> ForwardingWire::findings() const {
  std::vector<std::string> all = claims_[kOutbound].findings();
  const std::vector<std::string>& outside = claims_[kInbound].findings();
  all.insert(all.end(), outside.begin(), outside.end());
  return all;
}

// A port for each loop, which from now on gets its share of what comes in there.
std::optional<Failure> ForwardingWire::share_out(uint32_t side, PortGroup* group) {
  if (auto failure = let_in(names_[side], *group)) return failure;
  for (size_t i = 0; i < loops_.size(); i++) loops_[i]->give(side, std::move((*group)[i]));
  return std::nullopt;
}

void ForwardingWire::watch() {
  while (!watch_.is_stopping()) {
    inspect(clock_ns(CLOCK_MONOTONIC));
    pollfd on = {watch_.wake(), POLLIN, 0};
    poll(&on, 1, kInspectMs);
  }
}

void ForwardingWire::inspect(uint64_t now_ns) {
  pass_links(gate_, now_ns);
  bool is_down = false;
  for (uint32_t side = 0; side < 2; side++) {
    PortFacts now;
    const bool exists = !read_port(names_[side], &now).has_value();
    // The same name with another index is another interface: the old socket will never hear again.
    if (exists && now.is_up && now.index != facts_[side].index) {
      facts_[side] = now;
      if (!reopen(side)) facts_[side].index = 0;  // tried again at the next inspection
    }
    is_down = is_down || !exists || !now.is_up || facts_[side].index == 0;
  }
  state_.store(is_down ? WireState::Down : WireState::Forwarding, std::memory_order_relaxed);
}

hg_u8* ForwardingWire::kept(uint32_t side) const { return gate_ != nullptr ? gate_->state()->kept[side] : nullptr; }

bool ForwardingWire::reopen(uint32_t side) {
  claims_[side].release();
  if (check_port(names_[side], facts_[side]).has_value()) return false;
  if (claims_[side].take(names_[side], facts_[side], kept(side)).has_value()) return false;
  PortGroup group;
  return !open_group(names_[side], facts_[side], loops_.size(), spreader_.program(), &group).has_value() &&
         !share_out(side, &group).has_value();
}

}  // namespace headgate
