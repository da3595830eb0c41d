// Replay of capture files for JavaScript: check arguments, convert, no logic.
#include "addon/replay.h"

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "addon/half_sampling.h"
#include "core/byte_order.h"
#include "runtime/block_rtt.h"
#include "runtime/replay.h"
#include "runtime/tcp_counts.h"

namespace headgate {
namespace {

const char* name_of(FileEnd end) {
  switch (end) {
    case FileEnd::NotYet:
      return "not_yet";
    case FileEnd::Clean:
      return "clean";
    case FileEnd::Truncated:
      return "truncated";
    case FileEnd::Damaged:
      return "damaged";
    case FileEnd::NotCapture:
      return "not_capture";
    case FileEnd::Unreadable:
      return "unreadable";
  }
  return "unknown";
}

Napi::Number number(Napi::Env env, uint64_t value) { return Napi::Number::New(env, static_cast<double>(value)); }

// Counts of several workers as one.
PipelineCounts sum_of(const Replay& replay) {
  PipelineCounts sum{};
  for (const Pipeline* pipeline : replay.pipelines()) {
    const PipelineCounts& part = pipeline->counts();
    sum.packets += part.packets;
    sum.frame_bytes += part.frame_bytes;
    for (unsigned i = 0; i < 3; i++) sum.network[i] += part.network[i];
    for (unsigned i = 0; i < kUnparsedReasons; i++) sum.unparsed[i] += part.unparsed[i];
    sum.tcp_segments += part.tcp_segments;
    sum.sessions += part.sessions;
    sum.sessions_refused += part.sessions_refused;
    sum.resyncs += part.resyncs;
    sum.marked += part.marked;
  }
  return sum;
}

Napi::Object unparsed_of(Napi::Env env, const PipelineCounts& counts) {
  Napi::Object unparsed = Napi::Object::New(env);
  for (unsigned i = 1; i < kUnparsedReasons; i++) {
    if (counts.unparsed[i] != 0) unparsed.Set(name_of(static_cast<Unparsed>(i)), number(env, counts.unparsed[i]));
  }
  return unparsed;
}

Napi::Object tcp_of(Napi::Env env, const Replay& replay, const PipelineCounts& counts) {
  hg_tcp_counts sum{};
  for (const Pipeline* pipeline : replay.pipelines()) {
    for (size_t column = 0; column < (pipeline->settings().links + 1ull) * 2; column++) add(&sum, pipeline->tcp()[column]);
  }
  Napi::Object tcp = Napi::Object::New(env);
  tcp.Set("sessions", number(env, counts.sessions));
  tcp.Set("sessionsRefused", number(env, counts.sessions_refused));
  tcp.Set("resyncs", number(env, counts.resyncs));
  tcp.Set("segments", number(env, counts.tcp_segments));
  tcp.Set("dataSegments", number(env, sum.data_segments));
  tcp.Set("dataBytes", number(env, sum.data_bytes));
  tcp.Set("lostBeyond", number(env, sum.lost_beyond));
  tcp.Set("needless", number(env, sum.needless));
  tcp.Set("lostBefore", number(env, sum.lost_before));
  tcp.Set("spurious", number(env, sum.spurious));
  tcp.Set("retransmittedBytes", number(env, sum.retransmitted_bytes));
  tcp.Set("reordered", number(env, sum.reordered));
  tcp.Set("duplicates", number(env, sum.duplicates));
  tcp.Set("keepAlives", number(env, sum.keep_alives));
  tcp.Set("windowProbes", number(env, sum.window_probes));
  return tcp;
}

// Of the round trips by the spin bit only low quantiles say something.
Napi::Object quic_of(Napi::Env env, const Replay& replay) {
  SpinCounts counts{};
  auto rtt = std::make_unique<RttHistogram>();
  for (const Pipeline* pipeline : replay.pipelines()) {
    counts.sessions += pipeline->spin().sessions;
    counts.spinning += pipeline->spin().spinning;
    counts.refused += pipeline->spin().refused;
    rtt->add(pipeline->spin_rtt());
  }
  Napi::Object quic = Napi::Object::New(env);
  quic.Set("sessions", number(env, counts.sessions));
  quic.Set("spinning", number(env, counts.spinning));
  quic.Set("packetsRefused", number(env, counts.refused));
  quic.Set("samples", number(env, rtt->samples));
  quic.Set("rttUsP5", Napi::Number::New(env, rtt->quantile(0.05)));
  quic.Set("rttUsP25", Napi::Number::New(env, rtt->quantile(0.25)));
  return quic;
}

Napi::Object rtt_of(Napi::Env env, const Replay& replay, bool inbound, bool outbound) {
  auto sum = std::make_unique<RttHistogram>();
  for (const Pipeline* pipeline : replay.pipelines()) {
    for (uint32_t link = 0; link <= pipeline->settings().links; link++) {
      if (inbound) sum->add(pipeline->rtt(link, Direction::Inbound));
      if (outbound) sum->add(pipeline->rtt(link, Direction::Outbound));
    }
  }
  Napi::Object rtt = Napi::Object::New(env);
  rtt.Set("samples", number(env, sum->samples));
  rtt.Set("min", Napi::Number::New(env, sum->quantile(0)));
  rtt.Set("p50", Napi::Number::New(env, sum->quantile(0.50)));
  rtt.Set("p95", Napi::Number::New(env, sum->quantile(0.95)));
  rtt.Set("p99", Napi::Number::New(env, sum->quantile(0.99)));
  return rtt;
}

// Rows of block, link, direction, packets, IP bytes, layer-2 bytes; only those that counted anything.
Napi::Value traffic_of(Napi::Env env, const Replay& replay) {
  std::vector<double> rows;
  const PipelineSettings& settings = replay.pipelines()[0]->settings();
  for (uint32_t block = 0; block < settings.blocks; block++) {
    for (uint32_t link = 0; link <= settings.links; link++) {
      for (const Direction direction : {Direction::Inbound, Direction::Outbound}) {
        hg_traffic traffic{};
        for (const Pipeline* pipeline : replay.pipelines()) {
          const hg_traffic& part = pipeline->traffic(block, link, direction);
          traffic.packets += part.packets;
          traffic.ip_bytes += part.ip_bytes;
          traffic.l2_bytes += part.l2_bytes;
        }
        if (traffic.packets == 0) continue;
        rows.insert(rows.end(), {static_cast<double>(block), static_cast<double>(link),
                                 static_cast<double>(direction), static_cast<double>(traffic.packets),
                                 static_cast<double>(traffic.ip_bytes), static_cast<double>(traffic.l2_bytes)});
      }
    }
  }
  Napi::Float64Array array = Napi::Float64Array::New(env, rows.size());
  for (size_t i = 0; i < rows.size(); i++) array[i] = rows[i];
  return array;
}

// Rows of block, samples, median and 95th percentile in microseconds; only those with samples.
Napi::Value block_rtts_of(Napi::Env env, const Replay& replay) {
  std::vector<uint32_t> rows;
  for (uint32_t block = 0; block < replay.pipelines()[0]->settings().blocks; block++) {
    BlockRtt sum = {};
    for (const Pipeline* pipeline : replay.pipelines()) add(&sum, pipeline->block_rtt(block));
    const hg_block_rtt told = summarise(sum);
    if (told.samples != 0) rows.insert(rows.end(), {block, told.samples, told.p50_us, told.p95_us});
  }
  Napi::Uint32Array array = Napi::Uint32Array::New(env, rows.size());
  for (size_t i = 0; i < rows.size(); i++) array[i] = rows[i];
  return array;
}

// A source that asked by several workers' shares is there several times.
Napi::Value resolvers_of(Napi::Env env, const Replay& replay) {
  Napi::Array list = Napi::Array::New(env);
  for (Pipeline* pipeline : replay.pipelines()) {
    auto& table = pipeline->resolvers().table();
    for (size_t i = 0; i < table.slots(); i++) {
      const Resolver& resolver = table.at(i);
      if (resolver.hash == 0) continue;
      const size_t length = resolver.network == 4 ? 4 : 16;
      Napi::Uint8Array address = Napi::Uint8Array::New(env, length);
      for (size_t b = 0; b < length; b++) {
        const uint64_t word = length == 4 ? resolver.address[1] << 32 : resolver.address[b / 8];
        address[b] = static_cast<uint8_t>(word >> (56 - 8 * (b % 8)));
      }
      Napi::Object row = Napi::Object::New(env);
      row.Set("address", address);
      row.Set("queries", number(env, resolver.queries));
      list.Set(list.Length(), row);
    }
  }
  return list;
}

Napi::Value classified_of(Napi::Env env, const std::vector<TcpEvent>& events) {
  Napi::Array list = Napi::Array::New(env, events.size());
  for (size_t i = 0; i < events.size(); i++) {
    Napi::Object row = Napi::Object::New(env);
    row.Set("frame", number(env, events[i].frame));
    row.Set("class", headgate::name_of(events[i].segment_class));
    list.Set(static_cast<uint32_t>(i), row);
  }
  return list;
}

Napi::Value halves_of(Napi::Env env, const std::vector<hg_half_segment>& segments) {
  const size_t bytes = segments.size() * sizeof(hg_half_segment);
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, bytes);
  if (bytes > 0) memcpy(buffer.Data(), segments.data(), bytes);
  return buffer;
}

Napi::Object result_of(Napi::Env env, Replay& replay) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("error", replay.error());
  result.Set("end", name_of(replay.file().end()));
  result.Set("fileError", replay.file().error());
  result.Set("elapsedS", Napi::Number::New(env, replay.elapsed_s()));
  if (replay.pipelines().empty()) return result;
  const PipelineCounts counts = sum_of(replay);
  Napi::Object body = Napi::Object::New(env);
  body.Set("packets", number(env, counts.packets));
  body.Set("frameBytes", number(env, counts.frame_bytes));
  body.Set("ipv4Packets", number(env, counts.network[0]));
  body.Set("ipv6Packets", number(env, counts.network[1]));
  body.Set("otherPackets", number(env, counts.network[2]));
  body.Set("marked", number(env, counts.marked));
  body.Set("unparsed", unparsed_of(env, counts));
  body.Set("tcp", tcp_of(env, replay, counts));
  body.Set("rttUs", rtt_of(env, replay, true, true));
  body.Set("rttInsideUs", rtt_of(env, replay, true, false));
  body.Set("rttOutsideUs", rtt_of(env, replay, false, true));
  body.Set("quic", quic_of(env, replay));
  body.Set("traffic", traffic_of(env, replay));
  body.Set("blockRtts", block_rtts_of(env, replay));
  body.Set("resolvers", resolvers_of(env, replay));
  body.Set("classified", classified_of(env, replay.classified()));
  body.Set("halves", halves_of(env, replay.halves()));
  result.Set("counts", body);
  return result;
}

