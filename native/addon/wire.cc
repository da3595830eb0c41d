// Wires and gates for JavaScript: check arguments, convert, no logic.
#include "addon/wire.h"

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "abi/wire.h"
#include "kernel/gate.h"
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

// engineOpen([{ name, inside, outside, staleMs }]) -> handle
Napi::Value engine_open(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsArray()) return misused(env, "engineOpen(wires)");
  const auto list = info[0].As<Napi::Array>();
  std::vector<EngineWire> wires;
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Napi::Value each = list[i];
    if (!each.IsObject()) return misused(env, "engineOpen: a wire is an object");
    const auto wire = each.As<Napi::Object>();
    wires.push_back({text_of(wire, "name"), text_of(wire, "inside"), text_of(wire, "outside")});
  }
  auto engine = std::make_unique<Engine>();
  if (const auto failure = engine->open(wires)) return fail(env, *failure);
  return Napi::External<Engine>::New(env, engine.release(), [](Napi::Env, Engine* forgotten) { delete forgotten; });
}

Napi::Value engine_close(const Napi::CallbackInfo& info) {
  Engine* const engine = engine_of(info);
  if (engine == nullptr) return misused(info.Env(), "engineClose(handle)");
  engine->close();
  return info.Env().Undefined();
}

Napi::Value engine_wires(const Napi::CallbackInfo& info) {
  const Engine* const engine = engine_of(info);
  if (engine == nullptr) return misused(info.Env(), "engineWires(handle)");
  return bytes_of(info.Env(), engine->wire_counts());
}

Napi::Value engine_findings(const Napi::CallbackInfo& info) {
  const Engine* const engine = engine_of(info);
  if (engine == nullptr) return misused(info.Env(), "engineFindings(handle)");
  Napi::Array lines = Napi::Array::New(info.Env());
  for (const std::string& line : engine->findings()) lines.Set(lines.Length(), Napi::String::New(info.Env(), line));
  return lines;
}

// gateInstall({ wire, inside, outside, object, staleMs })
Napi::Value gate_install(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsObject()) return misused(env, "gateInstall(options)");
  const auto given = info[0].As<Napi::Object>();
  GateOptions options = {text_of(given, "wire"), text_of(given, "inside"), text_of(given, "outside"),
                         text_of(given, "object"), number_of(given, "staleMs", 20) * 1'000'000};
  if (const auto failure = install_gate(options)) return fail(env, *failure);
  return env.Undefined();
}

Napi::Value gate_release(const Napi::CallbackInfo& info) {
  if (info.Length() < 1 || !info[0].IsString()) return misused(info.Env(), "gateRelease(wire)");
  if (const auto failure = release_gate(info[0].As<Napi::String>().Utf8Value())) return fail(info.Env(), *failure);
  return info.Env().Undefined();
}

// gateStatus(wire) -> { ageMs, staleMs, bypass: hg_bypassed[2] } or throws not_installed
Napi::Value gate_status(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsString()) return misused(env, "gateStatus(wire)");
  Gate gate;
  if (const auto failure = gate.open(info[0].As<Napi::String>().Utf8Value())) return fail(env, *failure);
  Napi::Object status = Napi::Object::New(env);
  const uint64_t beat = gate.state()->heartbeat_ns;
  if (beat != 0) status.Set("ageMs", static_cast<double>(clock_ns(CLOCK_MONOTONIC) - beat) / 1e6);
  status.Set("staleMs", static_cast<double>(gate.state()->stale_ns) / 1e6);
  status.Set("bypass", bytes_of(env, std::vector{gate.bypassed(HG_INBOUND), gate.bypassed(HG_OUTBOUND)}));
  return status;
}

}  // namespace

void register_wire(Napi::Env env, Napi::Object exports) {
  exports.Set("engineOpen", Napi::Function::New<engine_open>(env));
  exports.Set("engineClose", Napi::Function::New<engine_close>(env));
  exports.Set("engineWires", Napi::Function::New<engine_wires>(env));
  exports.Set("engineFindings", Napi::Function::New<engine_findings>(env));
  exports.Set("gateInstall", Napi::Function::New<gate_install>(env));
  exports.Set("gateRelease", Napi::Function::New<gate_release>(env));
  exports.Set("gateStatus", Napi::Function::New<gate_status>(env));
}

}  // namespace headgate
