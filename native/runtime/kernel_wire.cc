#include "runtime/kernel_wire.h"

#include <bpf/libbpf.h>
#include <poll.h>

#include <cstddef>
#include <cstring>

#include "drivers/clock.h"

namespace headgate {
namespace {

// The kernel does not wake us: a millisecond of copies at 2 million packets a second is 2 % of the ring.
constexpr int kPauseMs = 1;
constexpr uint64_t kInspectNs = 200'000'000;

}  // namespace

KernelWire::KernelWire(const Gate* gate) : gate_(gate), heartbeat_(gate) {}

KernelWire::~KernelWire() { close(); }

std::optional<Failure> KernelWire::open(const WireOptions& options, Pipeline* pipeline) {
  options_ = options;
  pipeline_ = pipeline;
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
  if (auto failure = claims_[kOutbound].take(options.inside, inside)) return failure;
  if (auto failure = claims_[kInbound].take(options.outside, outside)) return failure;
  ring_ = ring_buffer__new(gate_->copies(), take, this, nullptr);
  if (ring_ == nullptr)
    return Failure{"driver_unfit", "the ring of header copies cannot be read: " + std::string(strerror(errno))};
  is_draining_ = true;
  ring_buffer__consume(ring_);
  is_draining_ = false;
  for (const uint32_t direction : {kInbound, kOutbound}) before_[direction] = gate_->bypassed(direction);
  if (!copies_.open(gate_->copies(), HG_COPIES_BYTES))
    return Failure{"driver_unfit", "the ring of header copies cannot be mapped: " + std::string(strerror(errno))};
  adapt();
  start();
  return std::nullopt;
}

void KernelWire::close() {
  stop();
  if (ring_ != nullptr) ring_buffer__free(ring_);
  ring_ = nullptr;
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
    heartbeat_.beat();
    adapt();
    const int taken = ring_buffer__consume(ring_);
    flush();
    if (taken <= 0) {
      pollfd on = {wake(), POLLIN, 0};
      poll(&on, 1, kPauseMs);
      pipeline_->process(nullptr, 0);
    }
    if (clock_ns(CLOCK_MONOTONIC) - inspected_ns_ > kInspectNs) inspect();
  }
  heartbeat_.end();
}

int KernelWire::take(void* wire, void* record, size_t size) {
  KernelWire& self = *static_cast<KernelWire*>(wire);
  const auto* copy = static_cast<const hg_copy*>(record);
  // Only what the kernel's program failed to read is empty.
  if (copy->captured == 0 || copy->captured > HG_COPY_BYTES || size < offsetof(hg_copy, bytes) + copy->captured) return 0;
  if (self.is_draining_) return 0;
  Scratch& scratch = self.scratch_[self.size_];
  memcpy(scratch.bytes, copy->bytes, copy->captured);
  Packet& packet = self.packets_[self.size_++];
  packet = {};
  packet.data = scratch.bytes;
  packet.captured = copy->captured;
  packet.wire_length = copy->wire_length;
  packet.time_ns = copy->time_ns;
  packet.segment_bytes = copy->segment_bytes;
  packet.link_type = 1;
  packet.wire = self.options_.index;
  packet.vlan_tci = copy->vlan_tci;
  packet.vlan_tpid = copy->vlan_tpid;
  packet.has_vlan = copy->has_vlan != 0;
  packet.direction = static_cast<Direction>(copy->direction & 1);
  if (self.size_ == kBatch) self.flush();
  // A ring that never runs empty must not keep the loop from seeing that it shall end: asked again, it goes on.
  return self.is_stopping() ? -1 : 0;
}

void KernelWire::flush() {
  if (size_ > 0) pipeline_->process(packets_.data(), size_);
  size_ = 0;
}

// Fewer sessions when the ring fills, more when it has been nearly empty for long: measuring yields, never forwarding.
void KernelWire::adapt() {
  const uint32_t share = share_.step(copies_.fill(), clock_ns(CLOCK_MONOTONIC));
  std::atomic_ref(gate_->state()->copy_share).store(share, std::memory_order_relaxed);
}

void KernelWire::inspect() {
  inspected_ns_ = clock_ns(CLOCK_MONOTONIC);
  copy_tables(inspected_ns_);
  pass_links(gate_, inspected_ns_);
  bool is_up = true;
  for (const uint32_t direction : {kInbound, kOutbound}) {
    PortFacts now;
    const std::string& name = direction == kInbound ? options_.outside : options_.inside;
    is_up = is_up && !read_port(name, &now).has_value() && now.is_up && now.index == facts_[direction].index;
  }
  state_.store(is_up ? WireState::Forwarding : WireState::Down, std::memory_order_relaxed);
}

}  // namespace headgate
