// A module as the C++ SDK makes it: roots by id, the C++ library, an abort where the host does not know the root id.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#define IMPORT(name) __attribute__((import_module("env"), import_name(#name)))
#define EXPORT(name) extern "C" __attribute__((used, export_name(#name)))

extern "C" {
IMPORT(proxy_log) uint32_t proxy_log(uint32_t, const char *, size_t);
IMPORT(proxy_get_property) uint32_t proxy_get_property(const char *, size_t, char **, size_t *);
IMPORT(proxy_get_buffer_bytes) uint32_t proxy_get_buffer_bytes(uint32_t, uint32_t, uint32_t, char **, size_t *);
IMPORT(proxy_get_header_map_value) uint32_t proxy_get_header_map_value(uint32_t, const char *, size_t, char **, size_t *);
IMPORT(proxy_add_header_map_value) uint32_t proxy_add_header_map_value(uint32_t, const char *, size_t, const char *, size_t);
IMPORT(proxy_send_local_response) uint32_t proxy_send_local_response(uint32_t, const char *, size_t, const char *, size_t, const char *, size_t, uint32_t);
}

namespace {
struct Data {
  char *at = nullptr;
  size_t size = 0;
  std::string text() const { return std::string(at, size); }
  ~Data() { free(at); }
};

struct Context {
  explicit Context(std::string *closed) : closed(closed) {}
  std::string *closed;
  std::string path;
};

struct Root {
  std::string closed;
};

std::unordered_map<uint32_t, std::unique_ptr<Root>> roots;
std::map<uint32_t, std::unique_ptr<Context>> contexts;

// Runs before main, as the SDK's registration of factories does.
struct Registered {
  Registered() { printf("registered\n"); }
} registered;
} // namespace

EXPORT(proxy_abi_version_0_2_1) void abi() {}

EXPORT(proxy_on_context_create) void on_create(uint32_t id, uint32_t parent) {
  if (parent == 0) {
    Data id_of_root;
    if (proxy_get_property("plugin_root_id", 14, &id_of_root.at, &id_of_root.size) != 0) abort();
    roots[id] = std::make_unique<Root>();
    return;
  }
  contexts[id] = std::make_unique<Context>(&roots.at(parent)->closed);
}

EXPORT(proxy_on_vm_start) uint32_t on_start(uint32_t, uint32_t) { return 1; }
EXPORT(proxy_validate_configuration) uint32_t validate(uint32_t, uint32_t) { return 1; }

EXPORT(proxy_on_configure) uint32_t on_configure(uint32_t root, uint32_t size) {
  Data data;
  if (size > 0 && proxy_get_buffer_bytes(7, 0, size, &data.at, &data.size) != 0) return 0;
  roots.at(root)->closed = data.text();
  return 1;
}

EXPORT(proxy_on_request_headers) uint32_t on_request_headers(uint32_t id, uint32_t, uint32_t) {
  auto &context = contexts.at(id);
  Data path;
  if (proxy_get_header_map_value(0, ":path", 5, &path.at, &path.size) != 0) abort();
  context->path = path.text();
  if (context->path == *context->closed) {
    std::string body = "closed\n";
    proxy_send_local_response(503, "", 0, body.data(), body.size(), nullptr, 0, uint32_t(-1));
    return 1;
  }
  proxy_add_header_map_value(0, "x-foreign", 9, "c++", 3);
  return 0;
}

EXPORT(proxy_on_response_headers) uint32_t on_response_headers(uint32_t, uint32_t, uint32_t) {
  proxy_add_header_map_value(2, "x-foreign", 9, "c++", 3);
  return 0;
}

EXPORT(proxy_on_request_metadata) uint32_t on_request_metadata(uint32_t, uint32_t) { return 0; }
EXPORT(proxy_on_response_metadata) uint32_t on_response_metadata(uint32_t, uint32_t) { return 0; }
EXPORT(proxy_on_done) uint32_t on_done(uint32_t) { return 1; }

EXPORT(proxy_on_log) void on_log(uint32_t id) {
  auto line = "done with " + contexts.at(id)->path;
  proxy_log(2, line.data(), line.size());
}

EXPORT(proxy_on_delete) void on_delete(uint32_t id) {
  contexts.erase(id);
  roots.erase(id);
}
