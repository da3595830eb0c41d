#pragma once
#include <napi.h>

namespace headgate {
void register_notify(Napi::Env env, Napi::Object exports);
}  // namespace headgate
