#include "runtime/kernel_wire.h"

#include <poll.h>

#include <cstddef>
#include <cstring>

#include "drivers/clock.h"

namespace headgate {
namespace {

// Far behind what forwards, which may be a thread too: where both have one processor that is not enough for both, what
// that costs is measurements. Of an idle one it takes what it needs.
constexpr int kNice = 15;
// The kernel does not wake us: a millisecond of copies at 2 million packets a second is 2 % of the ring. Nor do we look
// more often while we keep up, since reading what has just been written makes the processor that writes wait.
constexpr int kPauseMs = 1;
constexpr double kBehind = 0.1;
// Some milliseconds of work: then the heartbeat, the share and the end are looked at again.
constexpr uint32_t kBatchesMax = 1024;
constexpr uint64_t kInspectNs = 200'000'000;
// How often the sessions that the kernel has written down are counted.
constexpr uint64_t kCountNs = 1'000'000'000;

}  // namespace

KernelWire::KernelWire(const Gate* gate) : gate_(gate), heartbeat_(gate, 0) {}

KernelWire::~KernelWire() { close(); }

std::optional<Failure> KernelWire::open(const WireOptions& options, std::span<Pipeline* const> pipelines) {
  options_ = options;
  undo_lowering(gate_, options);
  PortFacts& inside = facts_[kOutbound];
  PortFacts& outside = facts_[kInbound];
  if (auto failure = check_pair(options.name, options.inside, options.outside, &inside, &outside)) return failure;
  const auto exit_is = [&](uint32_t direction, const PortFacts& port) {
    return gate_->state()->exit[direction] == static_cast<uint32_t>(port.index);
  };
  if (!exit_is(kInbound, inside) || !exit_is(kOutbound, outside))
    return Failure{"driver_unfit", "wire " + options.name +
                                       " was installed on other interfaces: `headgate wire release`, then `install`"};
  if (auto failure = claims_[kOutbound].take(options.inside, inside, gate_->state()->kept[kOutbound])) return failure;
  if (auto failure = claims_[kInbound].take(options.outside, outside, gate_->state()->kept[kInbound])) return failure;
  if (!copies_.open(gate_->copies(), HG_COPIES_BYTES))
    return Failure{"driver_unfit", "the ring of header copies cannot be mapped: " + std::string(strerror(errno))};
  // What an earlier unit left there is too old to be measured.
  copies_.skip();
  for (const uint32_t direction : {kInbound, kOutbound}) before_[direction] = gate_->bypassed(direction);
  exceptions_.store(gate_->each_exception({}), std::memory_order_relaxed);
  std::atomic_ref(gate_->state()->copy_share).store(HG_COPY_ALL, std::memory_order_relaxed);
  const bool wants_quic = pipelines[0]->settings().follows_spin;
  std::atomic_ref(gate_->state()->copies_quic).store(wants_quic, std::memory_order_relaxed);
  start("wire " + options.name, kNice, pipelines[0]);
  return std::nullopt;
}

void KernelWire::close() {
  stop();
  copies_.close();
  raise_ports(gate_);
  for (PortClaim& claim : claims_) claim.release();
}

std::array<hg_passed, 2> KernelWire::passed() const {
  std::array<hg_passed, 2> since;
  for (const uint32_t direction : {kInbound, kOutbound}) {
    const hg_bypassed now = gate_->bypassed(direction);
    const hg_bypassed& before = before_[direction];
    since[direction] = {now.frames - before.frames, now.packets - before.packets, now.bytes - before.bytes};
  }
  return since;
}

std::vector<std::string> KernelWire::findings() const {
  std::vector<std::string> all = claims_[kOutbound].findings();
  for (const std::string& line : claims_[kInbound].findings()) all.push_back(line);
  return all;
}

void KernelWire::run() {
  while (!is_stopping()) {
    heartbeat_.beat(clock_ns(CLOCK_MONOTONIC));
    adapt();
    if (copies_.fill() < kBehind) {
      pollfd on = {wake(), POLLIN, 0};
      poll(&on, 1, kPauseMs);
    }
    measure();
    if (clock_ns(CLOCK_MONOTONIC) - inspected_ns_ > kInspectNs) inspect();
  }
  heartbeat_.end();
}

// What the ring holds; on a ring that never runs empty a bounded part of it.
void KernelWire::measure() {
  for (uint32_t batches = 0; batches < kBatchesMax; batches++) {
    uint32_t size = 0;
    const uint32_t taken = copies_.read(kBatch, [&](const uint8_t* record, uint32_t bytes) {
      size += take(*reinterpret_cast<const hg_copy*>(record), bytes, size) ? 1 : 0;
    });
    // Without packets too, so that new tables are taken up on a quiet wire.
    pipeline_->process(packets_.data(), size);
    if (taken < kBatch) return;
  }
}

bool KernelWire::take(const hg_copy& copy, uint32_t bytes, uint32_t at) {
  // Only what the kernel's program failed to read is empty.
  if (copy.captured == 0 || copy.captured > HG_COPY_BYTES || bytes < offsetof(hg_copy, bytes) + copy.captured) return false;
  Scratch& scratch = scratch_[at];
  memcpy(scratch.bytes, copy.bytes, copy.captured);
  Packet& packet = packets_[at];
  packet = {};
  packet.data = scratch.bytes;
  packet.captured = copy.captured;
  packet.wire_length = copy.wire_length;
  packet.time_ns = copy.time_ns;
  packet.segment_bytes = copy.segment_bytes;
  packet.link_type = 1;
  packet.wire = options_.index;
  packet.vlan_tci = copy.vlan_tci;
  packet.vlan_tpid = copy.vlan_tpid;
  packet.has_vlan = copy.has_vlan != 0;
  packet.direction = static_cast<Direction>(copy.direction & 1);
  return true;
}

// Fewer sessions when the ring fills, more when it has been nearly empty for long: measuring yields, never forwarding.
void KernelWire::adapt() {
  const std::atomic_ref share(gate_->state()->copy_share);
  const uint32_t before = share.load(std::memory_order_relaxed);
  const uint32_t now = share_.step(before, copies_.fill(), clock_ns(CLOCK_MONOTONIC));
  if (now != before) share.store(now, std::memory_order_relaxed);
}

void KernelWire::inspect() {
  inspected_ns_ = clock_ns(CLOCK_MONOTONIC);
  copy_tables(inspected_ns_);
  pass_links(gate_, inspected_ns_);
  if (inspected_ns_ - counted_ns_ > kCountNs) {
    counted_ns_ = inspected_ns_;
    exceptions_.store(gate_->each_exception({}), std::memory_order_relaxed);
  }
  bool is_up = true;
  for (const uint32_t direction : {kInbound, kOutbound}) {
    PortFacts now;
    const std::string& name = direction == kInbound ? options_.outside : options_.inside;
    const bool is_there = !read_port(name, &now).has_value() && now.is_up;
    if (is_there && now.index != facts_[direction].index) adopt(direction, name, now);
    // Its packets leave where those of the other direction come in.
    if (is_there) std::atomic_ref(gate_->state()->mtu[1 - direction]).store(now.mtu, std::memory_order_relaxed);
    is_up = is_up && is_there && now.index == facts_[direction].index;
  }
  state_.store(is_up ? WireState::Forwarding : WireState::Down, std::memory_order_relaxed);
}

// A port that was made anew is ours again once the program has been installed on it.
void KernelWire::adopt(uint32_t direction, const std::string& name, const PortFacts& now) {
  if (gate_->state()->exit[1 - direction] != static_cast<uint32_t>(now.index)) return;
  claims_[direction].release();
  if (!claims_[direction].take(name, now, gate_->state()->kept[direction]).has_value()) facts_[direction] = now;
}

}  // namespace headgate
