// Wires and gates for JavaScript: check arguments, convert, no logic.
#include "addon/wire.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "abi/engine.h"
#include "addon/half_sampling.h"
#include "drivers/clock.h"
#include "drivers/peer.h"
#include "drivers/port.h"
#include "kernel/install.h"
#include "runtime/engine.h"

namespace headgate {
namespace {

Napi::Value fail(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.message);
  error.Set("code", failure.code);
  error.ThrowAsJavaScriptException();
  return env.Undefined();
}

Napi::Value misused(Napi::Env env, const char* usage) {
  Napi::TypeError::New(env, usage).ThrowAsJavaScriptException();
  return env.Undefined();
}

std::string text_of(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
}

uint64_t number_of(const Napi::Object& object, const char* key, uint64_t otherwise) {
  const Napi::Value value = object.Get(key);
  return value.IsNumber() ? static_cast<uint64_t>(value.As<Napi::Number>().Int64Value()) : otherwise;
}

DriverKind driver_of(const std::string& name) {
  if (name == "af_packet") return DriverKind::AfPacket;
  if (name == "tc") return DriverKind::Tc;
  if (name == "xdp") return DriverKind::Xdp;
  return name == "mirror" ? DriverKind::Mirror : DriverKind::Auto;
}

template <typename Record>
Napi::Value bytes_of(Napi::Env env, const std::vector<Record>& records) {
  const size_t size = records.size() * sizeof(Record);
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, size);
  if (size > 0) memcpy(buffer.Data(), records.data(), size);
  return buffer;
}

// The engine behind a handle; closed when JavaScript says so, or forgets it, or its environment ends.
Engine* engine_of(const Napi::CallbackInfo& info) {
  if (info.Length() < 1 || !info[0].IsExternal()) return nullptr;
  return info[0].As<Napi::External<Engine>>().Data();
}

EngineCapacity capacity_of(const Napi::Object& given) {
  EngineCapacity capacity;
  capacity.blocks = static_cast<uint32_t>(number_of(given, "blocks", 0));
  capacity.destinations = static_cast<uint32_t>(number_of(given, "destinations", 0));
  capacity.links = static_cast<uint32_t>(number_of(given, "links", 0));
  capacity.session_slots = static_cast<uint32_t>(number_of(given, "sessionSlots", capacity.session_slots));
  capacity.finds_heaviest = given.Get("findsHeaviest").ToBoolean().Value();
  capacity.follows_spin = given.Get("followsSpin").ToBoolean().Value();
  read_half_sampling(given, &capacity.half_share, &capacity.half_key);
  return capacity;
}

// engineBytes({ blocks, destinations, links, sessionSlots, findsHeaviest, followsSpin }, workers) -> what the tables of one wire take
Napi::Value engine_bytes(const Napi::CallbackInfo& info) {
  if (info.Length() < 2 || !info[0].IsObject() || !info[1].IsNumber())
    return misused(info.Env(), "engineBytes(capacity, workers)");
  const uint32_t workers = std::max(1U, info[1].As<Napi::Number>().Uint32Value());
  const size_t bytes = Engine::bytes_of_wire(capacity_of(info[0].As<Napi::Object>()), workers);
  return Napi::Number::New(info.Env(), static_cast<double>(bytes));
}

// engineKernelBytes(capacity) -> what the kernel takes for the counts of one wire where a program of ours stands
Napi::Value engine_kernel_bytes(const Napi::CallbackInfo& info) {
  if (info.Length() < 1 || !info[0].IsObject()) return misused(info.Env(), "engineKernelBytes(capacity)");
  const size_t bytes = Engine::bytes_in_kernel(capacity_of(info[0].As<Napi::Object>()));
  return Napi::Number::New(info.Env(), static_cast<double>(bytes));
}

// engineSharedBytes(capacity) -> what all wires together take beside their tables
Napi::Value engine_shared_bytes(const Napi::CallbackInfo& info) {
  if (info.Length() < 1 || !info[0].IsObject()) return misused(info.Env(), "engineSharedBytes(capacity)");
  const size_t bytes = Engine::bytes_shared(capacity_of(info[0].As<Napi::Object>()));
  return Napi::Number::New(info.Env(), static_cast<double>(bytes));
}

