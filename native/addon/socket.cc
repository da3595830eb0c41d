// TCP sockets with MD5 signatures and TTL security for JavaScript: check arguments, convert, no logic.
#include "addon/socket.h"

#include <string>
#include <utility>
#include <vector>

#include "drivers/tcp_socket.h"

namespace headgate {
namespace {

Napi::Error error_of(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.message);
  error.Set("code", failure.code);
  return error;
}

Napi::Value misused(Napi::Env env, const char* usage) {
  Napi::TypeError::New(env, usage).ThrowAsJavaScriptException();
  return env.Undefined();
}

std::string text_of(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
}

int number_of(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  return value.IsNumber() ? value.As<Napi::Number>().Int32Value() : 0;
}

TcpPeer peer_of(const Napi::Object& object) {
  return {text_of(object, "address"), text_of(object, "md5"), number_of(object, "hops")};
}

// Connecting takes a thread of libuv's pool for at most the timeout.
class ConnectWorker : public Napi::AsyncWorker {
 public:
  ConnectWorker(Napi::Env env, TcpPeer peer, uint16_t port, TcpEnd local, int timeout_ms)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        peer_(std::move(peer)),
        port_(port),
        local_(std::move(local)),
        timeout_ms_(timeout_ms) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { fd_ = connect_tcp(peer_, port_, local_, timeout_ms_, &failure_); }

  void OnOK() override {
    if (fd_ >= 0)
      deferred_.Resolve(Napi::Number::New(Env(), fd_));
    else
      deferred_.Reject(error_of(Env(), failure_).Value());
  }

 private:
  Napi::Promise::Deferred deferred_;
  TcpPeer peer_;
  uint16_t port_;
  TcpEnd local_;
  int timeout_ms_;
  int fd_ = -1;
  Failure failure_;
};

// socketConnect({ address, port, md5?, hops?, localAddress?, timeoutMs }) -> promise of a connected descriptor
Napi::Value socket_connect(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsObject()) return misused(env, "socketConnect(request)");
  const auto request = info[0].As<Napi::Object>();
  const auto port = static_cast<uint16_t>(number_of(request, "port"));
  auto* worker = new ConnectWorker(env, peer_of(request), port, {text_of(request, "localAddress"), 0},
                                   number_of(request, "timeoutMs"));
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

// socketListen({ address, port, peers: [{ address, md5?, hops? }] }) -> a listening descriptor
Napi::Value socket_listen(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsObject() || !info[0].As<Napi::Object>().Get("peers").IsArray())
    return misused(env, "socketListen({ address, port, peers })");
  const auto request = info[0].As<Napi::Object>();
  const auto list = request.Get("peers").As<Napi::Array>();
  std::vector<TcpPeer> peers;
  for (uint32_t i = 0; i < list.Length(); i++) {
    if (list.Get(i).IsObject()) peers.push_back(peer_of(list.Get(i).As<Napi::Object>()));
  }
  Failure failure;
  const TcpEnd local{text_of(request, "address"), static_cast<uint16_t>(number_of(request, "port"))};
  const int fd = listen_tcp(local, peers, &failure);
  if (fd < 0) {
    error_of(env, failure).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  return Napi::Number::New(env, fd);
}

// socketLimitHops(fd, hops): for a connection that was accepted
Napi::Value socket_limit_hops(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 2 || !info[0].IsNumber() || !info[1].IsNumber())
    return misused(env, "socketLimitHops(fd, hops)");
  Failure failure;
  const int hops = info[1].As<Napi::Number>().Int32Value();
  if (!limit_hops(info[0].As<Napi::Number>().Int32Value(), hops, &failure))
    error_of(env, failure).ThrowAsJavaScriptException();
  return env.Undefined();
}

}  // namespace

void register_socket(Napi::Env env, Napi::Object exports) {
  exports.Set("socketConnect", Napi::Function::New(env, socket_connect, "socketConnect"));
  exports.Set("socketListen", Napi::Function::New(env, socket_listen, "socketListen"));
  exports.Set("socketLimitHops", Napi::Function::New(env, socket_limit_hops, "socketLimitHops"));
}

}  // namespace headgate
