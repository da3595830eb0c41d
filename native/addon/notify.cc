// The service manager's notification socket for JavaScript: check arguments, convert, no logic.
#include "addon/notify.h"

#include "drivers/notify_socket.h"

namespace headgate {
namespace {

Napi::Value notify_service(const Napi::CallbackInfo& info) {
  if (info.Length() != 2 || !info[0].IsString() || !info[1].IsString()) {
    Napi::TypeError::New(info.Env(), "notifyService(path, state)").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  const bool sent = notify(info[0].As<Napi::String>().Utf8Value(), info[1].As<Napi::String>().Utf8Value());
  return Napi::Boolean::New(info.Env(), sent);
}

}  // namespace

void register_notify(Napi::Env env, Napi::Object exports) {
  exports.Set("notifyService", Napi::Function::New(env, notify_service, "notifyService"));
}

}  // namespace headgate