// engineOpen([{ name, inside, outside, driver, passesLinkState, workers, spreadObject }], capacity as engineBytes takes it) -> handle
Napi::Value engine_open(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 2 || !info[0].IsArray() || !info[1].IsObject())
    return misused(env, "engineOpen(wires, capacity)");
  const auto list = info[0].As<Napi::Array>();
  std::vector<EngineWire> wires;
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Napi::Value each = list[i];
    if (!each.IsObject()) return misused(env, "engineOpen: a wire is an object");
    const auto wire = each.As<Napi::Object>();
    wires.push_back({text_of(wire, "name"), text_of(wire, "inside"), text_of(wire, "outside"),
                     driver_of(text_of(wire, "driver")), wire.Get("passesLinkState").ToBoolean().Value(),
                     static_cast<uint32_t>(number_of(wire, "workers", 1)), text_of(wire, "spreadObject")});
    if (wires.back().workers < 1 || wires.back().workers > HG_WORKERS_MAX)
      return misused(env, "engineOpen: a wire has 1 to 8 workers");
  }
  const EngineCapacity capacity = capacity_of(info[1].As<Napi::Object>());
  if (capacity.session_slots == 0 || (capacity.session_slots & (capacity.session_slots - 1)) != 0)
    return misused(env, "engineOpen: sessionSlots is a power of two");
  auto engine = std::make_unique<Engine>();
  if (const auto failure = engine->open(wires, capacity)) return fail(env, *failure);
  return Napi::External<Engine>::New(env, engine.release(), [](Napi::Env, Engine* forgotten) { delete forgotten; });
}

Napi::Value engine_close(const Napi::CallbackInfo& info) {
  Engine* const engine = engine_of(info);
  if (engine == nullptr) return misused(info.Env(), "engineClose(handle)");
  engine->close();
  return info.Env().Undefined();
}

// enginePublish(handle, Uint8Array laid out as abi/tables.h says)
Napi::Value engine_publish(const Napi::CallbackInfo& info) {
  Engine* const engine = engine_of(info);
  if (engine == nullptr || info.Length() < 2 || !info[1].IsTypedArray())
    return misused(info.Env(), "enginePublish(handle, bytes)");
  const auto bytes = info[1].As<Napi::Uint8Array>();
  if (const auto failure = engine->publish({bytes.Data(), bytes.ByteLength()})) return fail(info.Env(), *failure);
  return info.Env().Undefined();
}

// Publishes on a thread of its own: a full table takes most of a second, and the kernel some 30 ms to take up anything.
class PublishWorker : public Napi::AsyncWorker {
 public:
  using Publish = std::optional<Failure> (Engine::*)(std::span<const uint8_t>);

  PublishWorker(const Napi::CallbackInfo& info, Engine* engine, Publish publish)
      : Napi::AsyncWorker(info.Env()),
        deferred_(Napi::Promise::Deferred::New(info.Env())),
        engine_(engine),
        publish_(publish),
        handle_(Napi::Persistent(info[0])),
        bytes_(Napi::Persistent(info[1].As<Napi::Uint8Array>())),
        given_{bytes_.Value().Data(), bytes_.Value().ByteLength()} {}

  Napi::Promise promise() { return deferred_.Promise(); }

 protected:
  void Execute() override { failure_ = (engine_->*publish_)(given_); }
  void OnOK() override {
    if (!failure_) return deferred_.Resolve(Env().Undefined());
    Napi::Error error = Napi::Error::New(Env(), failure_->message);
    error.Set("code", failure_->code);
    deferred_.Reject(error.Value());
  }

 private:
  Napi::Promise::Deferred deferred_;
  Engine* engine_;
  Publish publish_;
  Napi::Reference<Napi::Value> handle_;  // keeps the engine
  Napi::Reference<Napi::Uint8Array> bytes_;
  std::span<const uint8_t> given_;
  std::optional<Failure> failure_;
};

