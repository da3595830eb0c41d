#include "runtime/forwarding_loop.h"

#include <bpf/bpf.h>
#include <poll.h>
#include <sched.h>

#include <algorithm>
#include <utility>

#include "drivers/clock.h"

namespace headgate {
namespace {

// Before everything else that wants the processor: the ring holds some milliseconds only.
constexpr int kNice = -20;
// How often the ring's drops are asked for, and the age of the copied tables.
constexpr uint64_t kLookNs = 200'000'000;

constexpr uint32_t kInbound = static_cast<uint32_t>(Direction::Inbound);
constexpr uint32_t kOutbound = static_cast<uint32_t>(Direction::Outbound);

}  // namespace

ForwardingLoop::ForwardingLoop(const Gate* gate, uint32_t worker, uint16_t wire)
    : gate_(gate), wire_(wire), sent_mark_(HG_SENT_MARK | worker), heartbeat_(gate, worker) {}

ForwardingLoop::~ForwardingLoop() {
  end();
  for (auto& port : given_) delete port.load(std::memory_order_acquire);
}

void ForwardingLoop::give(uint32_t direction, std::unique_ptr<AfPacketPort> port) {
  if (gate_ != nullptr) port->mark_sent(sent_mark_);
  // One that was given and not yet taken up is of no use any more.
  const std::unique_ptr<AfPacketPort> before(given_[direction].exchange(port.release(), std::memory_order_acq_rel));
}

void ForwardingLoop::begin(const std::string& name, Pipeline* pipeline) {
  take_up_ports();
  if (gate_ != nullptr) pipeline->set_new_exceptions(&new_exceptions_);
  // What was tapped before the first beat, a gate has forwarded already.
  beat(clock_ns(CLOCK_MONOTONIC));
  start(name, kNice, pipeline);
}

void ForwardingLoop::close_ports() {
  for (auto& port : ports_) port.reset();
}

void ForwardingLoop::run() {
  const auto batch = std::make_unique<Batch>();
  while (!is_stopping()) {
    take_up_ports();
    const bool had_inbound = carry(kInbound, batch.get());
    const bool had_outbound = carry(kOutbound, batch.get());
    const uint64_t now = clock_ns(CLOCK_MONOTONIC);
    beat(now);
    if (had_inbound || had_outbound) {
      linger_.had_packets(now);
    } else if (linger_.is_awake(now)) {
      sched_yield();
      linger_.offered(now, clock_ns(CLOCK_MONOTONIC));
    } else {
      wait();
    }
    if (now - looked_ns_ > kLookNs) look(now);
  }
  heartbeat_.end();
}

void ForwardingLoop::take_up_ports() {
  for (uint32_t side = 0; side < 2; side++) {
    if (given_[side].load(std::memory_order_relaxed) == nullptr) continue;
    if (ports_[side]) losses_[side].add(Loss::RingFull, ports_[side]->take_drops());
    ports_[side].reset(given_[side].exchange(nullptr, std::memory_order_acq_rel));
  }
}

bool ForwardingLoop::carry(uint32_t direction, Batch* batch) {
  AfPacketPort& port = *ports_[direction];
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
    batch->packets[i].wire = wire_;
    batch->packets[i].direction = static_cast<Direction>(direction);
  }
  bool is_ours = still_ours(direction);
  if (is_ours) {
    pipeline_->process(batch->packets.data(), batch->size);
    if (new_exceptions_.count != 0) tell_exceptions();
    is_ours = still_ours(direction);
  }
  if (is_ours)
    send(direction, batch);
  else
    discarded_.add(batch->size);
  port.release();
  return true;
}

void ForwardingLoop::send(uint32_t direction, Batch* batch) {
  const uint32_t refused = ports_[1 - direction]->send(batch, &passed_[direction], &losses_[direction]);
  if (refused == 0) return;
  if (heartbeat_.is_held_back(direction))
    discarded_.add(refused);
  else
    losses_[direction].add(Loss::NoBuffer, refused);
}

// Under overload fewer sessions are followed: measuring yields, never forwarding.
void ForwardingLoop::adapt(uint32_t direction, bool is_full_batch) {
  load_[direction] = overload_[direction].step(is_full_batch ? ports_[direction]->fill() : 0);
  followed_ = share_.step(followed_, std::max(load_[0], load_[1]), clock_ns(CLOCK_MONOTONIC));
  pipeline_->follow(followed_);
}

// Whether what is in hand may be sent. When the gate has forwarded packets of this direction meanwhile, some of ours
// are among them, and the others would come late.
bool ForwardingLoop::still_ours(uint32_t direction) {
  if (heartbeat_.is_late()) beat(clock_ns(CLOCK_MONOTONIC));
  return discard_until_ns_[direction] == 0;
}

// The kernel keeps them too, for when it forwards.
void ForwardingLoop::tell_exceptions() {
  for (size_t i = 0; i < new_exceptions_.count; i++) {
    const uint32_t link = new_exceptions_.items[i].link;
    bpf_map_update_elem(gate_->exceptions(), &new_exceptions_.items[i].key, &link, BPF_ANY);
  }
  new_exceptions_.count = 0;
}

void ForwardingLoop::beat(uint64_t now_ns) {
  if (heartbeat_.beat(now_ns)) return;
  const uint64_t now = clock_ns(CLOCK_REALTIME);
  for (uint32_t direction = 0; direction < 2; direction++) {
    if (heartbeat_.was_bypassed(direction)) discard_until_ns_[direction] = now;
  }
}

void ForwardingLoop::wait() {
  std::array<pollfd, 3> on = {{{ports_[0]->fd(), POLLIN, 0}, {ports_[1]->fd(), POLLIN, 0}, {wake(), POLLIN, 0}}};
  const int ready = poll(on.data(), on.size(), heartbeat_.wait_ms());
  // New tables are taken up on a quiet wire too, so that the old ones can be freed.
  if (ready == 0) pipeline_->process(nullptr, 0);
  if (ready <= 0) return;
  for (uint32_t side = 0; side < 2; side++) {
    if ((on[side].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) ports_[side]->take_error();
  }
}

void ForwardingLoop::look(uint64_t now_ns) {
  looked_ns_ = now_ns;
  copy_tables(now_ns);
  for (uint32_t side = 0; side < 2; side++) {
    if (const uint64_t drops = ports_[side]->take_drops(); drops > 0) losses_[side].add(Loss::RingFull, drops);
  }
}

}  // namespace headgate
