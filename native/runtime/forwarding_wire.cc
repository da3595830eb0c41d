#include "runtime/forwarding_wire.h"

#include <bpf/bpf.h>
#include <poll.h>
#include <sched.h>

#include <algorithm>
#include <memory>

#include "drivers/clock.h"

namespace headgate {
namespace {

// Before everything else that wants the processor: the ring holds some milliseconds only.
constexpr int kNice = -20;
// How often the ports' existence, state and MTU are looked at.
constexpr uint64_t kInspectNs = 200'000'000;

}  // namespace

std::optional<Failure> ForwardingWire::open(const WireOptions& options, Pipeline* pipeline) {
  options_ = options;
  pipeline_ = pipeline;
  undo_lowering(gate_, options);
  names_[kInbound] = options.outside;
  names_[kOutbound] = options.inside;
  if (auto failure = check_pair(options.name, options.inside, options.outside, &facts_[kOutbound], &facts_[kInbound]))
    return failure;
  for (const uint32_t side : {kOutbound, kInbound}) {
    if (auto failure = claims_[side].take(names_[side], facts_[side], kept(side))) return failure;
    if (auto failure = ports_[side].open(names_[side], facts_[side])) return failure;
  }
  if (gate_ != nullptr) {
    // Sessions keep their links from one unit to the next, and while there is none.
    gate_->each_exception([pipeline](const hg_exception_key& key, uint8_t link) { pipeline->keep(key, link); });
    pipeline_->set_new_exceptions(&new_exceptions_);
  }
  // What was tapped before the first beat, a gate has forwarded already.
  beat();
  start(kNice);
  return std::nullopt;
}

void ForwardingWire::close() {
  stop();
  raise_ports(gate_);
  for (const uint32_t side : {kInbound, kOutbound}) {
    ports_[side].close();
    claims_[side].release();
  }
}

std::vector<std::string> ForwardingWire::findings() const {
  std::vector<std::string> all = claims_[kOutbound].findings();
  const std::vector<std::string>& outside = claims_[kInbound].findings();
  all.insert(all.end(), outside.begin(), outside.end());
  return all;
}

void ForwardingWire::run() {
  const auto batch = std::make_unique<Batch>();
  while (!is_stopping()) {
    const bool had_inbound = carry(kInbound, batch.get());
    const bool had_outbound = carry(kOutbound, batch.get());
    beat();
    const uint64_t now = clock_ns(CLOCK_MONOTONIC);
    if (had_inbound || had_outbound) {
      linger_.had_packets(now);
    } else if (linger_.is_awake(now)) {
      sched_yield();
      linger_.offered(now, clock_ns(CLOCK_MONOTONIC));
    } else {
      wait();
    }
    if (now - inspected_ns_ > kInspectNs) inspect();
  }
  heartbeat_.end();
}

bool ForwardingWire::carry(uint32_t direction, Batch* batch) {
  AfPacketPort& port = ports_[direction];
  if (discard_until_ns_[direction] != 0) {
    discarded_.add(port.discard(discard_until_ns_[direction]));
    discard_until_ns_[direction] = 0;
  }
  if (port.receive(batch, &losses_[direction]) == 0) {
    load_[direction] = 0;
    return false;
  }
  adapt(direction, batch->size == kBatch);
  for (uint32_t i = 0; i < batch->size; i++) {
    batch->packets[i].wire = options_.index;
    batch->packets[i].direction = static_cast<Direction>(direction);
  }
  bool is_ours = still_ours(direction);
  if (is_ours) {
    pipeline_->process(batch->packets.data(), batch->size);
    if (new_exceptions_.count != 0) tell_exceptions();
    is_ours = still_ours(direction);
  }
  if (is_ours)
    ports_[1 - direction].send(batch, &passed_[direction], &losses_[direction]);
  else
    discarded_.add(batch->size);
  port.release();
  return true;
}

// Under overload fewer sessions are followed: measuring yields, never forwarding.
void ForwardingWire::adapt(uint32_t direction, bool is_full_batch) {
  load_[direction] = overload_[direction].step(is_full_batch ? ports_[direction].fill() : 0);
  followed_ = share_.step(followed_, std::max(load_[0], load_[1]), clock_ns(CLOCK_MONOTONIC));
  pipeline_->follow(followed_);
}

// Whether what is in hand may be sent. When the gate has forwarded packets of this direction meanwhile, some of ours
// are among them, and the others would come late.
bool ForwardingWire::still_ours(uint32_t direction) {
  if (heartbeat_.is_late()) beat();
  return discard_until_ns_[direction] == 0;
}

// The kernel keeps them too, for when it forwards.
void ForwardingWire::tell_exceptions() {
  for (size_t i = 0; i < new_exceptions_.count; i++) {
    const uint32_t link = new_exceptions_.items[i].link;
    bpf_map_update_elem(gate_->exceptions(), &new_exceptions_.items[i].key, &link, BPF_ANY);
  }
  new_exceptions_.count = 0;
}

void ForwardingWire::beat() {
  if (heartbeat_.beat()) return;
  const uint64_t now = clock_ns(CLOCK_REALTIME);
  for (uint32_t direction = 0; direction < 2; direction++) {
    if (heartbeat_.was_bypassed(direction)) discard_until_ns_[direction] = now;
  }
}

void ForwardingWire::wait() {
  std::array<pollfd, 3> on = {{{ports_[0].fd(), POLLIN, 0}, {ports_[1].fd(), POLLIN, 0}, {wake(), POLLIN, 0}}};
  const int ready = poll(on.data(), on.size(), heartbeat_.wait_ms());
  // New tables are taken up on a quiet wire too, so that the old ones can be freed.
  if (ready == 0) pipeline_->process(nullptr, 0);
  if (ready <= 0) return;
  for (uint32_t side = 0; side < 2; side++) {
    if ((on[side].revents & (POLLERR | POLLHUP | POLLNVAL)) == 0) continue;
    ports_[side].take_error();
    inspect();
  }
}

void ForwardingWire::inspect() {
  inspected_ns_ = clock_ns(CLOCK_MONOTONIC);
  copy_tables(inspected_ns_);
  pass_links(gate_, inspected_ns_);
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
    if (const uint64_t drops = ports_[side].take_drops(); drops > 0) losses_[side].add(Loss::RingFull, drops);
  }
  state_.store(is_down ? WireState::Down : WireState::Forwarding, std::memory_order_relaxed);
}

hg_u8* ForwardingWire::kept(uint32_t side) const { return gate_ != nullptr ? gate_->state()->kept[side] : nullptr; }

bool ForwardingWire::reopen(uint32_t side) {
  ports_[side].close();
  claims_[side].release();
  if (check_port(names_[side], facts_[side]).has_value()) return false;
  return !claims_[side].take(names_[side], facts_[side], kept(side)).has_value() &&
         !ports_[side].open(names_[side], facts_[side]).has_value();
}

}  // namespace headgate