Napi::Value publish_later(const Napi::CallbackInfo& info, PublishWorker::Publish publish, const char* usage) {
  Engine* const engine = engine_of(info);
  if (engine == nullptr || info.Length() < 2 || !info[1].IsTypedArray()) return misused(info.Env(), usage);
  auto* const worker = new PublishWorker(info, engine, publish);
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

// enginePublishLater(handle, bytes) -> Promise; as enginePublish
Napi::Value engine_publish_later(const Napi::CallbackInfo& info) {
  return publish_later(info, &Engine::publish, "enginePublishLater(handle, bytes)");
}

// enginePublishMarks(handle, bytes) -> Promise; laid out as abi/tables.h says
Napi::Value engine_publish_marks(const Napi::CallbackInfo& info) {
  return publish_later(info, &Engine::publish_marks, "enginePublishMarks(handle, bytes)");
}

// engineSnapshot(handle) -> { blocks, destinations, links, wires, pipeline, resolvers }: records of abi/engine.h
Napi::Value engine_snapshot(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Engine* const engine = engine_of(info);
  if (engine == nullptr) return misused(env, "engineSnapshot(handle)");
  Napi::Object counts = Napi::Object::New(env);
  counts.Set("blocks", bytes_of(env, engine->block_cells()));
  counts.Set("destinations", bytes_of(env, engine->destination_cells()));
  counts.Set("links", bytes_of(env, engine->link_counts()));
  counts.Set("wires", bytes_of(env, engine->wire_counts()));
  counts.Set("pipeline", bytes_of(env, std::vector{engine->pipeline_counts()}));
  counts.Set("resolvers", bytes_of(env, engine->resolvers()));
  return counts;
}

// engineWires(handle) -> hg_wire_counts of each wire, without reading anything else
Napi::Value engine_wires(const Napi::CallbackInfo& info) {
  const Engine* const engine = engine_of(info);
  if (engine == nullptr) return misused(info.Env(), "engineWires(handle)");
  return bytes_of(info.Env(), engine->wire_counts());
}

// engineNetworks(handle) -> the busiest foreign networks: records of abi/engine.h
Napi::Value engine_networks(const Napi::CallbackInfo& info) {
  const Engine* const engine = engine_of(info);
  if (engine == nullptr) return misused(info.Env(), "engineNetworks(handle)");
  return bytes_of(info.Env(), engine->networks());
}

// engineHeaviest(handle) -> the sessions of ours that send most: records of abi/engine.h
Napi::Value engine_heaviest(const Napi::CallbackInfo& info) {
  const Engine* const engine = engine_of(info);
  if (engine == nullptr) return misused(info.Env(), "engineHeaviest(handle)");
  return bytes_of(info.Env(), engine->heaviest());
}

// engineHalves(handle) -> { segments: records of abi/engine.h since the last call, lost }
Napi::Value engine_halves(const Napi::CallbackInfo& info) {
  Engine* const engine = engine_of(info);
  if (engine == nullptr) return misused(info.Env(), "engineHalves(handle)");
  uint64_t lost = 0;
  Napi::Object halves = Napi::Object::New(info.Env());
  halves.Set("segments", bytes_of(info.Env(), engine->half_segments(&lost)));
  halves.Set("lost", Napi::Number::New(info.Env(), static_cast<double>(lost)));
  return halves;
}

// engineBlockRtts(handle, first, count, endsStretch) -> hg_block_rtt of each of these blocks
Napi::Value engine_block_rtts(const Napi::CallbackInfo& info) {
  Engine* const engine = engine_of(info);
  if (engine == nullptr || info.Length() < 4 || !info[1].IsNumber() || !info[2].IsNumber() || !info[3].IsBoolean())
    return misused(info.Env(), "engineBlockRtts(handle, first, count, endsStretch)");
  const uint32_t first = info[1].As<Napi::Number>().Uint32Value(), count = info[2].As<Napi::Number>().Uint32Value();
  return bytes_of(info.Env(), engine->block_rtts(first, count, info[3].As<Napi::Boolean>().Value()));
}

// engineForgetBlockRtts(handle, Uint32Array of blocks whose counts were another's so far)
Napi::Value engine_forget_block_rtts(const Napi::CallbackInfo& info) {
  Engine* const engine = engine_of(info);
  if (engine == nullptr || info.Length() < 2 || !info[1].IsTypedArray())
    return misused(info.Env(), "engineForgetBlockRtts(handle, blocks)");
  const auto blocks = info[1].As<Napi::Uint32Array>();
  engine->forget_block_rtts({blocks.Data(), blocks.ElementLength()});
  return info.Env().Undefined();
}

Napi::Value engine_findings(const Napi::CallbackInfo& info) {
  const Engine* const engine = engine_of(info);
  if (engine == nullptr) return misused(info.Env(), "engineFindings(handle)");
  Napi::Array lines = Napi::Array::New(info.Env());
  for (const std::string& line : engine->findings()) lines.Set(lines.Length(), Napi::String::New(info.Env(), line));
  return lines;
}

// portFacts(name) -> { mtu, isUp, hasCarrier, driver, peer?: { space, name, finishesChecksums, tagsInFrame, takesFrames } }
// or throws interface_missing
Napi::Value port_facts(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsString()) return misused(env, "portFacts(name)");
  const std::string name = info[0].As<Napi::String>().Utf8Value();
  PortFacts facts;
  if (const auto failure = read_port(name, &facts)) return fail(env, *failure);
  Napi::Object out = Napi::Object::New(env);
  out.Set("mtu", facts.mtu);
  out.Set("isUp", facts.is_up);
  out.Set("hasCarrier", facts.has_carrier);
  out.Set("driver", facts.driver);
  if (const auto found = read_peer(name)) {
    Napi::Object peer = Napi::Object::New(env);
    peer.Set("space", found->space);
    peer.Set("name", found->name);
    peer.Set("finishesChecksums", found->finishes_checksums);
    peer.Set("tagsInFrame", found->tags_in_frame);
    peer.Set("takesFrames", found->takes_frames);
    out.Set("peer", peer);
  }
  return out;
}

