/* A rule without an SDK, in plain C: answers 503 while the site is under maintenance.
 *
 * The configuration is a text (a JSON string, or bare): the paths that are closed, one to a line. The rule
 * shows how little the ABI asks for: an allocator, a version marker, and the callbacks that matter.
 */

typedef unsigned int u32;
typedef unsigned char u8;

#define EXPORT(name) __attribute__((export_name(#name)))
#define IMPORT(name) __attribute__((import_module("env"), import_name(#name))) extern

IMPORT(proxy_get_buffer_bytes)
u32 get_buffer(u32 buffer, u32 start, u32 most, u8 **data, u32 *size);
IMPORT(proxy_get_header_map_value)
u32 get_field(u32 map, const char *name, u32 name_size, u8 **value, u32 *value_size);
IMPORT(proxy_send_local_response)
u32 answer(u32 status, const char *details, u32 details_size, const char *body, u32 body_size,
           const u8 *fields, u32 fields_size, int grpc_status);
IMPORT(proxy_call_foreign_function)
u32 call(const char *name, u32 name_size, const void *arguments, u32 size, u8 **answer, u32 *answer_size);

enum { OK = 0, REQUEST_HEADERS = 0, PLUGIN_CONFIGURATION = 7, CONTINUE = 0, PAUSE = 1 };

/* What the host gives is read at once and then forgotten: two places suffice. */
static u8 kept[16384], passing[65536];
static u32 config_size;
static int configured;

EXPORT(proxy_on_memory_allocate) void *allocate(u32 size)
{
    if (configured)
        return size <= sizeof passing ? passing : 0;
    return size <= sizeof kept ? kept : 0;
}

EXPORT(proxy_abi_version_0_2_1) void version(void) {}

EXPORT(proxy_on_configure) u32 on_configure(u32 root, u32 size)
{
    static const u32 phases = 1 | 256;
    u8 *data = 0;
    (void)root;
    if (size > sizeof kept || get_buffer(PLUGIN_CONFIGURATION, 0, size, &data, &config_size) != OK)
        return 0;
    configured = 1;
    call("tidegate_phases", 15, &phases, sizeof phases, 0, 0);
    return 1;
}

static int begins_with(const u8 *text, u32 size, const u8 *start, u32 start_size)
{
    u32 at;
    if (start_size == 0 || start_size > size)
        return 0;
    for (at = 0; at < start_size; at++)
        if (text[at] != start[at])
            return 0;
    return 1;
}

/* Bytes of the separator at this place: a line break, a quote, or a line break as JSON writes it. */
static u32 separator(u32 at)
{
    if (at >= config_size || kept[at] == '\n' || kept[at] == '"')
        return 1;
    return kept[at] == '\\' && at + 1 < config_size && kept[at + 1] == 'n' ? 2 : 0;
}

static int is_closed(const u8 *path, u32 size)
{
    u32 at = 0, line = 0, step;
    while (at <= config_size) {
        step = separator(at);
        if (step == 0) {
            at++;
            continue;
        }
        if (begins_with(path, size, kept + line, at - line))
            return 1;
        at += step;
        line = at;
    }
    return 0;
}

/* One pair: retry-after: 600 */
static const u8 fields[] = "\1\0\0\0\13\0\0\0\3\0\0\0retry-after\0" "600";

EXPORT(proxy_on_request_headers) u32 on_request(u32 context, u32 count, u32 end_of_stream)
{
    u8 *path = 0;
    u32 size = 0;
    (void)context, (void)count, (void)end_of_stream;
    if (get_field(REQUEST_HEADERS, ":path", 5, &path, &size) != OK || !is_closed(path, size))
        return CONTINUE;
    answer(503, "maintenance", 11, "Back soon.\n", 11, fields, sizeof fields, -1);
    return PAUSE;
}
