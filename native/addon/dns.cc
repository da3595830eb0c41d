// The DNS server's UDP sockets for JavaScript: check arguments, convert, no logic.
#include "addon/dns.h"

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "dns/udp_server.h"

namespace headgate {
namespace {

using dns::AnswerTable;
using dns::Policy;
using dns::UdpServer;

// The server and the way to wake JavaScript, which ends first.
struct Handle {
  explicit Handle(const Policy& policy) : server(policy) {}
  ~Handle() { close(); }

  void close() {
    server.close();
    if (is_wakeable) wake.Release();
    is_wakeable = false;
  }

  Napi::ThreadSafeFunction wake;
  bool is_wakeable = false;
  UdpServer server;
};

Napi::Value fail(Napi::Env env, const std::string& code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", code);
  error.ThrowAsJavaScriptException();
  return env.Undefined();
}

Napi::Value misused(Napi::Env env, const char* usage) {
  Napi::TypeError::New(env, usage).ThrowAsJavaScriptException();
  return env.Undefined();
}

std::unique_ptr<const AnswerTable> table_of(Napi::Env env, const Napi::Value& value) {
  const auto bytes = value.As<Napi::Uint8Array>();
  std::string why;
  auto table = AnswerTable::load(bytes.Data(), bytes.ByteLength(), &why);
  if (table == nullptr) fail(env, "bad_table", "dns: the compiled answers are " + why);
  return table;
}

Policy policy_of(const Napi::Object& object) {
  const auto number = [&object](const char* key) { return object.Get(key).ToNumber().Uint32Value(); };
  Policy policy;
  policy.ipv4_bits = static_cast<uint8_t>(number("ipv4Bits"));
  policy.ipv6_bits = static_cast<uint8_t>(number("ipv6Bits"));
  policy.client_subnet = object.Get("clientSubnet").ToBoolean();
  policy.responses_per_second = number("responsesPerSecond");
  policy.slip = number("slip");
  const Napi::Value secret = object.Get("cookieSecret");
  if (secret.IsTypedArray() && secret.As<Napi::Uint8Array>().ByteLength() == 16) {
    policy.cookie_secret.emplace();
    memcpy(policy.cookie_secret->data(), secret.As<Napi::Uint8Array>().Data(), 16);
  }
  return policy;
}

Handle* handle_of(const Napi::CallbackInfo& info) {
  if (info.Length() < 1 || !info[0].IsExternal()) return nullptr;
  return info[0].As<Napi::External<Handle>>().Data();
}

template <typename T>
Napi::Value bytes_of(Napi::Env env, const std::vector<T>& values) {
  const size_t size = values.size() * sizeof(T);
  Napi::Uint8Array bytes = Napi::Uint8Array::New(env, size);
  if (size > 0) memcpy(bytes.Data(), values.data(), size);
  return bytes;
}

// dnsOpen([address], port, policy, table, wake) -> handle
Napi::Value dns_open(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 5 || !info[0].IsArray() || !info[1].IsNumber() || !info[2].IsObject() || !info[3].IsTypedArray() ||
      !info[4].IsFunction())
    return misused(env, "dnsOpen(addresses, port, policy, table, wake)");
  std::vector<std::string> addresses;
  const auto list = info[0].As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) addresses.push_back(list.Get(i).ToString());
  auto table = table_of(env, info[3]);
  if (table == nullptr) return env.Undefined();
  auto handle = std::make_unique<Handle>(policy_of(info[2].As<Napi::Object>()));
  handle->wake = Napi::ThreadSafeFunction::New(env, info[4].As<Napi::Function>(), "headgate dns", 0, 1);
  handle->is_wakeable = true;
  // The daemon's other work keeps the process alive, not this.
  handle->wake.Unref(env);
  const auto wake = [own = handle.get()] { own->wake.NonBlockingCall(); };
  const auto port = static_cast<uint16_t>(info[1].As<Napi::Number>().Uint32Value());
  if (const auto failure = handle->server.open(addresses, port, std::move(table), wake))
    return fail(env, failure->code, failure->message);
  return Napi::External<Handle>::New(env, handle.release(), [](Napi::Env, Handle* forgotten) { delete forgotten; });
}

// dnsPublish(handle, table)
Napi::Value dns_publish(const Napi::CallbackInfo& info) {
  Handle* const handle = handle_of(info);
  if (handle == nullptr || info.Length() < 2 || !info[1].IsTypedArray())
    return misused(info.Env(), "dnsPublish(handle, table)");
  if (auto table = table_of(info.Env(), info[1])) handle->server.publish(std::move(table));
  return info.Env().Undefined();
}

// dnsTake(handle) -> parcels
Napi::Value dns_take(const Napi::CallbackInfo& info) {
  Handle* const handle = handle_of(info);
  if (handle == nullptr) return misused(info.Env(), "dnsTake(handle)");
  return bytes_of(info.Env(), handle->server.take_parcels());
}