// gateInstall({ wire, inside, outside, driver, object, staleMs })
Napi::Value gate_install(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsObject()) return misused(env, "gateInstall(options)");
  const auto given = info[0].As<Napi::Object>();
  GateOptions options = {text_of(given, "wire"), text_of(given, "inside"), text_of(given, "outside"),
                         text_of(given, "object")};
  const DriverKind driver = driver_of(text_of(given, "driver"));
  if (driver == DriverKind::Tc) options.program = HG_PROGRAM_TC;
  if (driver == DriverKind::Xdp) options.program = HG_PROGRAM_XDP;
  options.stale_ns = number_of(given, "staleMs", 20) * 1'000'000;
  if (const auto failure = install_gate(options)) return fail(env, *failure);
  return env.Undefined();
}

Napi::Value gate_release(const Napi::CallbackInfo& info) {
  if (info.Length() < 1 || !info[0].IsString()) return misused(info.Env(), "gateRelease(wire)");
  if (const auto failure = release_gate(info[0].As<Napi::String>().Utf8Value())) return fail(info.Env(), *failure);
  return info.Env().Undefined();
}

// gateStatus(wire) -> { ageMs, program, staleMs, bypass: hg_bypassed[2] } or throws not_installed
Napi::Value gate_status(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsString()) return misused(env, "gateStatus(wire)");
  Gate gate;
  if (const auto failure = gate.open(info[0].As<Napi::String>().Utf8Value())) return fail(env, *failure);
  Napi::Object status = Napi::Object::New(env);
  const uint64_t beat = gate.oldest_beat();
  if (beat != 0) status.Set("ageMs", static_cast<double>(clock_ns(CLOCK_MONOTONIC) - beat) / 1e6);
  status.Set("program", gate.state()->program);
  status.Set("staleMs", static_cast<double>(gate.state()->stale_ns) / 1e6);
  status.Set("bypass", bytes_of(env, std::vector{gate.bypassed(HG_INBOUND), gate.bypassed(HG_OUTBOUND)}));
  return status;
}

}  // namespace

void register_wire(Napi::Env env, Napi::Object exports) {
  exports.Set("describe", Napi::Function::New<describe>(env));
  exports.Set("engineBytes", Napi::Function::New<engine_bytes>(env));
  exports.Set("engineOpen", Napi::Function::New<engine_open>(env));
  exports.Set("engineClose", Napi::Function::New<engine_close>(env));
  exports.Set("enginePublish", Napi::Function::New<engine_publish>(env));
  exports.Set("enginePublishLater", Napi::Function::New<engine_publish_later>(env));
  exports.Set("enginePublishMarks", Napi::Function::New<engine_publish_marks>(env));
  exports.Set("engineSnapshot", Napi::Function::New<engine_snapshot>(env));
  exports.Set("engineNetworks", Napi::Function::New<engine_networks>(env));
  exports.Set("engineHalves", Napi::Function::New<engine_halves>(env));
  exports.Set("engineHeaviest", Napi::Function::New<engine_heaviest>(env));
  exports.Set("engineBlockRtts", Napi::Function::New<engine_block_rtts>(env));
  exports.Set("engineForgetBlockRtts", Napi::Function::New<engine_forget_block_rtts>(env));
  exports.Set("engineKernelBytes", Napi::Function::New<engine_kernel_bytes>(env));
  exports.Set("engineSharedBytes", Napi::Function::New<engine_shared_bytes>(env));
  exports.Set("engineFindings", Napi::Function::New<engine_findings>(env));
  exports.Set("engineWires", Napi::Function::New<engine_wires>(env));
  exports.Set("portFacts", Napi::Function::New<port_facts>(env));
  exports.Set("gateInstall", Napi::Function::New<gate_install>(env));
  exports.Set("gateRelease", Napi::Function::New<gate_release>(env));
  exports.Set("gateStatus", Napi::Function::New<gate_status>(env));
}

}  // namespace headgate