class ReplayWorker : public Napi::AsyncWorker {
 public:
  ReplayWorker(Napi::Env env, std::shared_ptr<Replay> replay)
      : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), replay_(std::move(replay)) {}

  Napi::Promise promise() { return deferred_.Promise(); }

 protected:
  void Execute() override { replay_->run(); }
  void OnOK() override { deferred_.Resolve(result_of(Env(), *replay_)); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  std::shared_ptr<Replay> replay_;
};

// replayStart({ path, tables?, writePath?, withFrames?, sessionSlots?, workers?, halfShare?, halfKey? }) -> { result: Promise, progress() }
Napi::Value replay_start(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsObject() || !info[0].As<Napi::Object>().Get("path").IsString()) {
    Napi::TypeError::New(env, "replayStart({ path, ... })").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const auto given = info[0].As<Napi::Object>();
  ReplayOptions options;
  options.path = given.Get("path").As<Napi::String>().Utf8Value();
  const Napi::Value write_path = given.Get("writePath"), tables = given.Get("tables"),
                    with_frames = given.Get("withFrames"), slots = given.Get("sessionSlots"),
                    workers = given.Get("workers");
  if (write_path.IsString()) options.write_path = write_path.As<Napi::String>().Utf8Value();
  if (tables.IsTypedArray()) {
    const auto bytes = tables.As<Napi::Uint8Array>();
    options.tables.assign(bytes.Data(), bytes.Data() + bytes.ByteLength());
  }
  read_half_sampling(given, &options.half_share, &options.half_key);
  options.with_frames = with_frames.IsBoolean() && with_frames.As<Napi::Boolean>().Value();
  if (slots.IsNumber()) {
    options.session_slots = slots.As<Napi::Number>().Uint32Value();
    if (options.session_slots == 0 || (options.session_slots & (options.session_slots - 1)) != 0) {
      Napi::TypeError::New(env, "sessionSlots is a power of two").ThrowAsJavaScriptException();
      return env.Undefined();
    }
  }
  if (workers.IsNumber()) options.workers = workers.As<Napi::Number>().Uint32Value();
  auto replay = std::make_shared<Replay>(std::move(options));
  auto* const worker = new ReplayWorker(env, replay);
  Napi::Object handle = Napi::Object::New(env);
  handle.Set("result", worker->promise());
  handle.Set("progress", Napi::Function::New(env, [replay](const Napi::CallbackInfo& call) -> Napi::Value {
               return Napi::Number::New(call.Env(), replay->progress());
             }));
  worker->Queue();
  return handle;
}

}  // namespace

void register_replay(Napi::Env env, Napi::Object exports) {
  exports.Set("replayStart", Napi::Function::New(env, replay_start));
}

}  // namespace headgate
