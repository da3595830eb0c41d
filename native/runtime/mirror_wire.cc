#include "runtime/mirror_wire.h"

#include <poll.h>

#include <memory>

#include "core/unwrap.h"
#include "drivers/clock.h"

namespace headgate {
namespace {

// Before everything else that wants the processor: the ring holds some milliseconds only.
constexpr int kNice = -20;
constexpr uint64_t kInspectNs = 200'000'000;
constexpr int kWaitMs = 100;

}  // namespace

std::optional<Failure> MirrorWire::open(const WireOptions& options, std::span<Pipeline* const> pipelines) {
  options_ = options;
  if (auto failure = read_port(options.inside, &facts_)) return failure;
  if (auto failure = check_mirror_port(options.inside, facts_)) return failure;
  is_wrapped_ = has_address(options.inside);
  const PortUse use = is_wrapped_ ? PortUse::Addressed : PortUse::Silent;
  if (auto failure = claim_.take(options.inside, facts_, nullptr, use)) return failure;
  if (auto failure = port_.open(options.inside, facts_)) return failure;
  start("wire " + options.name, kNice, pipelines[0]);
  return std::nullopt;
}

void MirrorWire::close() {
  stop();
  port_.close();
  claim_.release();
}

void MirrorWire::run() {
  const auto batch = std::make_unique<Batch>();
  while (!is_stopping()) {
    if (port_.receive(batch.get(), &losses_[kInbound]) > 0) {
      for (uint32_t i = 0; i < batch->size; i++) {
        Packet& packet = batch->packets[i];
        packet.wire = options_.index;
        packet.direction = Direction::Inbound;
        seen_.bytes.add(packet.captured);
        seen_.packets.add(segments_of(packet.data, packet.captured, batch->offloads[i]));
      }
      seen_.frames.add(batch->size);
      pipeline_->process(batch->packets.data(), is_wrapped_ ? unwrap_copies(batch.get()) : batch->size);
      port_.release();
    } else {
      std::array<pollfd, 2> on = {{{port_.fd(), POLLIN, 0}, {wake(), POLLIN, 0}}};
      if (poll(on.data(), on.size(), kWaitMs) == 0) pipeline_->process(nullptr, 0);
      if ((on[0].revents & POLLERR) != 0) port_.take_error();
    }
    if (clock_ns(CLOCK_MONOTONIC) - inspected_ns_ > kInspectNs) inspect();
  }
}

uint32_t MirrorWire::unwrap_copies(Batch* batch) {
  uint32_t copies = 0;
  for (uint32_t i = 0; i < batch->size; i++) {
    if (unwrap(batch->packets[i])) batch->packets[copies++] = batch->packets[i];
  }
  others_.add(batch->size - copies);
  return copies;
}

void MirrorWire::inspect() {
  inspected_ns_ = clock_ns(CLOCK_MONOTONIC);
  copy_tables(inspected_ns_);
  PortFacts now;
  const bool is_there = !read_port(options_.inside, &now).has_value() && now.is_up && now.index == facts_.index;
  state_.store(is_there ? WireState::Forwarding : WireState::Down, std::memory_order_relaxed);
  if (const uint64_t drops = port_.take_drops(); drops > 0) losses_[kInbound].add(Loss::RingFull, drops);
}

}  // namespace headgate
