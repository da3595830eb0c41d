// What a flood may not do: evict an established session, spoil what is known of it, or make anything grow. Whole where
// no sanitizer makes each packet fifty times as dear (`make flood`), a hundredth with them.
#include <vector>

#include "core/pipeline.h"
#include "support.h"

namespace headgate::test {
namespace {

#if __has_feature(address_sanitizer)  // clang's, as all of this is built by
constexpr unsigned kScan = 100'000, kFlood = 60'000;
#else
constexpr unsigned kScan = 10'000'000, kFlood = 2'000'000;
#endif
constexpr uint32_t kOurs = 0x0a000000;
constexpr uint32_t kSegment = 100;

// A unit with more than half of its table taken by sessions that go on.
class Busy {
 public:
  static PipelineSettings settings() {
    PipelineSettings settings;
    settings.blocks = 1;
    settings.links = 1;
    settings.session_slots = 1 << 12;
    settings.network_slots = 1 << 8;
    settings.resolver_slots = 1 << 8;
    Random random(61);
    for (auto& word : settings.hash_key.word) word = random.next();
    return settings;
  }

  Busy() : owned_(settings()), seq_(2500, 1000) {
    tables_.blocks = PrefixTable({{kOurs, 8, 0}}, {});
    owned_.pipeline.publish(&tables_);
    for (uint32_t i = 0; i < seq_.size(); i++) {
      TcpShape syn = from_us(i), answer = from_them(i);
      syn.flags = kTcpSyn;
      answer.flags = kTcpSyn | kTcpAck;
      answer.seq = 999;
      answer.ack = 1;
      send(syn, Direction::Outbound);
      send(answer, Direction::Inbound);
    }
  }

  const Pipeline& pipeline() const { return owned_.pipeline; }
  size_t sessions() const { return seq_.size(); }
  void wait_ms(uint64_t ms) { now_us_ += ms * 1000; }

  // A segment of each session and its acknowledgement.
  void go_on() {
    for (uint32_t i = 0; i < seq_.size(); i++) {
      TcpShape data = from_them(i), ack = from_us(i);
      data.seq = seq_[i];
      data.ack = ack.seq = 1;
      data.payload = kSegment;
      ack.ack = seq_[i] += kSegment;
      send(data, Direction::Inbound);
      send(ack, Direction::Outbound);
    }
  }
  // Whether the last segment of a session, sent again, is known for what it is.
  bool knows_again(uint32_t i) {
    const uint64_t before = pipeline().tcp(HG_LINK_UNKNOWN, Direction::Inbound).spurious;
    TcpShape data = from_them(i);
    data.seq = seq_[i] - kSegment;
    data.ack = 1;
    data.payload = kSegment;
    wait_ms(2);
    send(data, Direction::Inbound);
    return pipeline().tcp(HG_LINK_UNKNOWN, Direction::Inbound).spurious == before + 1;
  }
  void syn_from(uint32_t source, uint16_t port, uint32_t destination) {
    TcpShape shape;
    shape.source = source;
    shape.source_port = port;
    shape.destination = destination;
    shape.flags = kTcpSyn;
    send(shape, Direction::Inbound);
  }

 private:
  static TcpShape from_us(uint32_t i) {
    TcpShape shape;
    shape.source = kOurs + i;
    shape.destination = 0xc6336401;
    return shape;
  }
  static TcpShape from_them(uint32_t i) {
    TcpShape shape = from_us(i);
    std::swap(shape.source, shape.destination);
    std::swap(shape.source_port, shape.destination_port);
    return shape;
  }
  void send(const TcpShape& shape, Direction direction) {
    Frame frame(ethernet(ipv4_tcp(shape)), 1, now_us_);
    frame.packet.direction = direction;
    owned_.pipeline.process(&frame.packet, 1);
  }

  Tables tables_;
  Owned owned_;
  std::vector<uint32_t> seq_;  // what each foreign host sends next
  uint64_t now_us_ = 1'000'000'000;
};

// Floods a busy unit with `count` packets of `flood`, spread over minutes in which the sessions go on.
template <typename Flood>
void survives(unsigned count, Flood flood) {
  INFO("seed ", seed());
  Busy unit;
  unit.go_on();
  const PipelineCounts before = unit.pipeline().counts();
  REQUIRE(before.sessions == unit.sessions());
  const BrentStats& stats = const_cast<Pipeline&>(unit.pipeline()).sessions().stats();
  constexpr unsigned kPauses = 8;
  for (unsigned i = 0; i < count; i++) {
    flood(unit, i);
    if (i % 1000 == 0) unit.wait_ms(kIdleMs / 2 * uint64_t{kPauses} * 1000 / count / 4);
    if (i % (count / kPauses) == 0) unit.go_on();
  }
  unit.go_on();
  const PipelineCounts& after = unit.pipeline().counts();
  // Every packet of the flood began a session or was refused one; none of ours had to begin again.
  CHECK(after.sessions - before.sessions + after.sessions_refused == count);
  CHECK(after.sessions_refused > 0);
  CHECK(stats.occupied <= Busy::settings().session_slots);
  CHECK(after.resyncs == 0);
  unsigned known = 0;
  for (uint32_t i = 0; i < unit.sessions(); i++) known += unit.knows_again(i);
  CHECK(known == unit.sessions());
}

}  // namespace

TEST_CASE("a scan of ten million sources leaves every established session") {
  survives(kScan, [](Busy& unit, unsigned i) {
    unit.syn_from(0x30000000 + i * 2654435761u % 0x10000000, 1024, kOurs + (i & 0xffffff));
  });
}

TEST_CASE("a SYN flood on one host leaves every established session") {
  Random random(62);
  survives(kFlood, [&random](Busy& unit, unsigned) {
    unit.syn_from(0xc6336401, static_cast<uint16_t>(random.next()), kOurs + 0x800000 + random.below(1 << 22));
  });
}

}  // namespace headgate::test