// dnsSend(handle, parcels)
Napi::Value dns_send(const Napi::CallbackInfo& info) {
  Handle* const handle = handle_of(info);
  if (handle == nullptr || info.Length() < 2 || !info[1].IsTypedArray())
    return misused(info.Env(), "dnsSend(handle, parcels)");
  const auto bytes = info[1].As<Napi::Uint8Array>();
  handle->server.send_parcels(bytes.Data(), bytes.ByteLength());
  return info.Env().Undefined();
}

// dnsCounts(handle) -> { name: number }
Napi::Value dns_counts(const Napi::CallbackInfo& info) {
  Handle* const handle = handle_of(info);
  if (handle == nullptr) return misused(info.Env(), "dnsCounts(handle)");
  const auto counts = handle->server.counts();
  Napi::Object object = Napi::Object::New(info.Env());
  const auto set = [&](const char* key, uint64_t value) { object.Set(key, static_cast<double>(value)); };
  set("port", handle->server.port());
  set("answered", counts.answers.answered);
  set("steered", counts.answers.steered);
  set("nodata", counts.answers.nodata);
  set("nxdomain", counts.answers.nxdomain);
  set("truncated", counts.answers.truncated);
  set("limited_dropped", counts.answers.limited_dropped);
  set("limited_slipped", counts.answers.limited_slipped);
  set("native_queries", counts.queries);
  set("handed_on", counts.handed_on);
  set("queue_full", counts.queue_full);
  set("oversized", counts.oversized);
  set("send_failed", counts.send_failed);
  set("resolvers_skipped", counts.census_skipped);
  return object;
}

// dnsResolvers(handle) -> records of 24 bytes: address (16), family, queries
Napi::Value dns_resolvers(const Napi::CallbackInfo& info) {
  Handle* const handle = handle_of(info);
  if (handle == nullptr) return misused(info.Env(), "dnsResolvers(handle)");
  return bytes_of(info.Env(), handle->server.drain_census());
}

// dnsClose(handle)
Napi::Value dns_close(const Napi::CallbackInfo& info) {
  Handle* const handle = handle_of(info);
  if (handle == nullptr) return misused(info.Env(), "dnsClose(handle)");
  handle->close();
  return info.Env().Undefined();
}

// A responder without sockets, for the tests that compare it with TypeScript's.
struct Bench {
  Bench(const Policy& policy, std::unique_ptr<const AnswerTable> answers)
      : responder(policy), table(std::move(answers)) {}

  dns::Responder responder;
  std::unique_ptr<const AnswerTable> table;
};

// dnsResponder(policy, table) -> responder
Napi::Value dns_responder(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 2 || !info[0].IsObject() || !info[1].IsTypedArray())
    return misused(env, "dnsResponder(policy, table)");
  auto table = table_of(env, info[1]);
  if (table == nullptr) return env.Undefined();
  auto* const bench = new Bench(policy_of(info[0].As<Napi::Object>()), std::move(table));
  return Napi::External<Bench>::New(env, bench, [](Napi::Env, Bench* forgotten) { delete forgotten; });
}

// dnsAnswer(responder, query, address, nowMs) -> answer, or undefined for a query that is TypeScript's
Napi::Value dns_answer(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 4 || !info[0].IsExternal() || !info[1].IsTypedArray() || !info[2].IsTypedArray() ||
      !info[3].IsNumber())
    return misused(env, "dnsAnswer(responder, query, address, nowMs)");
  Bench& bench = *info[0].As<Napi::External<Bench>>().Data();
  const auto query = info[1].As<Napi::Uint8Array>();
  const auto address = info[2].As<Napi::Uint8Array>();
  std::vector<uint8_t> out(dns::kAnswerMax);
  const int length = bench.responder.answer(*bench.table, query.Data(), query.ByteLength(), address.Data(),
                                            address.ByteLength() == 4 ? 4 : 6,
                                            static_cast<uint64_t>(info[3].As<Napi::Number>().Int64Value()), out.data());
  if (length < 0) return env.Undefined();
  out.resize(static_cast<size_t>(length));
  return bytes_of(env, out);
}

}  // namespace

void register_dns(Napi::Env env, Napi::Object exports) {
  exports.Set("dnsOpen", Napi::Function::New(env, dns_open));
  exports.Set("dnsPublish", Napi::Function::New(env, dns_publish));
  exports.Set("dnsTake", Napi::Function::New(env, dns_take));
  exports.Set("dnsSend", Napi::Function::New(env, dns_send));
  exports.Set("dnsCounts", Napi::Function::New(env, dns_counts));
  exports.Set("dnsResolvers", Napi::Function::New(env, dns_resolvers));
  exports.Set("dnsClose", Napi::Function::New(env, dns_close));
  exports.Set("dnsResponder", Napi::Function::New(env, dns_responder));
  exports.Set("dnsAnswer", Napi::Function::New(env, dns_answer));
}

}  // namespace headgate
